import { partitionOf, partitionText, type QueryPlan } from '@polyphase/core';
import { type RawBuilder, sql } from 'kysely';
import type { Cell } from './driver.ts';
import { type LiveRow, liveColumns, liveRow, liveWidth } from './live-rows.ts';
import { Conditions } from './query-conditions.ts';
import { withoutImplied } from './query-implied.ts';
import { QueryParameters } from './query-parameters.ts';
import { shapeOf } from './query-shape.ts';
import type { RowRead } from './row-read.ts';
import { partitionTerms, type SortTerm, type SortValue, sortTerms } from './sort-terms.ts';
import { defineStatement, type Statement, textCell } from './statement.ts';
import { liveSql, type Table, tableName } from './table.ts';

/** Most shapes of queries whose SQL is kept for a table; the oldest goes first. */
const MAX_SHAPES = 200;

interface Placed {
  readonly term: SortTerm;
  /** What the term is for the last record of the page before. */
  readonly at: Cell;
}

type Compiled = Statement<readonly Cell[], readonly Cell[]>;

/** The parts of a query that its parameters are in. */
interface Parts {
  readonly conditions: readonly RawBuilder<unknown>[];
  readonly limit: RawBuilder<unknown>;
}

/** Compiles the queries of one table: once for each shape, however its values differ. */
export class TableQueries {
  readonly #table: Table;
  readonly #shapes = new Map<string, Compiled>();

  constructor(table: Table) {
    this.#table = table;
  }

  /** The statement of a plan with its values, and the reader of its rows. */
  bind(asked: QueryPlan): RowRead<LiveRow> {
    const plan = withoutImplied(this.#table.entity, asked);
    const order = plan.after ? this.#order(plan) : [];
    const shape = shapeOf(plan, plan.after && order.map(({ at }) => at === null));
    const statement = this.#shapes.get(shape) ?? this.#compile(plan);
    this.#keep(shape, statement);
    const parameters = new QueryParameters(() => sql``);
    this.#conditions(plan, order, parameters);
    return {
      bound: statement.bind(parameters.values),
      rows: (result) => statement.rows(result).map((cells) => this.#row(plan, cells)),
    };
  }

  #compile(plan: QueryPlan): Compiled {
    const { idColumn } = this.#table;
    const order = this.#order(plan);
    return defineStatement<readonly Cell[], readonly Cell[]>(
      (slot) => {
        const { conditions, limit } = this.#conditions(plan, order, new QueryParameters(slot));
        return sql`
          select ${sql.join(liveColumns(this.#table))}, ${sql.id(idColumn)}, ${plan.partition ? sql`null` : sql`hyb_pk`}
          from ${tableName(this.#table)}
          where ${sql.join([liveSql(), ...conditions], sql` and `)}
          order by ${sql.join(order.map(({ term }) => ordered(term, plan.direction)))}
          limit ${limit}`;
      },
      (cells) => cells,
    );
  }

  #keep(shape: string, statement: Compiled): void {
    this.#shapes.delete(shape);
    this.#shapes.set(shape, statement);
    const [oldest] = this.#shapes.keys();
    if (this.#shapes.size > MAX_SHAPES && oldest !== undefined) this.#shapes.delete(oldest);
  }

  #row({ partition }: QueryPlan, cells: readonly Cell[]): LiveRow {
    const width = liveWidth(this.#table);
    const id = textCell(cells[width]);
    return liveRow(
      this.#table,
      { partition: partition ?? partitionOf(textCell(cells[width + 1])), id },
      cells,
    );
  }

  // All that has parameters, in one order however they are used.
  #conditions(plan: QueryPlan, order: readonly Placed[], parameters: QueryParameters): Parts {
    const conditions = [new Conditions(this.#table, parameters).of(plan.where)];
    if (plan.partition)
      conditions.push(sql`hyb_pk = ${parameters.of('text', partitionText(plan.partition))}`);
    if (plan.after) conditions.push(after(order, plan.direction, parameters));
    return { conditions, limit: parameters.of('int', String(plan.limit)) };
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
