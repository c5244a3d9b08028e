import { encodeVersion, type LiveRecord, type RecordKey } from '@polyphase/core';
import { type RawBuilder, sql } from 'kysely';
import type { Cell } from './driver.ts';
import { isPortableRow, valueOfRow } from './row-value.ts';
import { layoutOf } from './sql/layout.ts';
import { textCell } from './statement.ts';
import { columnsOf, fieldColumns, millisecondsSql, type Table } from './table.ts';

/** What readers are told of a row, and the layout of its table at the moment of reading. */
export interface LiveRow {
  readonly record: LiveRecord;
  readonly layout: number;
}

/** Where the rest is among the cells; those of the fields follow. */
const REST = 4;

/**
 * What live rows are read from, in the order that {@link liveRow} wants. Most cells of a row that say nothing are null, since the
 * driver makes a text of every other.
 */
export function liveColumns(table: Table, alias?: string): readonly RawBuilder<unknown>[] {
  const at = columnsOf(alias);
  return [
    at('hyb_term'),
    at('hyb_counter'),
    millisecondsSql(at('hyb_expires_at')),
    sql`nullif(coalesce(${layoutOf(table)}, 0), ${sql.lit(table.layout)})`,
    sql`nullif(${at('hyb_rest')}, '{}')`,
    ...fieldColumns(table, at),
  ];
}

/** Number of the cells that {@link liveColumns} gives; what else a statement selects stands behind them. */
export function liveWidth({ columns }: Table): number {
  return REST + 1 + columns.length;
}

/** What the cells of a live row say, of the record under a key. */
export function liveRow(table: Table, key: RecordKey, cells: readonly Cell[]): LiveRow {
  const [term, counter, expiresAtMs, layout] = cells;
  const place = { table, from: REST };
  return {
    record: {
      key,
      value: valueOfRow(place, key.id, cells),
      version: encodeVersion({ term: textCell(term), counter: textCell(counter) }),
      expiresAtMs: expiresAtMs === null || expiresAtMs === undefined ? undefined : Number(expiresAtMs),
      portable: isPortableRow(place, cells),
    },
    layout: layout === null || layout === undefined ? table.layout : Number(layout),
  };
}
