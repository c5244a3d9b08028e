import type { Duration } from './duration.ts';
import type { Page, Query } from './query.ts';
import type { Version } from './version.ts';

/** A record as callers see it: its value, unknown fields included, and its version. */
export interface Stored<Value> {
  readonly value: Value;
  /** Pass it as `ifVersion` to change exactly this state. */
  readonly version: Version;
  /** When the record expires; absent: never. */
  readonly expiresAt?: Date | undefined;
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

/** How long what is written lives. For entities that declare `ttl`. */
export interface LifetimeOptions {
  /**
   * How long the record lives from this write on: whole seconds; null: for ever. It is stored as the value's own field `ttl`, so that
   * later writes go by it until one says otherwise.
   *
   * Every write starts the clock anew, as in Cosmos DB: with the record's own `ttl` where it has one, which replace, upsert and
   * patch keep (unless the schema names the field and the new value leaves it out, or `dropUnknown` drops it), else with the entity's.
   *
   * @default the record's own `ttl`, else the entity's
   */
  readonly ttl?: Duration | null | undefined;
}

/** Options of a write that stores a new record. */
export interface CreateOptions extends WriteCallOptions, LifetimeOptions {}

/** Options of a write that merges a patch. */
export interface PatchOptions extends ChangeOptions, LifetimeOptions {}

/** Options of a write that replaces the whole value. */
export interface ReplaceOptions extends ChangeOptions, LifetimeOptions {
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
 * A record that has expired is gone: reads do not find it, and a new one may take its key and its unique values.
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
  create(value: Value, options?: CreateOptions): Promise<Written>;
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
  patch(key: Key, patch: Patch<Value>, options?: PatchOptions): Promise<Written>;
  /** Deletes a record; deleting what is not there is no error without `ifVersion`. */
  delete(key: Key, options?: ChangeOptions): Promise<Deleted>;
}
