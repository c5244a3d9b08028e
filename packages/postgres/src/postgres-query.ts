import { partitionText, type QueryPlan, type StoredRecord } from '@polyphase/core';
import { type RawBuilder, sql } from 'kysely';
import type { BoundStatement, StatementResult } from './batch.ts';
import type { Cell } from './driver.ts';
import { Conditions } from './query-conditions.ts';
import { withoutImplied } from './query-implied.ts';
import { QueryParameters } from './query-parameters.ts';
import { shapeOf } from './query-shape.ts';
import { partitionTerms, type SortTerm, type SortValue, sortTerms } from './sort-terms.ts';
import { layoutOf } from './sql/layout.ts';
import type { ReadRow } from './sql/read-record.ts';
import { defineStatement, numberCell, type Statement } from './statement.ts';
import { fromRow, liveSql, readColumns, type Table, tableName } from './table.ts';

/** Most shapes of queries whose SQL is kept for a table; the oldest goes first. */
const MAX_SHAPES = 200;

interface Placed {
  readonly term: SortTerm;
  /** What the term is for the last record of the page before. */
  readonly at: Cell;
}

/** Compiles the queries of one table: once for each shape, however its values differ. */
export class TableQueries {
  readonly #table: Table;
  readonly #columns: readonly RawBuilder<unknown>[];
  readonly #shapes = new Map<string, Statement<readonly Cell[], ReadRow>>();

  constructor(table: Table) {
    this.#table = table;
    this.#columns = readColumns(table);
  }

  /** The statement of a plan with its values, and the reader of its rows. */
  bind(asked: QueryPlan): {
    readonly bound: BoundStatement;
    readonly rows: (result: StatementResult | undefined) => readonly ReadRow[];
  } {
    const plan = withoutImplied(this.#table.entity, asked);
    const order = this.#order(plan);
    const shape = shapeOf(plan, plan.after && order.map(({ at }) => at === null));
    const known = this.#shapes.get(shape);
    const collected = new QueryParameters(() => sql``);
    if (known) this.#select(plan, order, collected);
    const statement = known ?? this.#compile(plan, order, collected.values);
    this.#keep(shape, statement);
    return { bound: statement.bind(collected.values), rows: (result) => statement.rows(result) };
  }

  #compile(plan: QueryPlan, order: readonly Placed[], values: Cell[]): Statement<readonly Cell[], ReadRow> {
    return defineStatement<readonly Cell[], ReadRow>(
      (slot) => {
        const parameters = new QueryParameters(slot);
        const select = this.#select(plan, order, parameters, layoutOf(this.#table));
        values.push(...parameters.values);
        return select;
      },
      (cells) => this.#row(cells),
    );
  }

  #keep(shape: string, statement: Statement<readonly Cell[], ReadRow>): void {
    this.#shapes.delete(shape);
    this.#shapes.set(shape, statement);
    const [oldest] = this.#shapes.keys();
    if (this.#shapes.size > MAX_SHAPES && oldest !== undefined) this.#shapes.delete(oldest);
  }

  #row(cells: readonly Cell[]): ReadRow {
    return {
      record: fromRow(this.#table, cells),
      layout: numberCell(cells[this.#columns.length]),
    };
  }

  #select(
    plan: QueryPlan,
    order: readonly Placed[],
    parameters: QueryParameters,
    layout: RawBuilder<unknown> = sql`0`,
  ): RawBuilder<unknown> {
    const table = this.#table;
    const conditions = [liveSql(), new Conditions(table, parameters).of(plan.where)];
    if (plan.partition)
      conditions.push(sql`hyb_pk = ${parameters.of('text', partitionText(plan.partition))}`);
    if (plan.after) conditions.push(after(order, plan.direction, parameters));
    return sql`
      select ${sql.join(this.#columns)}, ${layout}
      from ${tableName(table)}
      where ${sql.join(conditions, sql` and `)}
      order by ${sql.join(order.map(({ term }) => ordered(term, plan.direction)))}
      limit ${parameters.of('int', String(plan.limit))}`;
  }

  // Inside one partition its levels are the same for every record, and an index by hyb_pk gives the order of the rest.
  #order(plan: QueryPlan): readonly Placed[] {
    const { after: position } = plan;
    const place = (terms: readonly SortTerm[], value: SortValue): readonly Placed[] =>
      terms.map((term) => ({ term, at: term.of(value) }));
    const fields = plan.orderBy.flatMap((field, i) =>
      place(
        sortTerms(this.#table, [field]),
        position?.others?.includes(i) === true ? { others: true } : position?.values[i],
      ),
    );
    const levels = plan.partition
      ? []
      : partitionTerms(this.#table).flatMap((terms, i) => place(terms, position?.key.partition[i]));
    return [
      ...fields,
      ...levels,
      ...place(sortTerms(this.#table, [this.#table.entity.key.id]), position?.key.id),
    ];
  }
}

function ordered({ expression, notNull }: SortTerm, direction: 'asc' | 'desc'): RawBuilder<unknown> {
  if (notNull === true) return sql`${expression} ${sql.raw(direction)}`;
  return sql`${expression} ${sql.raw(direction === 'asc' ? 'asc nulls first' : 'desc nulls last')}`;
}

/**
 * The records after a position. The first term alone is asked about a second time, as a range, because that is what an index can
 * begin at; the rest tells ties apart.
 */
function after(
  order: readonly Placed[],
  direction: 'asc' | 'desc',
  parameters: QueryParameters,
): RawBuilder<unknown> {
  const [first, ...rest] = order;
  if (!first) return sql`false`;
  const { expression, type } = first.term;
  const at = (placed: Placed): RawBuilder<unknown> => parameters.of(placed.term.type, placed.at);
  const tie = rest.length > 0 ? after(rest, direction, parameters) : sql`false`;
  if (first.at === null)
    return direction === 'asc'
      ? sql`(${expression} is not null or (${expression} is null and ${tie}))`
      : sql`(${expression} is null and ${tie})`;
  if (direction === 'asc')
    return sql`(${expression} >= ${at(first)} and (${expression} > ${at(first)} or ${tie}))`;
  const below = sql`(${expression} <= ${parameters.of(type, first.at)} and (${expression} < ${at(first)} or ${tie}))`;
  return sql`(${expression} is null or ${below})`;
}

/** The records of rows. */
export function recordsOf(rows: readonly ReadRow[]): readonly StoredRecord[] {
  return rows.map((row) => row.record);
}
