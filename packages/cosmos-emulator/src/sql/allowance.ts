import type { Value } from '../json.ts';
import { badRequest } from '../service-error.ts';

/** Counts work done for a query; throws status 400 when there has been too much of it. */
export type Spend = (amount: number) => void;

/** What a query may spend, in units of about a nanosecond. */
const allowance = 3_000_000_000;

/** What the parts of a query's work cost. */
export const cost = {
  /** A row of a source. */
  row: 200,
  /** A result, which takes room until the query ends. */
  result: 500,
  /** A value inside another, looked at. */
  node: 100,
  /** A character matched against a pattern. */
  character: 20,
  /** A character that a function reads or writes. */
  text: 5,
  /** An item of an array that a function goes along. */
  item: 5,
  /** A millisecond by the clock, for work whose parts cannot be counted. */
  millisecond: 1_000_000,
  /** A pair of points or sides of geometries, related to each other. */
  pair: 400,
  /** A distance on the Earth, or the like. */
  distance: 3000,
  /** A character of the key that a value is grouped by. */
  key: 40,
} as const;

/** Starts an allowance, as much as any query that is not running away needs. */
export function startAllowance(amount = allowance): Spend {
  let left = amount;
  return (spent) => {
    left -= spent;
    if (left < 0) {
      throw badRequest('The SQL query exceeded the maximum amount of work that one request may take.');
    }
  };
}

/**
 * Spends what it takes to look at all of a value. Values share parts, so that a short query could build one that takes
 * a lifetime to write out: this looks at each part as often as it would be written.
 */
export function weigh(value: Value, spend: Spend): void {
  const rest: Value[] = [value];
  while (rest.length > 0) {
    const next = rest.pop();
    if (typeof next === 'string') spend(cost.node + next.length);
    else if (typeof next !== 'object' || next === null) spend(cost.node);
    else {
      const parts = Array.isArray(next) ? next : Object.values(next);
      spend(cost.node * (1 + parts.length));
      for (const part of parts) rest.push(part);
    }
  }
}
