import type { Entity } from './entity.ts';
import type { CallOptions, RecordStore, WriteOptions, WriteResult } from './record-store.ts';
import type { WriteIntent } from './record-write.ts';

/** What can be done with one entity inside a unit of work: reads see the unit's own writes. */
export type UnitRecords = Pick<RecordStore, 'read' | 'getMany' | 'query'> & {
  /** Adds a write to the unit. It is decided now and becomes true with the others, or not at all. */
  write(intent: WriteIntent, options?: CallOptions): Promise<WriteResult>;
};

/** Writes that commit together, or not at all. */
export interface UnitOfWork {
  /** The records of an entity, inside this unit. */
  records(entity: Entity): UnitRecords;
}

/** Where SQL of the application's own is run: a unit, and the entities whose groups fence it besides those that the unit wrote. */
export interface UnitSql {
  readonly unit: UnitOfWork;
  readonly fencedBy: readonly Entity[];
}

/** How a unit of work is fenced. */
export interface UnitOptions extends CallOptions {
  /** For each entity that takes part: the term its writes belong to, the group that fences it, whether deletes leave tombstones. */
  fenceOf(entity: Entity): Pick<WriteOptions, 'term' | 'fence' | 'tombstones'>;
  /** Names the unit, so that a commit whose reply is lost can be settled. It is the operation id of each write that has none. */
  readonly operationId: string;
}

/** What a unit of work made. */
export interface UnitResult<Result> {
  readonly result: Result;
  /** What was stored, per write, in order: for the second write of the dual phases. */
  readonly written: readonly { readonly entity: Entity; readonly result: WriteResult }[];
}

/**
 * Runs work as one unit.
 *
 * PostgreSQL: a transaction over any entities. Cosmos DB: one transactional batch of at most 100 operations in one logical
 * partition of one container; a second partition is refused when it is added (`UnsupportedError`), never split silently.
 * When the work throws, nothing is written. When somebody else changed a record meanwhile, `TransactionConflictError`.
 */
export type RunUnit = <Result>(
  work: (unit: UnitOfWork) => Promise<Result>,
  options: UnitOptions,
) => Promise<UnitResult<Result>>;
