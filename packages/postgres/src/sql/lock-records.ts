import { partitionText, type RecordKey, type RecordVersion, type StoredRecord } from '@polyphase/core';
import { sql } from 'kysely';
import { arrayLiteral, defineStatement, lines, type Statement } from '../statement.ts';
import { bareColumns, fromRow, type Table, tableName } from '../table.ts';

/** A key whose record is locked, and the version that replaces every older record without a look at what it holds. */
export interface LockInput {
  readonly key: RecordKey;
  readonly replacedBy: RecordVersion;
}

/**
 * Reads many records and locks them, always in the order of their keys, so that two pages cannot wait for each other. Of one that will
 * be replaced, only what that is decided by: version, digest, base and expiry.
 */
export function lockRecords(table: Table): Statement<readonly LockInput[], StoredRecord> {
  const id = sql.id('t', table.idColumn);
  // The digest of a row that was written around the SDK is that of its value.
  const bare = sql`((t.hyb_term, t.hyb_counter) < (wanted.term, wanted.counter) and t.hyb_digest <> '')`;
  return defineStatement<readonly LockInput[], StoredRecord>(
    (slot) => sql`
      select ${sql.join(bareColumns(table, 't', bare))}
      from unnest(
        string_to_array(${slot((its) => lines(its.map(({ key }) => partitionText(key.partition))))}::text, E'\\n'),
        ${slot((its) => arrayLiteral(its.map(({ key }) => key.id)))}::text[],
        string_to_array(${slot((its) => lines(its.map(({ replacedBy }) => String(replacedBy.term))))}::text, E'\\n')::int[],
        string_to_array(${slot((its) => lines(its.map(({ replacedBy }) => String(replacedBy.counter))))}::text, E'\\n')::bigint[]
      ) as wanted (pk, id, term, counter)
      join ${tableName(table)} as t on t.hyb_pk = wanted.pk and ${id} = wanted.id
      order by t.hyb_pk, ${id}
      for update of t`,
    (cells) => fromRow(table, cells),
  );
}
