import type { CallOptions, GateAnswer } from '@polyphase/core';
import { STAMP_FIELD } from './cosmos-document.ts';
import type { PlacedEntity } from './cosmos-map.ts';
import { SqlParameters, sqlPath, sqlRecords } from './cosmos-sql.ts';
import type { RecordPlace } from './cosmos-write.ts';

/**
 * Whether other programs that use the container have been thought of, before another store follows it. A document without a stamp was
 * written without the SDK, so there are, or were, others; where every document has one, nobody meets anything new.
 */
export async function otherReadersAnswer(
  place: RecordPlace,
  { readersAcknowledged }: Pick<PlacedEntity, 'readersAcknowledged'>,
  options: CallOptions,
): Promise<GateAnswer> {
  const others = !readersAcknowledged && (await hasUnstamped(place, options));
  const name = place.entity.name;
  return {
    name: 'other readers',
    passed: !others,
    seen: readersAcknowledged
      ? 'acknowledged'
      : others
        ? 'a document that was written without the SDK: other programs use the container'
        : 'every document was written by the SDK',
    wanted: `tell whoever else reads the container: from phase 1 on each document has the field "${STAMP_FIELD}", a deleted record stays as a document with "${STAMP_FIELD}.x": true, and ids that begin with "hyb:" are the SDK's; then say so in the map of cosmosStore: ${JSON.stringify(name)}: { otherReaders: "acknowledged" }`,
  };
}

async function hasUnstamped(place: RecordPlace, { signal }: CallOptions): Promise<boolean> {
  const parameters = new SqlParameters();
  const condition = `${sqlRecords(place, parameters)} AND NOT IS_DEFINED(${sqlPath([STAMP_FIELD])})`;
  const query = `SELECT VALUE {"i": ${sqlPath(['id'])}} FROM c WHERE ${condition}`;
  const spec = { query, parameters: parameters.list() };
  for await (const { rows } of place.items.query(spec, { operation: 'verify', pageSize: 1, signal }))
    if (rows.length > 0) return true;
  return false;
}
