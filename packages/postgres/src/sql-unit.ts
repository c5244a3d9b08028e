import type { Entity, UnitOfWork } from '@polyphase/core';
import type { DriverRows } from './driver.ts';

/** How SQL of the application's own runs in a unit. */
export interface UnitSqlOptions {
  /** Entities whose groups fence it, besides those that the unit wrote. */
  readonly fencedBy: readonly Entity[];
  readonly signal: AbortSignal | undefined;
}

/** A unit of work that takes SQL. */
export interface SqlUnit extends UnitOfWork {
  /** Runs one statement of the application's own, in turn with the unit's other calls. */
  sql(text: string, values: readonly unknown[], options: UnitSqlOptions): Promise<DriverRows>;
}

/** Whether a unit of work takes SQL. */
export function isSqlUnit(unit: UnitOfWork): unit is SqlUnit {
  return 'sql' in unit && typeof unit.sql === 'function';
}
