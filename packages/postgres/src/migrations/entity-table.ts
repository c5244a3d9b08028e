import { type Entity, type FieldType, InvalidOptionsError } from '@polyphase/core';
import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { Migration } from 'kysely/migration';
import { parseColumns } from '../sql/read-layout.ts';
import { type Column, columnsOf, idColumnOf, SQL_TYPES, type Table } from '../table.ts';
import { indexesOf } from '../table-index.ts';

/**
 * The migration that brings the table of an entity to what its schema asks for now, from nothing or from any earlier schema: it
 * only ever adds. A field that gets its column late is moved into it from the rest column, under the table's lock.
 */
export function entityTable(entity: Entity, schema: string): Migration {
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      await sql`create schema if not exists ${sql.id(schema)}`.execute(db);
      await createTable(entity, schema).execute(db);
      await sql`
        insert into polyphase.entity_table (schema_name, table_name, layout, columns)
        values (${schema}, ${entity.name}, 1, '[]'::jsonb)
        on conflict do nothing`.execute(db);
      const columns = await addColumns(db, entity, schema);
      const table: Table = { entity, schema, idColumn: idColumnOf(entity), columns, layout: 0 };
      for (const index of indexesOf(table)) await index.create.execute(db);
    },
  };
}

function createTable(entity: Entity, schema: string): RawBuilder<unknown> {
  const id = sql.id(idColumnOf(entity));
  return sql`
    create table if not exists ${sql.id(schema, entity.name)} (
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
      hyb_rest jsonb not null default '{}',
      primary key (hyb_pk, ${id})
    )`;
}

async function addColumns(db: Kysely<unknown>, entity: Entity, schema: string): Promise<readonly Column[]> {
  const { rows } = await sql<{ columns: unknown }>`
    select columns from polyphase.entity_table
    where schema_name = ${schema} and table_name = ${entity.name} for update`.execute(db);
  const there = parseColumns(rows[0]?.columns);
  const missing = columnsOf(entity).filter(({ field }) => !there.some((column) => column.field === field));
  const all = [...there, ...missing];
  checkTypes(entity, all);
  if (missing.length === 0) return all;
  const name = sql.id(schema, entity.name);
  const additions = missing.map(
    ({ field, type }) => sql`add column if not exists ${sql.id(field)} ${sql.raw(SQL_TYPES[type])}`,
  );
  // The lock that this takes is held until the layout below is committed: nobody writes by the old one meanwhile.
  await sql`alter table ${name} ${sql.join(additions)}`.execute(db);
  for (const column of missing) await backfill(name, column).execute(db);
  await sql`
    update polyphase.entity_table set columns = ${JSON.stringify(all)}::jsonb, layout = layout + 1
    where schema_name = ${schema} and table_name = ${entity.name}`.execute(db);
  return all;
}

/** The type names of `jsonb_typeof` whose values a column of a type holds. */
const JSON_TYPES: Readonly<Record<FieldType, readonly string[]>> = {
  text: ['string'],
  number: ['number'],
  boolean: ['boolean'],
  json: ['object', 'array'],
};

function backfill(name: RawBuilder<unknown>, { field, type }: Column): RawBuilder<unknown> {
  const types = JSON_TYPES[type].map((it) => sql`${it}`);
  const at = sql`(hyb_rest -> ${field}::text)`;
  const value =
    type === 'json'
      ? at
      : sql`(hyb_rest ->> ${field}::text)::${sql.raw(SQL_TYPES[type].replace(' collate "C"', ''))}`;
  return sql`
    update ${name} set ${sql.id(field)} = ${value}, hyb_rest = hyb_rest - ${field}::text
    where jsonb_typeof(${at}) in (${sql.join(types)})`;
}

function checkTypes(entity: Entity, there: readonly Column[]): void {
  const problems = columnsOf(entity).flatMap(({ field, type }) => {
    const column = there.find((it) => it.field === field);
    return !column || column.type === type
      ? []
      : [
          `field "${field}" is ${type} in the schema and ${column.type} in the table; a column keeps its type: give the field another name`,
        ];
  });
  if (problems.length > 0)
    throw new InvalidOptionsError({
      message: `The table of ${entity.name} does not fit its schema`,
      problems,
    });
}
