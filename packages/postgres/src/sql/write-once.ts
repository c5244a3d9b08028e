import { REMEMBERED_OPERATIONS, type RecordVersion, type StoredRecord } from '@polyphase/core';
import { type RawBuilder, sql } from 'kysely';
import { WRITE_PHASES } from '../fence.ts';
import { defineStatement, numberCell, type SlotMaker, type Statement } from '../statement.ts';
import { baseOf, liveSql, marksOf, type Table, tableName, writeColumns } from '../table.ts';
import { layoutOf } from './layout.ts';
import { markDirty } from './mark-dirty.ts';
import { noUnknown } from './no-unknown.ts';
import type { RowInput } from './store-record.ts';

/** A write whose conditions are all in its statement, so that nothing is read before it. */
export interface OnceInput extends RowInput {
  readonly operationId: string;
  /** Group whose control row must name PostgreSQL as the authority in the record's term. Undefined: the statement has no fence. */
  readonly fence: string | undefined;
  /** The version that the row must have. Undefined: the statement creates, and there must be no row. */
  readonly expected: RecordVersion | undefined;
  /** Seconds that the record lives; undefined: for ever. */
  readonly lifetimeS: number | undefined;
}

/** The parts of the record that only the server knew. */
export type OnceRow = Pick<StoredRecord, 'version' | 'operations' | 'base' | 'expiresAtMs'>;

/** How a record is written at once. */
export interface OnceOptions {
  readonly kind: 'create' | 'replace';
  /** Whether the control row is read in the same statement; the lock must be shared before. */
  readonly fenced: boolean;
  /** Whether the new value stands for itself: fields that the schema does not name need not be kept. */
  readonly whole: boolean;
}

type Slot = SlotMaker<OnceInput>;
type Expressions = Readonly<Record<string, RawBuilder<unknown>>>;

/**
 * Writes one record if every condition holds, and answers with one row; else with none, and changes nothing. The rules are those
 * of `decideWrite`: whoever gets no row asks there what is wrong. Undefined where a condition cannot be said in SQL.
 */
export function writeOnce(table: Table, options: OnceOptions): Statement<OnceInput, OnceRow> | undefined {
  const unknown = options.kind === 'replace' && !options.whole ? noUnknown(table) : sql`true`;
  if (!unknown) return undefined;
  return defineStatement<OnceInput, OnceRow>(
    (slot) => {
      const store = options.kind === 'create' ? create(table, slot) : replace(table, slot, unknown);
      return options.fenced
        ? fenced(table, store, slot)
        : sql`with fence as (select ${termOf(slot)} as term) ${store}`;
    },
    ([term, counter, ops, baseTerm, baseCounter, baseDigest, endMs]) => ({
      version: { term: numberCell(term), counter: numberCell(counter) },
      operations: marksOf(ops),
      base: baseOf([baseTerm, baseCounter, baseDigest]),
      ...(endMs === null || endMs === undefined ? {} : { expiresAtMs: Number(endMs) }),
    }),
  );
}

const KNOWN = sql.raw('hyb_term, hyb_counter, hyb_ops, hyb_base_term, hyb_base_counter, hyb_base_digest');
const MADE = sql`${KNOWN}, (extract(epoch from hyb_expires_at) * 1000)::bigint as end_ms`;

// The statement that shares the group's lock came before this one, so the row is seen as the last exclusive step left it.
function fenced(table: Table, store: RawBuilder<unknown>, slot: Slot): RawBuilder<unknown> {
  const phases = (capture: boolean): RawBuilder<unknown> =>
    sql.join([...WRITE_PHASES].filter(([, it]) => it.capture || !capture).map(([phase]) => sql.lit(phase)));
  return sql`
    with fence as materialized (
      select phase, term from polyphase.control
      where group_name = ${slot(({ fence }) => fence ?? null)}::text
        and term = ${termOf(slot)}
        and phase in (${phases(false)})
    ),
    stored as (${store}),
    captured as (${markDirty(table, sql`stored, fence where phase in (${phases(true)})`, slot)})
    select ${KNOWN}, end_ms from stored`;
}

// Whoever creates has no base.
function create(table: Table, slot: Slot): RawBuilder<unknown> {
  const made: Expressions = {
    ...STATED,
    ...endOf(table, slot),
    hyb_counter: sql`counter`,
    hyb_ops: sql`jsonb_build_array(${mark(slot, sql`counter`)})`,
    hyb_base_term: sql`null::int`,
    hyb_base_counter: sql`null::bigint`,
    hyb_base_digest: sql`null::text`,
  };
  const columns = writeColumns(table);
  return sql`
    insert into ${tableName(table)} (${sql.join(columns.map(({ name }) => sql.id(name)))})
    select ${sql.join(columns.map((column, i) => made[column.name] ?? cell(slot, column, i)))}
    from fence, (select floor(extract(epoch from clock_timestamp()) * 1000)::bigint * 1024) as clock (counter)
    where ${sameLayout(table)}
    on conflict (hyb_pk, ${sql.id(table.idColumn)}) do nothing
    returning ${MADE}`;
}

function replace(table: Table, slot: Slot, unknown: RawBuilder<unknown>): RawBuilder<unknown> {
  const base = (before: string, kept: string): RawBuilder<unknown> =>
    sql`case when hyb_term < fence.term then ${sql.id(before)} else ${sql.id(kept)} end`;
  const made: Expressions = {
    ...STATED,
    ...endOf(table, slot),
    hyb_counter: sql`hyb_counter + 1`,
    hyb_ops: sql`jsonb_path_query_array(
      jsonb_build_array(${mark(slot, sql`hyb_counter + 1`)}) || hyb_ops, ${sql.lit(`$[0 to ${REMEMBERED_OPERATIONS - 1}]`)})`,
    hyb_base_term: base('hyb_term', 'hyb_base_term'),
    hyb_base_counter: base('hyb_counter', 'hyb_base_counter'),
    hyb_base_digest: base('hyb_digest', 'hyb_base_digest'),
  };
  const sets = writeColumns(table)
    .map((column, i) => sql`${sql.id(column.name)} = ${made[column.name] ?? cell(slot, column, i)}`)
    .slice(2);
  return sql`
    update ${tableName(table)} set ${sql.join(sets)}, hyb_clash = false
    from fence
    where hyb_pk = ${slot(({ cells }) => cells[0] ?? null)}::text
      and ${sql.id(table.idColumn)} = ${slot(({ cells }) => cells[1] ?? null)}::text
      and hyb_term = ${slot(({ expected }) => String(expected?.term))}::int
      and hyb_counter = ${slot(({ expected }) => String(expected?.counter))}::bigint
      and ${liveSql()}
      and hyb_digest <> ''
      and not hyb_ops @> jsonb_build_array(jsonb_build_array(${slot((it) => it.operationId)}::text))
      and ${unknown}
      and ${sameLayout(table)}
    returning ${MADE}`;
}

// What every write of a value says alike.
const STATED: Expressions = { hyb_term: sql`fence.term`, hyb_deleted: sql`false` };

// As `expiryOf`, by the date of the server.
function endOf({ entity }: Table, slot: Slot): Expressions {
  if (entity.ttl === undefined) return {};
  const seconds = sql`${slot(({ lifetimeS }) => (lifetimeS === undefined ? null : String(lifetimeS)))}::double precision`;
  return { hyb_expires_at: sql`to_timestamp(floor(extract(epoch from clock_timestamp())) + ${seconds})` };
}

function termOf(slot: Slot): RawBuilder<unknown> {
  return sql`${slot(({ record }) => String(record.version.term))}::int`;
}

function cell(slot: Slot, { type }: { readonly type: string }, i: number): RawBuilder<unknown> {
  return sql`${slot((it) => it.cells[i] ?? null)}::${sql.raw(type)}`;
}

function mark(slot: Slot, counter: RawBuilder<unknown>): RawBuilder<unknown> {
  const id = sql`${slot((it) => it.operationId)}::text`;
  return sql`jsonb_build_array(${id}, fence.term, ${counter})`;
}

function sameLayout(table: Table): RawBuilder<unknown> {
  return sql`${layoutOf(table)} = ${sql.lit(table.layout)}`;
}
