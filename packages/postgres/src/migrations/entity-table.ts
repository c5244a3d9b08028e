import { type Entity, type FieldType, InvalidOptionsError } from '@polyphase/core';
import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { Migration } from 'kysely/migration';
import { fitsNativeSql, nativeDefinition } from '../native-types.ts';
import { listColumns, parseColumns } from '../sql/read-layout.ts';
import {
  type Column,
  columnConflicts,
  parameterType,
  SQL_TYPES,
  type Table,
  tableName,
  wantedTable,
} from '../table.ts';
import { indexesOf } from '../table-index.ts';
import type { TableNames } from '../table-map.ts';
import { triggersOf } from '../table-triggers.ts';

type Wanted = Omit<Table, 'layout'>;

/**
 * The migration that brings the table of an entity to what its schema asks for now, from nothing or from any earlier schema: it
 * only ever adds. A field that gets its column late is moved into it from the rest column, under the table's lock.
 */
export function entityTable(entity: Entity, names: TableNames): Migration {
  const wanted = wantedTable(names, entity);
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      await sql`create schema if not exists ${sql.id(wanted.schema)}`.execute(db);
      await createTable(wanted).execute(db);
      await sql`
        insert into polyphase.entity_table (schema_name, table_name, layout, columns)
        values (${wanted.schema}, ${wanted.name}, 1, '[]'::jsonb)
        on conflict do nothing`.execute(db);
      const columns = await addColumns(db, wanted);
      for (const index of indexesOf({ ...wanted, columns, layout: 0 })) await index.create.execute(db);
      for (const trigger of triggersOf(wanted)) await trigger.create.execute(db);
    },
  };
}

function createTable(wanted: Wanted): RawBuilder<unknown> {
  const id = sql.id(wanted.idColumn);
  return sql`
    create table if not exists ${tableName(wanted)} (
      hyb_pk text collate "C" not null,
      ${id} text collate "C" not null,
      hyb_term int not null,
      hyb_counter bigint not null,
      hyb_deleted boolean not null default false,
      hyb_digest text not null,
      hyb_ops jsonb not null default '[]',
      hyb_base_term int,
      hyb_base_counter bigint,
      hyb_base_digest text,
      hyb_bucket smallint not null,
      hyb_clash boolean not null default false,
      hyb_expires_at timestamptz,
      hyb_rest jsonb not null default '{}',
      primary key (hyb_pk, ${id})
    )`;
}

async function addColumns(db: Kysely<unknown>, wanted: Wanted): Promise<readonly Column[]> {
  const { rows } = await sql<{ columns: unknown }>`
    select columns from polyphase.entity_table
    where schema_name = ${wanted.schema} and table_name = ${wanted.name} for update`.execute(db);
  const there = parseColumns(rows[0]?.columns);
  const missing = wanted.columns.filter(({ field }) => !there.some((column) => column.field === field));
  const all = [...there, ...missing];
  checkColumns(wanted, all);
  await addExpiry(db, wanted);
  if (missing.length === 0) return all;
  const table = tableName(wanted);
  const additions = missing.map(
    (column) => sql`add column if not exists ${sql.id(column.name)} ${definitionOf(column)}`,
  );
  // The lock that this takes is held until the layout below is committed: nobody writes by the old one meanwhile.
  await sql`alter table ${table} ${sql.join(additions)}`.execute(db);
  // Moving values is no write of anybody's; the trigger comes back at the end, still under the lock.
  await sql`drop trigger if exists hyb_raw_update on ${table}`.execute(db);
  for (const column of missing) await backfill(table, column).execute(db);
  await sql`
    update polyphase.entity_table set columns = ${listColumns(all)}::jsonb, layout = layout + 1
    where schema_name = ${wanted.schema} and table_name = ${wanted.name}`.execute(db);
  return all;
}

// Tables of before records could expire. Asked first, because the statement locks the table even where it does nothing.
async function addExpiry(db: Kysely<unknown>, wanted: Wanted): Promise<void> {
  const { rows } = await sql`
    select 1 from information_schema.columns
    where table_schema = ${wanted.schema} and table_name = ${wanted.name} and column_name = 'hyb_expires_at'`.execute(
    db,
  );
  if (rows.length === 0)
    await sql`alter table ${tableName(wanted)} add column hyb_expires_at timestamptz`.execute(db);
}

/** The type names of `jsonb_typeof` whose values a column of a type holds. */
const JSON_TYPES: Readonly<Record<FieldType, readonly string[]>> = {
  text: ['string'],
  number: ['number'],
  boolean: ['boolean'],
  json: ['object', 'array'],
};

function definitionOf({ name, type, native }: Column): RawBuilder<unknown> {
  return native ? nativeDefinition(native, type, sql.id(name)) : sql.raw(SQL_TYPES[type]);
}

function backfill(table: RawBuilder<unknown>, column: Column): RawBuilder<unknown> {
  const { field, type, name, native } = column;
  const types = JSON_TYPES[type].map((it) => sql`${it}`);
  const at = sql`(hyb_rest -> ${field}::text)`;
  // By way of numeric, because a JSON number like 1.0 is whole, and its text is none of a bigint.
  const text = native && type === 'number' ? sql`(${at} #>> '{}')::numeric` : sql`(${at} #>> '{}')`;
  const value = type === 'json' ? at : sql`${text}::${sql.raw(parameterType(column))}`;
  const fits = native ? fitsNativeSql(native, type, at) : sql`jsonb_typeof(${at}) in (${sql.join(types)})`;
  return sql`
    update ${table} set ${sql.id(name)} = ${value}, hyb_rest = hyb_rest - ${field}::text
    where ${fits}`;
}

function checkColumns({ entity, columns }: Wanted, there: readonly Column[]): void {
  const problems = columns.flatMap((wanted) => {
    const column = there.find(({ field }) => field === wanted.field);
    return column ? columnConflicts(wanted, column) : [];
  });
  // Columns of fields that the schema no longer has stay, and keep their names.
  for (const { field, name } of columns) {
    const other = there.find((it) => it.name === name && it.field !== field);
    if (other)
      problems.push(`column "${name}" holds field "${other.field}" already; map "${field}" elsewhere`);
  }
  if (problems.length > 0)
    throw new InvalidOptionsError({
      message: `The table of ${entity.name} does not fit its schema`,
      problems,
    });
}
