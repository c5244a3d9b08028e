import type { Page, Query } from './query.ts';
import type { Version } from './version.ts';

/** A record as callers see it: its value, unknown fields included, and its version. */
export interface Stored<Value> {
  readonly value: Value;
  /** Pass it as `ifVersion` to change exactly this state. */
  readonly version: Version;
}

/** What a write tells. */
export interface Written {
  readonly version: Version;
  /** The id under which the write can be repeated: the one that was given, or a new one. */
  readonly operationId: string;
}

/** What a delete tells. */
export interface Deleted extends Written {
  /** Whether a record was there. */
  readonly existed: boolean;
}

/** Options of every read. */
export interface ReadOptions {
  /** Aborts the call. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of every write. */
export interface WriteCallOptions extends ReadOptions {
  /**
   * Names the write, so that repeating it takes effect at most once. Keep it over retries.
   *
   * @default a new random id
   */
  readonly operationId?: string | undefined;
}

/** Options of a write that changes what is there. */
export interface ChangeOptions extends WriteCallOptions {
  /** Only if the record still has this version. @default whatever is there */
  readonly ifVersion?: Version | undefined;
}

/** Options of a write that replaces the whole value. */
export interface ReplaceOptions extends ChangeOptions {
  /** Drops stored fields that the schema does not name and the new value does not have. @default false */
  readonly dropUnknown?: boolean | undefined;
}

/** The part of a value that {@link Repository.patch} takes: a merge patch, where null removes a field and arrays are replaced whole. */
export type Patch<Value> = {
  readonly [Name in keyof Value]?: PatchOf<NonNullable<Value[Name]>> | null | undefined;
};

type PatchOf<Field> = Field extends readonly unknown[] ? Field : Field extends object ? Patch<Field> : Field;

/**
 * Reads and writes of one entity, by key. The same in every store and in every phase of a migration.
 *
 * Every write is atomic, is acknowledged only when it is durable, and takes effect at most once per `operationId`.
 * All may throw `ConnectionError`, `TimeoutError`, `ThrottledError` (nothing was written; try again) and `StoreError`; writes also
 * `UnknownOutcomeError` (repeat with the same operation id) and `SealedError` (the authority is moving; try again).
 */
export interface Repository<Value extends object, Key = Readonly<Record<string, unknown>>> {
  /** The record under a key, or undefined. */
  get(key: Key, options?: ReadOptions): Promise<Stored<Value> | undefined>;
  /** The records under many keys, in their order; undefined where there is none. At most 1,000 keys. */
  getMany(keys: readonly Key[], options?: ReadOptions): Promise<readonly (Stored<Value> | undefined)[]>;
  /**
   * One page of the records that match.
   *
   * @throws `UnsupportedError` before any request, for what the stores cannot answer from an index
   */
  query(query: Query<Value>, options?: ReadOptions): Promise<Page<Stored<Value>>>;
  /** All records that match, fetched page by page as they are consumed. Not a snapshot: each page is as of its own read. */
  iterate(query: Query<Value>, options?: ReadOptions): AsyncIterable<Stored<Value>>;
  /**
   * Stores a new record.
   *
   * @throws `AlreadyExistsError` when the key, or a unique value, is taken
   */
  create(value: Value, options?: WriteCallOptions): Promise<Written>;
  /** Stores the value whether or not there is a record; unknown stored fields are kept. */
  upsert(value: Value, options?: ReplaceOptions): Promise<Written>;
  /**
   * Replaces the value of a record; unknown stored fields are kept.
   *
   * @throws `NotFoundError` when there is none, `ConflictError` when it is not at `ifVersion`
   */
  replace(value: Value, options?: ReplaceOptions): Promise<Written>;
  /**
   * Merges a patch into a record (RFC 7396) and checks the result.
   *
   * @throws `NotFoundError`, `ConflictError` (only with `ifVersion`: otherwise it is read and merged again), `InvalidDataError`
   */
  patch(key: Key, patch: Patch<Value>, options?: ChangeOptions): Promise<Written>;
  /** Deletes a record; deleting what is not there is no error without `ifVersion`. */
  delete(key: Key, options?: ChangeOptions): Promise<Deleted>;
}
