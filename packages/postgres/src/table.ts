import {
  bucketOf,
  type Entity,
  type FieldType,
  InvalidDataError,
  type JsonValue,
  keyLabel,
  type OperationMark,
  partitionOf,
  partitionText,
  type RecordBase,
  recordDigest,
  type StoredRecord,
} from '@polyphase/core';
import { type RawBuilder, sql } from 'kysely';
import type { Cell } from './driver.ts';
import { fitsNative, type NativeType, nativeSql, nativeText } from './native-types.ts';
import { setField, valueOfRow } from './row-value.ts';
import { columnNameOf, nativeTypeOf, type TableNames, tableNameOf } from './table-map.ts';

/** Longest key that an index of PostgreSQL certainly holds: bytes of the partition text and the id together. */
const MAX_KEY_BYTES = 2_500;

/** Most columns that fields get; the fields after those live in the rest column. */
const MAX_COLUMNS = 500;

/** A typed column. */
export interface Column {
  /** The field whose values it holds. */
  readonly field: string;
  readonly type: FieldType;
  /** Its name in the table. */
  readonly name: string;
  /** Its type, where that is not the one for `type`. */
  readonly native?: NativeType;
}

/** The SQL type of a column for fields of a type. Text is collated by byte, which is code point order. */
export const SQL_TYPES: Readonly<Record<FieldType, string>> = {
  text: 'text collate "C"',
  number: 'double precision',
  boolean: 'boolean',
  json: 'jsonb',
};

/** What a table is called. */
export interface TableId {
  readonly schema: string;
  readonly name: string;
}

/** The table of an entity as it is in the database: which columns there are depends on the migrations that ran. */
export interface Table extends TableId {
  readonly entity: Entity;
  /** Name of the column that holds the id. */
  readonly idColumn: string;
  /** Columns of fields, in the order in which they were added. */
  readonly columns: readonly Column[];
  /** Rises with each column; a statement that was made for another layout must not be used. */
  readonly layout: number;
}

/** The table of an entity as its schema and the map want it; a field that can have no column of its own is in the rest. */
export function wantedTable(names: TableNames, entity: Entity): Omit<Table, 'layout'> {
  const columns = entity.fields
    .filter(({ name }) => name !== entity.key.id)
    .flatMap(({ name: field, type }): readonly Column[] => {
      const name = columnNameOf(names, entity.name, field);
      const native = nativeTypeOf(names, entity.name, field);
      if (name === undefined) return [];
      return [native === undefined ? { field, type, name } : { field, type, name, native }];
    });
  return {
    entity,
    ...tableNameOf(names, entity.name),
    idColumn: columnNameOf(names, entity.name, entity.key.id) ?? 'hyb_id',
    columns: columns.slice(0, MAX_COLUMNS),
  };
}

/** Why a column that is there cannot be the one that is wanted. */
export function columnConflicts(wanted: Column, there: Column): readonly string[] {
  const problems: string[] = [];
  if (there.type !== wanted.type)
    problems.push(
      `field "${wanted.field}" is ${wanted.type} in the schema and ${there.type} in the table; a column keeps its type: give the field another name`,
    );
  if (there.native !== wanted.native)
    problems.push(
      `field "${wanted.field}" is mapped to ${wanted.native ?? 'no native type'}, and its column is ${there.native ?? 'of none'}; a column keeps its type`,
    );
  if (there.name !== wanted.name)
    problems.push(
      `field "${wanted.field}" is mapped to column "${wanted.name}" and is in column "${there.name}"; a column keeps its name: map it there`,
    );
  return problems;
}

/** A table in a statement. */
export function tableName({ schema, name }: TableId): RawBuilder<unknown> {
  return sql.id(schema, name);
}

/** Where some cells are in a row that is read; behind the rest are those of the fields. */
const DELETED = 4;
const OPERATIONS = 6;
const REST = 11;

function ownColumns({ idColumn }: Table): readonly string[] {
  return [
    'hyb_pk',
    idColumn,
    'hyb_term',
    'hyb_counter',
    'hyb_deleted',
    'hyb_digest',
    'hyb_ops',
    'hyb_base_term',
    'hyb_base_counter',
    'hyb_base_digest',
    'hyb_expires_at',
    'hyb_rest',
  ];
}

type At = (name: string) => RawBuilder<unknown>;

/** The columns of a table by their names; `alias` is what the table is called in the statement. */
export function columnsOf(alias?: string): At {
  return (name) => (alias === undefined ? sql.id(name) : sql.id(alias, name));
}

/** The condition that a row is not live: its record was deleted, or has expired by the server's date. */
function goneSql(at: At): RawBuilder<unknown> {
  return sql`(${at('hyb_deleted')} or coalesce(${at('hyb_expires_at')} <= statement_timestamp(), false))`;
}

/** The condition that a row holds a live record. The first part alone is that of the indexes. */
export function liveSql(alias?: string): RawBuilder<unknown> {
  const at = columnsOf(alias);
  return sql`not ${at('hyb_deleted')} and (${at('hyb_expires_at')} is null or ${at('hyb_expires_at')} > statement_timestamp())`;
}

// Of an expired record all is read but the value, so that its version goes on.
const READ_AS: Readonly<Record<string, (at: At) => RawBuilder<unknown>>> = {
  hyb_deleted: goneSql,
  hyb_expires_at: (at) =>
    millisecondsSql(sql`case when not ${at('hyb_deleted')} then ${at('hyb_expires_at')} end`),
};

/** A date as whole milliseconds. */
export function millisecondsSql(date: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`(extract(epoch from ${date}) * 1000)::bigint`;
}

/** What the fields of a value are read from. */
export function fieldColumns({ columns }: Table, at: At): readonly RawBuilder<unknown>[] {
  return columns.map(({ name, native }) => (native ? nativeText(native, at(name)) : at(name)));
}

/** What a record is read from, in the order that {@link fromRow} wants; `alias` is what the table is called in the statement. */
export function readColumns(table: Table, alias?: string): readonly RawBuilder<unknown>[] {
  const at = columnsOf(alias);
  return [...ownColumns(table).map((name) => READ_AS[name]?.(at) ?? at(name)), ...fieldColumns(table, at)];
}

/** As {@link readColumns}, but of a row that is `bare` as if it were a tombstone that remembers no operation. */
export function bareColumns(
  table: Table,
  alias: string,
  bare: RawBuilder<unknown>,
): readonly RawBuilder<unknown>[] {
  return readColumns(table, alias).map((column, i) => {
    if (i === DELETED) return sql`(${column} or ${bare})`;
    return i === OPERATIONS || i >= REST ? sql`case when not ${bare} then ${column} end` : column;
  });
}

/** Type of a column's values in statements. */
export function parameterType({ type, native }: Column): string {
  if (native) return nativeSql(native).sql;
  return type === 'text' ? 'text' : SQL_TYPES[type];
}

/** Names and types of every column that a record is written to, in the order that {@link toRow} gives; the first two are the key. */
export function writeColumns(table: Table): readonly { readonly name: string; readonly type: string }[] {
  const types: Readonly<Record<string, string>> = {
    hyb_term: 'int',
    hyb_counter: 'bigint',
    hyb_deleted: 'boolean',
    hyb_ops: 'jsonb',
    hyb_base_term: 'int',
    hyb_base_counter: 'bigint',
    hyb_expires_at: 'timestamptz',
    hyb_rest: 'jsonb',
  };
  const own = ownColumns(table).map((name) => ({
    name,
    type: name === table.idColumn ? 'text' : (types[name] ?? 'text'),
  }));
  const fields = table.columns.map((column) => ({ name: column.name, type: parameterType(column) }));
  return [...own, ...fields, { name: 'hyb_bucket', type: 'smallint' }];
}

/**
 * Refuses a record that its table cannot hold.
 *
 * @throws {@link InvalidDataError} when its key is too long for an index, or the id in the value is another than that of the key
 */
export function checkRow(entity: Entity, record: Pick<StoredRecord, 'key' | 'value'>): void {
  const { key, value } = record;
  const text = `${partitionText(key.partition)}${key.id}`;
  const where = () => ({ entity: entity.name, key: keyLabel(key) });
  if (text.length * 3 > MAX_KEY_BYTES && new TextEncoder().encode(text).length > MAX_KEY_BYTES)
    throw new InvalidDataError({
      message: `Partition and id together are longer than ${MAX_KEY_BYTES} bytes, which no index of PostgreSQL holds`,
      ...where(),
    });
  if (value !== undefined && (!Object.hasOwn(value, entity.key.id) || value[entity.key.id] !== key.id))
    throw new InvalidDataError({ message: 'The id in the value is not the id of the key', ...where() });
}

function fits({ type, native }: Column, value: JsonValue): boolean {
  if (native) return fitsNative(native, type, value);
  if (type === 'text') return typeof value === 'string';
  return type === 'json' ? typeof value === 'object' && value !== null : typeof value === type;
}

function fieldCell(type: FieldType, value: JsonValue): string {
  return type === 'text' && typeof value === 'string' ? value : JSON.stringify(value);
}

// Place of a field's column, by the field's name. A table as it is known does not change.
const knownPlaces = new WeakMap<readonly Column[], ReadonlyMap<string, number>>();

function placesOf({ columns }: Table): ReadonlyMap<string, number> {
  const places = knownPlaces.get(columns) ?? new Map(columns.map(({ field }, place) => [field, place]));
  knownPlaces.set(columns, places);
  return places;
}

/** The cells of a record, in the order of {@link writeColumns}. A column is set only when the value has exactly its type. */
export function toRow(table: Table, record: StoredRecord): readonly Cell[] {
  const { key, version, value, digest, operations, base, expiresAtMs } = record;
  const rest: Record<string, JsonValue> = {};
  const fields: Cell[] = table.columns.map(() => null);
  const places = placesOf(table);
  for (const name of value === undefined ? [] : Object.keys(value)) {
    const field = value?.[name];
    if (field === undefined || name === table.entity.key.id) continue;
    const place = places.get(name);
    const column = place === undefined ? undefined : table.columns[place];
    if (place !== undefined && column && fits(column, field)) fields[place] = fieldCell(column.type, field);
    else setField(rest, name, field);
  }
  return [
    partitionText(key.partition),
    key.id,
    String(version.term),
    String(version.counter),
    String(value === undefined),
    digest,
    JSON.stringify(operations.map(({ id, term, counter }) => [id, term, counter])),
    base ? String(base.term) : null,
    base ? String(base.counter) : null,
    base ? base.digest : null,
    expiresAtMs === undefined ? null : new Date(expiresAtMs).toISOString(),
    JSON.stringify(rest),
    ...fields,
    String(bucketOf(key)),
  ];
}

/** The operations that a cell remembers. */
export function marksOf(cell: Cell | undefined): readonly OperationMark[] {
  const marks: unknown = JSON.parse(cell ?? '[]');
  if (!Array.isArray(marks)) return [];
  return marks.map((mark: unknown) => {
    const [id, term, counter]: readonly unknown[] = Array.isArray(mark) ? mark : [];
    return { id: String(id), term: Number(term), counter: Number(counter) };
  });
}

/** What a row descends from, of the cells for term, counter and digest. */
export function baseOf([term, counter, digest]: readonly (Cell | undefined)[]): RecordBase | undefined {
  if (term === null || term === undefined) return undefined;
  return { term: Number(term), counter: Number(counter), digest: digest ?? '' };
}

/** The record of a row whose cells are in the order of {@link readColumns}. */
export function fromRow(table: Table, cells: readonly Cell[]): StoredRecord {
  const [pk, rowId, term, counter, deleted, digest, ops, ...others] = cells;
  const [baseTerm, baseCounter, baseDigest, expiresAtMs] = others;
  const id = rowId ?? '';
  const value = deleted === 't' ? undefined : valueOfRow({ table, from: REST }, id, cells);
  return {
    key: { partition: partitionOf(pk ?? '[]'), id },
    version: { term: Number(term), counter: Number(counter) },
    value,
    // A write around the SDK left none: canonical JSON is not PostgreSQL's.
    digest: digest === '' || !digest ? recordDigest(value) : digest,
    operations: marksOf(ops),
    base: baseOf([baseTerm, baseCounter, baseDigest]),
    ...(expiresAtMs === null || expiresAtMs === undefined ? {} : { expiresAtMs: Number(expiresAtMs) }),
  };
}
