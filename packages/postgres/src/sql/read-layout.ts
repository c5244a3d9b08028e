import type { Entity, FieldType } from '@polyphase/core';
import { sql } from 'kysely';
import { defineStatement, numberCell, type Statement } from '../statement.ts';
import type { Column } from '../table.ts';

/** What the migrations made of a table. */
export interface Layout {
  readonly layout: number;
  readonly columns: readonly Column[];
}

const TYPES: ReadonlySet<string> = new Set<FieldType>(['text', 'number', 'boolean', 'json']);

function isColumn(value: unknown): value is Column {
  return (
    typeof value === 'object' &&
    value !== null &&
    'field' in value &&
    typeof value.field === 'string' &&
    'type' in value &&
    typeof value.type === 'string' &&
    TYPES.has(value.type)
  );
}

/** The columns that a cell of `polyphase.entity_table` lists. */
export function parseColumns(value: unknown): readonly Column[] {
  const parsed: unknown = typeof value === 'string' ? JSON.parse(value) : value;
  return Array.isArray(parsed) ? parsed.filter(isColumn).map(({ field, type }) => ({ field, type })) : [];
}

/** Reads the layout of an entity's table. */
export const readLayout: Statement<{ readonly schema: string; readonly entity: Entity }, Layout> =
  defineStatement(
    (slot) => sql`
    select layout, columns from polyphase.entity_table
    where schema_name = ${slot(({ schema }) => schema)}::text and table_name = ${slot(({ entity }) => entity.name)}::text`,
    ([layout, columns]) => ({ layout: numberCell(layout), columns: parseColumns(columns) }),
  );
