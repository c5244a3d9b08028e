import type { RecordKey } from '@polyphase/core';
import { sql } from 'kysely';
import type { Cell } from '../driver.ts';
import { liveColumns } from '../live-rows.ts';
import { defineStatement, type Statement } from '../statement.ts';
import { liveSql, type Table, tableName } from '../table.ts';
import { wantedKeys } from './wanted-keys.ts';

/** Reads the live records of many keys, in no particular order, each as often as its key was asked for: the place of the key, from 1 on, is the last cell. */
export function getRecords(table: Table): Statement<readonly RecordKey[], readonly Cell[]> {
  return defineStatement<readonly RecordKey[], readonly Cell[]>(
    (slot) => sql`
      select ${sql.join(liveColumns(table, 't'))}, wanted.place
      from unnest(${wantedKeys(slot)}) with ordinality as wanted (pk, id, place)
      join ${tableName(table)} as t on t.hyb_pk = wanted.pk and ${sql.id('t', table.idColumn)} = wanted.id
        and ${liveSql('t')}`,
    (cells) => cells,
  );
}
