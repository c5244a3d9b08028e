import type { CheckpointAdvance } from './checkpoint.ts';
import type { Journaled } from './journal.ts';
import type { RecordKey } from './key.ts';
import type { LiveRecord } from './live-record.ts';
import type { QueryPlan } from './query-plan.ts';
import type { RecordBase, StoredRecord } from './record.ts';
import type { CopyVerdict, WriteIntent } from './record-write.ts';
import type { RequestMeter } from './request-meter.ts';
import type { RecordVersion } from './version.ts';

/** What every call to a store takes. */
export interface CallOptions {
  /** Aborts the call. A write that was sent already ends in an `UnknownOutcomeError`. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Hears what each request of the call took. A store that charges nothing (PostgreSQL) tells nothing; Cosmos DB tells of reads of the feed,
   * copies, scans and counts.
   */
  readonly meter?: RequestMeter | undefined;
}

/** How a write is fenced. */
export interface WriteOptions extends CallOptions {
  /** The term of the authority that the write belongs to. */
  readonly term: number;
  /**
   * Name of the group whose control row must, inside the write's own transaction, still name this store as the authority in
   * `term`. A store that cannot check that (Cosmos DB: the permit does it) ignores it.
   *
   * @default none: the store is used on its own, with no migration
   */
  readonly fence?: string | undefined;
  /**
   * Whether another store follows this one, so that a delete must leave a tombstone even where the store was told to remove
   * documents (`deletes: "hard"`).
   *
   * @default false: such a store removes
   */
  readonly tombstones?: boolean | undefined;
}

/** What a write made. */
export interface WriteResult {
  /** The record as stored. For a repeated operation, with the version that the operation made the first time. */
  readonly record: StoredRecord;
  /** Whether a live record was there before. */
  readonly existed: boolean;
  /** Whether the operation had taken effect before, so that nothing was written now. */
  readonly repeated: boolean;
}

/** A record on its way from one store to the other. */
export interface RecordCopy {
  readonly record: StoredRecord;
  /**
   * Apply only if the record there still has this ETag (used to stamp a document in place). Who names one has read what it stands
   * for, and gives a newer version.
   */
  readonly ifEtag?: string | undefined;
  /**
   * What the copy descends from. When the record there is of an earlier term and is neither this nor older, it is left alone and
   * the outcome is `straggler`: its body must be kept before it is overwritten.
   */
  readonly base?: RecordBase | undefined;
}

/** What became of one copy: written, or why not, with what is there instead. */
export type CopyOutcome =
  | { readonly kind: 'applied'; readonly record: StoredRecord }
  | { readonly kind: Exclude<CopyVerdict, 'newer'> | 'changed'; readonly there: StoredRecord | undefined };

/** What is committed together with the copies, or not at all. For stores that have transactions. */
export interface CopyOptions extends CallOptions {
  /** Moves a checkpoint in the same transaction: exactly-once effect. */
  readonly checkpoint?: CheckpointAdvance | undefined;
  /**
   * Where the copies were judged: the group, and the term of its authority then. When its control row is of another term by now, nothing
   * is stored, and the copies must be judged anew.
   *
   * @default the term does not matter
   */
  readonly judgedIn?: { readonly group: string; readonly term: number } | undefined;
  /** Entries for the journal, in the same transaction. Stragglers and diverged copies among the records are added by the store. */
  readonly journal?: readonly Journaled[] | undefined;
}

/** One line of a comparison: no bodies. */
export interface RecordSummary {
  readonly key: RecordKey;
  readonly version: RecordVersion;
  readonly digest: string;
  /** When the record expires, in milliseconds; undefined: never. */
  readonly expiresAtMs?: number | undefined;
}

/** Which records {@link RecordStore.scan} covers. */
export interface ScanOptions extends CallOptions {
  /** Only buckets `from` (inclusive) to `to` (exclusive), see `BUCKETS`. @default all, documents without a stamp included */
  readonly buckets?: { readonly from: number; readonly to: number } | undefined;
  /**
   * Only records that were written at or after this date of the store, in milliseconds; may hold a little more (a store that keeps
   * whole seconds), never less. For stores of documents; a store of rows covers everything.
   *
   * @default all
   */
  readonly changedSinceMs?: number | undefined;
}

/**
 * The records of one entity in one store: what an adapter implements. Repositories, relays, backfill and reconciliation are
 * built on these eight and on nothing else of a store.
 *
 * Guarantee: `write` follows `decideWrite` and is atomic against every other writer of the key; it settles ambiguous replies by
 * operation id before it throws `UnknownOutcomeError`. `apply` follows `compareCopies`.
 */
export interface RecordStore {
  /** The record under a key, tombstones included; undefined where there is neither. */
  read(key: RecordKey, options?: CallOptions): Promise<StoredRecord | undefined>;
  /** As {@link RecordStore.read} for many keys; answers stand in the order of the keys. */
  readMany(keys: readonly RecordKey[], options?: CallOptions): Promise<readonly (StoredRecord | undefined)[]>;
  /** What readers are told of the live records under many keys; answers stand in the order of the keys, undefined where none is live. */
  getMany(keys: readonly RecordKey[], options?: CallOptions): Promise<readonly (LiveRecord | undefined)[]>;
  /** What readers are told of the live records that match, in the plan's order, at most `plan.limit`. */
  query(plan: QueryPlan, options?: CallOptions): Promise<readonly LiveRecord[]>;
  /** Makes a write true, or throws a typed error and changes nothing. */
  write(intent: WriteIntent, options: WriteOptions): Promise<WriteResult>;
  /**
   * Stores copies that are newer than what is there; outcomes stand in the order of the copies. A copy expires when its record does,
   * and one that has expired brings nothing to life. A store of documents also corrects the moment at which a `same` one expires.
   */
  apply(copies: readonly RecordCopy[], options?: CopyOptions): Promise<readonly CopyOutcome[]>;
  /** Key, version, digest and expiry of every record, tombstones included and expired ones left out, page by page in no particular order. */
  scan(options?: ScanOptions): AsyncIterable<readonly RecordSummary[]>;
  /** Number of live records. */
  count(options?: CallOptions): Promise<number>;
}
