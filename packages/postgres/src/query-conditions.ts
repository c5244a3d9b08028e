import type { Comparison, Predicate, Scalar } from '@polyphase/core';
import { type RawBuilder, sql } from 'kysely';
import type { QueryParameters } from './query-parameters.ts';
import { scalarOf } from './sort-terms.ts';
import type { Table } from './table.ts';

type Sql = RawBuilder<unknown>;

const TRUE = sql`true`;
const FALSE = sql`false`;
const SYMBOLS: Readonly<Record<Comparison, string>> = {
  eq: '=',
  ne: '<>',
  lt: '<',
  lte: '<=',
  gt: '>',
  gte: '>=',
};
const OWN_TYPES = { text: 'string', number: 'number', boolean: 'boolean' } as const;

/** Where a field's values are: those of the column's type in the column and nowhere else, all others in `json`. */
interface Place {
  readonly own: { readonly sql: Sql; readonly type: 'text' | 'number' | 'boolean' } | undefined;
  /** jsonb, SQL's null where nothing is. Undefined: nothing can be there. */
  readonly json: Sql | undefined;
}

/**
 * Compiles conditions. Inside, SQL's unknown stands for false: AND and OR keep that, and NOT is written `is not true`, so that
 * every condition is true or false for every record, as the plan wants.
 */
export class Conditions {
  readonly #table: Table;
  readonly #parameters: QueryParameters;

  constructor(table: Table, parameters: QueryParameters) {
    this.#table = table;
    this.#parameters = parameters;
  }

  /** The SQL of a predicate. */
  of(predicate: Predicate): Sql {
    switch (predicate.kind) {
      case 'all':
        return joined(
          predicate.of.map((it) => this.of(it)),
          sql` and `,
          TRUE,
        );
      case 'any':
        return joined(
          predicate.of.map((it) => this.of(it)),
          sql` or `,
          FALSE,
        );
      case 'not':
        return sql`((${this.of(predicate.of)}) is not true)`;
      case 'compare':
        return this.#compare(this.#place(predicate.path), predicate.operator, predicate.value);
      case 'in':
        return this.#in(this.#place(predicate.path), predicate.values);
      case 'text':
        return this.#text(this.#place(predicate.path), predicate.operator, predicate.value);
      case 'exists':
        return predicate.value
          ? this.#exists(this.#place(predicate.path))
          : sql`((${this.#exists(this.#place(predicate.path))}) is not true)`;
    }
  }

  #place(path: readonly string[]): Place {
    const [head = '', ...below] = path;
    if (head === this.#table.entity.key.id)
      return below.length > 0
        ? { own: undefined, json: undefined }
        : { own: { sql: sql.id(this.#table.idColumn), type: 'text' }, json: undefined };
    const column = this.#table.columns.find(({ field }) => field === head);
    let json = sql`(hyb_rest -> ${this.#parameters.of('text', head)})`;
    if (column?.type === 'json') json = sql`coalesce(${sql.id(column.name)}, ${json})`;
    for (const name of below) json = sql`(${json} -> ${this.#parameters.of('text', name)})`;
    const own =
      column && column.type !== 'json' && below.length === 0
        ? { sql: scalarOf(column), type: column.type }
        : undefined;
    return { own, json };
  }

  #compare(place: Place, operator: Comparison, value: Scalar): Sql {
    if (operator === 'eq') return this.#in(place, [value]);
    if (operator === 'ne') return sql`(${this.#exists(place)} and (${this.#in(place, [value])}) is not true)`;
    const symbol = sql.raw(SYMBOLS[operator]);
    if (typeof value === 'string')
      return this.#texts(place, (at) => sql`${at} ${symbol} ${this.#parameters.of('text', value)}`);
    const compare = (at: Sql): Sql =>
      sql`${at} ${symbol} ${this.#parameters.of('double precision', String(value))}`;
    if (place.own?.type === 'number') return compare(place.own.sql);
    const { json } = place;
    if (!json || typeof value !== 'number') return FALSE;
    return compare(
      sql`(case when jsonb_typeof(${json}) = 'number' then (${json} #>> '{}')::double precision end)`,
    );
  }

  #in({ own, json }: Place, values: readonly Scalar[]): Sql {
    const isOwn = (value: Scalar): boolean => own !== undefined && typeof value === OWN_TYPES[own.type];
    const inside = values.filter(isOwn).map(String);
    const outside = values.filter((value) => !isOwn(value)).map((value) => JSON.stringify(value));
    const either: Sql[] = [];
    if (own && inside.length > 0) {
      const type = own.type === 'number' ? 'double precision' : own.type;
      either.push(this.#anyOf(own.sql, type, inside));
    }
    if (json && outside.length > 0) either.push(this.#anyOf(json, 'jsonb', outside));
    return joined(either, sql` or `, FALSE);
  }

  #anyOf(at: Sql, type: 'text' | 'double precision' | 'boolean' | 'jsonb', values: readonly string[]): Sql {
    const [only] = values;
    return values.length === 1 && only !== undefined
      ? sql`${at} = ${this.#parameters.of(type, only)}`
      : sql`${at} = any(${this.#parameters.list(type, values)})`;
  }

  #text(place: Place, operator: 'startsWith' | 'contains', value: string): Sql {
    return this.#texts(place, (at) =>
      operator === 'startsWith'
        ? sql`starts_with(${at}, ${this.#parameters.of('text', value)})`
        : sql`strpos(${at}, ${this.#parameters.of('text', value)}) > 0`,
    );
  }

  #texts({ own, json }: Place, condition: (at: Sql) => Sql): Sql {
    if (own?.type === 'text') return condition(own.sql);
    if (!json) return FALSE;
    return condition(
      sql`((case when jsonb_typeof(${json}) = 'string' then ${json} #>> '{}' end) collate "C")`,
    );
  }

  #exists({ own, json }: Place): Sql {
    const either: Sql[] = [];
    if (own) either.push(sql`${own.sql} is not null`);
    if (json) either.push(sql`${json} is not null`);
    return joined(either, sql` or `, FALSE);
  }
}

function joined(parts: readonly Sql[], by: Sql, none: Sql): Sql {
  return parts.length === 0 ? none : sql`(${sql.join(parts, by)})`;
}
