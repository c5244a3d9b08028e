import type { StatementResult } from './batch.ts';
import { command } from './statement.ts';

/** Starts a transaction whatever the database's default is. In READ COMMITTED each statement sees what was committed before it. */
export const BEGIN = command('begin isolation level read committed read write');

/** Ends a transaction; look at the tag of its answer. */
export const COMMIT = command('commit');

/** Number of rows that a command tag tells. */
export function affected(result: StatementResult | undefined): number {
  return Number(result?.tag.split(' ').at(-1) ?? 0);
}

/** Whether a COMMIT did commit: after a failure in its transaction the server answers it with `ROLLBACK`, and no error. */
export function committed(result: StatementResult | undefined): boolean {
  return result?.tag === 'COMMIT';
}
