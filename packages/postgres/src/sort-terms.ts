import { type Entity, type Scalar, splitPath } from '@polyphase/core';
import { type RawBuilder, sql } from 'kysely';
import { nativeValue } from './native-types.ts';
import type { Column, Table } from './table.ts';

/** A value of a sort position: `others` stands for an object or array, undefined for a missing field. */
export type SortValue = Scalar | undefined | { readonly others: true };

/**
 * One expression of an order, nulls first. Several of them together order one field as the reference does: missing, null, false,
 * true, numbers, texts, everything else.
 */
export interface SortTerm {
  readonly expression: RawBuilder<unknown>;
  readonly type: 'text' | 'double precision' | 'boolean' | 'int';
  /** Whether it is never null: then nothing is said about nulls, so that the primary key gives the order too. */
  readonly notNull?: true;
  /** What the expression is for a field of this value; null is SQL's null. */
  of(value: SortValue): string | null;
}

const asText = (value: SortValue): string | null => (typeof value === 'string' ? value : null);
const asNumber = (value: SortValue): string | null => (typeof value === 'number' ? String(value) : null);
const asBoolean = (value: SortValue): string | null => (typeof value === 'boolean' ? String(value) : null);

function rankOf(value: SortValue): string {
  if (value === undefined) return '0';
  if (value === null) return '1';
  if (typeof value === 'boolean') return value ? '3' : '2';
  if (typeof value === 'number') return '4';
  return typeof value === 'string' ? '5' : '6';
}

/** The jsonb at a path, SQL's null where nothing is: column or rest, then the fields below. Names are literals, for indexes. */
function jsonAt(table: Table, path: readonly string[]): RawBuilder<unknown> {
  const [head = '', ...below] = path;
  const column = table.columns.find(({ field }) => field === head);
  const rest = sql`(hyb_rest -> ${sql.lit(head)})`;
  let at = rest;
  if (head === table.entity.key.id) at = sql`to_jsonb(${sql.id(table.idColumn)})`;
  else if (column?.type === 'json') at = sql`coalesce(${sql.id(column.name)}, ${rest})`;
  else if (column && below.length === 0) at = sql`coalesce(to_jsonb(${scalarOf(column)}), ${rest})`;
  for (const name of below) at = sql`(${at} -> ${sql.lit(name)})`;
  return at;
}

const numberIn = (json: RawBuilder<unknown>): RawBuilder<unknown> =>
  sql`(case when jsonb_typeof(${json}) = 'number' then (${json} #>> '{}')::double precision end)`;
const textIn = (json: RawBuilder<unknown>): RawBuilder<unknown> =>
  sql`((case when jsonb_typeof(${json}) = 'string' then ${json} #>> '{}' end) collate "C")`;

function rankIn(json: RawBuilder<unknown>, otherwise: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`(case ${otherwise} when ${json} is null then 0 when ${json} = 'null'::jsonb then 1
    when ${json} = 'false'::jsonb then 2 when ${json} = 'true'::jsonb then 3
    when jsonb_typeof(${json}) = 'number' then 4 when jsonb_typeof(${json}) = 'string' then 5 else 6 end)`;
}

/**
 * The values of a column's own type, wherever they are. Those of a native column that it does not hold exactly are in the rest:
 * texts and numbers of both places together are compared as the texts and numbers that they are, which is not the native order.
 */
export function scalarOf({ field, type, name, native }: Column): RawBuilder<unknown> {
  if (!native) return sql.id(name);
  const rest = sql`(hyb_rest -> ${sql.lit(field)})`;
  const elsewhere = type === 'number' ? numberIn(rest) : textIn(rest);
  return sql`(coalesce(${nativeValue(native, type, sql.id(name))}, ${elsewhere}) ${type === 'text' ? sql`collate "C"` : sql``})`;
}

/** Whether every value that the schema accepts is in the field's own column, or missing: then the column alone is the order. */
export function isExact(entity: Entity, field: string): boolean {
  const found = entity.fields.find(({ name }) => name === field);
  return found !== undefined && !entity.loose && !found.mixed && found.type !== 'json';
}

/**
 * The terms that order records by the field at a path.
 *
 * For an exact field that is its column, so that plain indexes serve. A row that the schema refuses (only a copy can be one) still
 * has its one place there, among the missing, so that no page skips it.
 */
export function sortTerms(table: Table, path: readonly string[]): readonly SortTerm[] {
  const [field = ''] = path;
  const column = path.length === 1 ? table.columns.find((it) => it.field === field) : undefined;
  if (path.length === 1 && field === table.entity.key.id)
    return [{ expression: sql.id(table.idColumn), type: 'text', notNull: true, of: asText }];
  const rest = column ? sql`(hyb_rest -> ${sql.lit(field)})` : jsonAt(table, path);
  const own = column && column.type !== 'json' ? scalarOf(column) : undefined;
  if (own && column && isExact(table.entity, field)) {
    if (column.type === 'text') return [{ expression: own, type: 'text', of: asText }];
    if (column.type === 'number') return [{ expression: own, type: 'double precision', of: asNumber }];
    return [{ expression: own, type: 'boolean', of: asBoolean }];
  }
  const json = column?.type === 'json' ? jsonAt(table, path) : rest;
  let first = sql``;
  if (own && column?.type === 'boolean') first = sql`when ${own} is not null then 2 + ${own}::int`;
  else if (own) first = sql`when ${own} is not null then ${sql.raw(column?.type === 'text' ? '5' : '4')}`;
  return [
    { expression: rankIn(json, first), type: 'int', of: rankOf },
    {
      expression: own && column?.type === 'number' ? own : numberIn(json),
      type: 'double precision',
      of: asNumber,
    },
    { expression: own && column?.type === 'text' ? own : textIn(json), type: 'text', of: asText },
  ];
}

/** The terms that order records by each level of their partition. */
export function partitionTerms(table: Table): readonly (readonly SortTerm[])[] {
  return table.entity.key.partition.map((path) => sortTerms(table, splitPath(path)));
}
