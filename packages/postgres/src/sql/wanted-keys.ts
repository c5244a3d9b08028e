import { partitionText, type RecordKey } from '@polyphase/core';
import { type RawBuilder, sql } from 'kysely';
import { arrayLiteral, type SlotMaker } from '../statement.ts';

/**
 * Keys as two arrays, of partition texts and ids, for `unnest`. Partition texts are JSON, which has no line break, and full of quotes:
 * they go as lines, that none of them is looked through for what an array literal escapes.
 */
export function wantedKeys(slot: SlotMaker<readonly RecordKey[]>): RawBuilder<unknown> {
  const lines = slot((keys) => keys.map((key) => partitionText(key.partition)).join('\n'));
  const ids = slot((keys) => arrayLiteral(keys.map((key) => key.id)));
  return sql`string_to_array(${lines}::text, E'\\n'), ${ids}::text[]`;
}
