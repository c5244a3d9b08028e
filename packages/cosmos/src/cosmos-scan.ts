import {
  isJsonObject,
  type JsonObject,
  type RecordSummary,
  recordDigest,
  type ScanOptions,
  TTL_FIELD,
  UNSTAMPED,
} from '@polyphase/core';
import { STAMP_FIELD, stampOf, valueOf } from './cosmos-document.ts';
import { documentExpiry } from './cosmos-expiry.ts';
import { SqlParameters, sqlPath, sqlRecords } from './cosmos-sql.ts';
import type { RecordPlace } from './cosmos-write.ts';
import type { EntityMapping } from './discriminator.ts';
import { levelOf, partitionPaths } from './partition-key.ts';

const PAGE = 1_000;

/**
 * Key, version, digest and expiry of every record, page by page. Of a stamped document only key and stamp are fetched, so a body that was
 * changed under its stamp shows in the feed and in reads, not here.
 */
export async function* scanRecords(
  place: RecordPlace,
  options: ScanOptions,
): AsyncGenerator<readonly RecordSummary[], void, undefined> {
  const { entity, items } = place;
  const { buckets, changedSinceMs, signal } = options;
  const parameters = new SqlParameters();
  const conditions = [sqlRecords(place, parameters)];
  const bucket = sqlPath([STAMP_FIELD, 'b']);
  if (buckets)
    conditions.push(
      `(${bucket} >= ${parameters.add(buckets.from)} AND ${bucket} < ${parameters.add(buckets.to)})`,
    );
  // The service keeps whole seconds.
  if (changedSinceMs !== undefined)
    conditions.push(`(${sqlPath(['_ts'])} >= ${parameters.add(Math.floor(changedSinceMs / 1_000))})`);
  const stamp = sqlPath([STAMP_FIELD]);
  const levels = partitionPaths(entity).map((path, i) => `"p${i}": ${sqlPath(path)}`);
  const stamped = `IS_DEFINED(${sqlPath([STAMP_FIELD, 'd'])})`;
  const query = `SELECT VALUE {"i": ${sqlPath(['id'])}, "h": ${stamp}, "t": ${sqlPath(['_ts'])}, "l": ${sqlPath([TTL_FIELD])}, ${levels.join(', ')}, "c": (${stamped} ? null : c)} FROM c WHERE ${conditions.join(' AND ')}`;
  const spec = { query, parameters: parameters.list() };
  for await (const { rows } of items.query(spec, { operation: 'scan', pageSize: PAGE, signal }))
    yield rows.map((row) => toSummary(place, row));
}

function toSummary(mapping: EntityMapping, row: JsonObject): RecordSummary {
  const partition = mapping.entity.key.partition.map((_, i) => levelOf(row[`p${i}`])?.level);
  const id = row['i'];
  const key = { partition, id: typeof id === 'string' ? id : '' };
  const stamp = stampOf(row['h']);
  const isGone = typeof stamp === 'object' && stamp.tombstone;
  const expiry = isGone ? {} : documentExpiry(mapping.entity, { writtenS: row['t'], ttl: row['l'] });
  if (typeof stamp === 'object')
    return { key, version: { term: stamp.term, counter: stamp.counter }, digest: stamp.digest, ...expiry };
  const body = row['c'];
  const digest = recordDigest(isJsonObject(body) ? valueOf(mapping, body) : {});
  return { key, version: UNSTAMPED, digest, ...expiry };
}
