import { type RawBuilder, sql } from 'kysely';
import type { Cell } from './driver.ts';
import type { SlotMaker } from './statement.ts';
import { arrayLiteral } from './statement.ts';

/** SQL types of query parameters. */
export type ParameterType = 'text' | 'double precision' | 'boolean' | 'jsonb' | 'int';

/**
 * Collects the values of one query while its SQL is put together: each value becomes a parameter, numbered in the order of
 * asking. Two queries of one shape ask in the same order, so that the SQL of the first serves the second.
 */
export class QueryParameters {
  readonly values: Cell[] = [];
  readonly #slot: SlotMaker<readonly Cell[]>;

  constructor(slot: SlotMaker<readonly Cell[]>) {
    this.#slot = slot;
  }

  /** A parameter of a type. */
  of(type: ParameterType, value: Cell): RawBuilder<unknown> {
    const place = this.values.push(value) - 1;
    return sql`${this.#slot((values) => values[place] ?? null)}::${sql.raw(type)}`;
  }

  /** A parameter that is an array, so that the number of values is not part of the shape. */
  list(type: ParameterType, values: readonly string[]): RawBuilder<unknown> {
    const place = this.values.push(arrayLiteral(values)) - 1;
    return sql`${this.#slot((cells) => cells[place] ?? null)}::${sql.raw(type)}[]`;
  }
}
