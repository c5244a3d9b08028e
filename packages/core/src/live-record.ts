import type { JsonObject } from './json.ts';
import type { RecordKey } from './key.ts';
import type { StoredRecord } from './record.ts';
import { encodeVersion, type Version } from './version.ts';

/** A live record as its readers are told of it: without what only writes and copies go by, which a store need not read then. */
export interface LiveRecord {
  readonly key: RecordKey;
  /** The whole stored value, unknown fields included. */
  readonly value: JsonObject;
  /** The version as callers hold it. */
  readonly version: Version;
  /** When the record expires, in milliseconds of the store's date; undefined: never. */
  readonly expiresAtMs?: number | undefined;
  /**
   * Whether the store has seen to it that every store could hold the value (see `portabilityIssues`), so that nobody has to look again.
   *
   * @default false
   */
  readonly portable?: boolean | undefined;
}

/** What readers are told of a record; undefined where none is live. */
export function liveRecord(record: StoredRecord | undefined): LiveRecord | undefined {
  if (record?.value === undefined) return undefined;
  const { key, value, version, etag, expiresAtMs } = record;
  return { key, value, version: encodeVersion(version, etag), expiresAtMs };
}

/** What readers are told of records: of those that are live. */
export function liveRecords(records: readonly StoredRecord[]): readonly LiveRecord[] {
  return records.map(liveRecord).filter((it) => it !== undefined);
}
