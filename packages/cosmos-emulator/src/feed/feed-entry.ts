import type { Json, JsonObject } from '../json.ts';
import { wireKey } from '../partition/partition-key.ts';
import type { Change } from '../storage/change-history.ts';
import { type StoredItem, textOf } from '../storage/stored-item.ts';

/** Writes a change of the latest-version mode as JSON text: the item with the number of its write. */
export function latestEntry(item: StoredItem): string {
  // The text of an item always ends with a system property, so one more can follow it.
  return `${textOf(item).slice(0, -1)},"_lsn":${item.lsn}}`;
}

/** The same in the wire format that keeps item and metadata apart, which clients ask for by its version. */
export function separateEntry(item: StoredItem): string {
  const { _ts: crts } = item.document;
  return JSON.stringify({ current: item.document, metadata: { lsn: item.lsn, crts } });
}

/** Writes a change of the mode with all versions and deletes as JSON text. */
export function changeEntry(change: Change, keyPaths: readonly string[]): string {
  const { operation, current, previous, lsn, previousLsn } = change;
  const metadata = {
    operationType: operation,
    lsn,
    crts: change.time,
    ...(previousLsn === undefined ? {} : { previousImageLSN: previousLsn }),
    ...(operation === 'delete' ? deleted(change, keyPaths) : {}),
  };
  return JSON.stringify({ current: current ?? {}, ...(previous ? { previous } : {}), metadata });
}

/** A delete tells what was deleted, for it has no current image. */
function deleted({ expired, id, partition }: Change, keyPaths: readonly string[]): JsonObject {
  const key = wireKey(partition.key);
  const names = keyPaths.map((path) => path.slice(1));
  const partitionKey = Object.fromEntries(names.map((name, at): [string, Json] => [name, key[at] ?? null]));
  return { timeToLiveExpired: expired === true, id, partitionKey };
}
