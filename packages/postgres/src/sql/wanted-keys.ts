import { partitionText, type RecordKey } from '@polyphase/core';
import { type RawBuilder, sql } from 'kysely';
import { arrayLiteral, lines, type SlotMaker } from '../statement.ts';

/**
 * Keys as two arrays, of partition texts and ids, for `unnest`. Partition texts are JSON, which has no line break, and full of quotes:
 * they go as lines, that none of them is looked through for what an array literal escapes.
 */
export function wantedKeys(slot: SlotMaker<readonly RecordKey[]>): RawBuilder<unknown> {
  const partitions = slot((keys) => lines(keys.map((key) => partitionText(key.partition))));
  const ids = slot((keys) => arrayLiteral(keys.map((key) => key.id)));
  return sql`string_to_array(${partitions}::text, E'\\n'), ${ids}::text[]`;
}
