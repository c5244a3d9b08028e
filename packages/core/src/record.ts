import { digestOf } from './digest.ts';
import { canonicalJson, type JsonObject } from './json.ts';
import type { RecordKey } from './key.ts';
import type { RecordVersion } from './version.ts';

/** Number of operation ids that a record remembers, newest first. */
export const REMEMBERED_OPERATIONS = 8;

/** One write that a record remembers: its operation id, and the version it made. */
export interface OperationMark extends RecordVersion {
  readonly id: string;
}

/** What a row descends from at the start of a term: version and digest of the other store's copy. */
export interface RecordBase extends RecordVersion {
  readonly digest: string;
}

/** One record as a store holds it: live, or the tombstone of a deleted one, or one that has expired. The same in every store. */
export interface StoredRecord {
  readonly key: RecordKey;
  readonly version: RecordVersion;
  /** The whole stored value, unknown fields included. Undefined: a tombstone, or expired. */
  readonly value: JsonObject | undefined;
  /** Digest of the value's canonical JSON; {@link TOMBSTONE_DIGEST} for a tombstone. */
  readonly digest: string;
  /** The last writes, newest first, at most {@link REMEMBERED_OPERATIONS}. */
  readonly operations: readonly OperationMark[];
  /** The store's own token for conditional writes, where it has one. */
  readonly etag?: string | undefined;
  /** Set where the store sees that another program changed the body under its stamp (Cosmos DB): the digest is of the body. */
  readonly foreign?: true | undefined;
  /** What the record descends from, where the store keeps it (PostgreSQL). */
  readonly base?: RecordBase | undefined;
  /**
   * When the record expires, in milliseconds of the store's date; undefined: never. Of one that has expired and is still in the store
   * (PostgreSQL), reads tell all but the value, so that versions go on.
   */
  readonly expiresAtMs?: number | undefined;
}

/** The digest that stands for "deleted". */
export const TOMBSTONE_DIGEST = '0'.repeat(32);

/** The digest of a stored value. */
export function recordDigest(value: JsonObject | undefined): string {
  return value === undefined ? TOMBSTONE_DIGEST : digestOf(canonicalJson(value));
}
