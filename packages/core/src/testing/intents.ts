import { type Entity, keyOfValue } from '../entity.ts';
import type { JsonObject } from '../json.ts';
import type { RecordKey } from '../key.ts';
import type { StoredRecord } from '../record.ts';
import { recordDigest } from '../record.ts';
import type { RecordStore, WriteResult } from '../record-store.ts';
import type { WriteIntent } from '../record-write.ts';
import { encodeVersion, type RecordVersion, type Version } from '../version.ts';

/** What may be said about a write beside its value. */
export interface IntentOptions {
  readonly operationId?: string;
  readonly ifVersion?: Version;
  readonly dropUnknown?: boolean;
}

/** A write of a whole value. */
export function put(
  kind: 'create' | 'upsert' | 'replace',
  entity: Entity,
  value: JsonObject,
  options: IntentOptions = {},
): WriteIntent {
  const { operationId = crypto.randomUUID(), ifVersion, dropUnknown } = options;
  const key = keyOfValue(entity, value);
  return kind === 'create'
    ? { kind, key, operationId, value }
    : { kind, key, operationId, value, ifVersion, dropUnknown };
}

/** A merge patch. */
export function patch(key: RecordKey, changes: JsonObject, options: IntentOptions = {}): WriteIntent {
  const { operationId = crypto.randomUUID(), ifVersion } = options;
  return { kind: 'patch', key, operationId, patch: changes, ifVersion };
}

/** A delete. */
export function remove(key: RecordKey, options: IntentOptions = {}): WriteIntent {
  const { operationId = crypto.randomUUID(), ifVersion } = options;
  return { kind: 'delete', key, operationId, ifVersion };
}

/** Writes in a term, 1 unless told. */
export function write(records: RecordStore, intent: WriteIntent, term = 1): Promise<WriteResult> {
  return records.write(intent, { term });
}

/** The version that a caller would hold. */
export function versionOf(record: StoredRecord): Version {
  return encodeVersion(record.version, record.etag);
}

/** A record as another store would hand it over. */
export function copyOf(
  entity: Entity,
  value: JsonObject,
  version: RecordVersion,
  options: { readonly deleted?: boolean; readonly base?: StoredRecord['base'] } = {},
): StoredRecord {
  const body = options.deleted === true ? undefined : value;
  return {
    key: keyOfValue(entity, value),
    version,
    value: body,
    digest: recordDigest(body),
    operations: [{ id: `op-${version.term}-${version.counter}`, ...version }],
    base: options.base,
  };
}
