import type { FieldType } from '@polyphase/core';
import { sql } from 'kysely';
import { isNativeType } from '../native-types.ts';
import { defineStatement, numberCell, type Statement } from '../statement.ts';
import type { Column, TableId } from '../table.ts';

/** What the migrations made of a table. */
export interface Layout {
  readonly layout: number;
  readonly columns: readonly Column[];
}

const TYPES: ReadonlySet<string> = new Set<FieldType>(['text', 'number', 'boolean', 'json']);

type Listed = Omit<Column, 'name'> & Partial<Pick<Column, 'name'>>;

function isColumn(value: unknown): value is Listed {
  return (
    typeof value === 'object' &&
    value !== null &&
    'field' in value &&
    typeof value.field === 'string' &&
    'type' in value &&
    typeof value.type === 'string' &&
    TYPES.has(value.type) &&
    (!('name' in value) || typeof value.name === 'string') &&
    (!('native' in value) || isNativeType(value.native))
  );
}

/** The columns that a cell of `polyphase.entity_table` lists. */
export function parseColumns(value: unknown): readonly Column[] {
  const parsed: unknown = typeof value === 'string' ? JSON.parse(value) : value;
  if (!Array.isArray(parsed)) return [];
  return parsed.filter(isColumn).map((column) => ({ ...column, name: column.name ?? column.field }));
}

/** What {@link parseColumns} reads. A column that is named like its field is listed without a name. */
export function listColumns(columns: readonly Column[]): string {
  return JSON.stringify(
    columns.map(({ name, ...column }) => (name === column.field ? column : { ...column, name })),
  );
}

/** Reads the layout of an entity's table. */
export const readLayout: Statement<TableId, Layout> = defineStatement(
  (slot) => sql`
    select layout, columns from polyphase.entity_table
    where schema_name = ${slot(({ schema }) => schema)}::text and table_name = ${slot(({ name }) => name)}::text`,
  ([layout, columns]) => ({ layout: numberCell(layout), columns: parseColumns(columns) }),
);
