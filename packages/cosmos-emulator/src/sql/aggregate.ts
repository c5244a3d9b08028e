import { canonical, type Json, type Value } from '../json.ts';
import type { AggregateName } from './ast.ts';
import { compareValues, typeRank } from './compare.ts';
import type { Evaluator } from './scope.ts';

/** Folds values, one at a time, into one. */
interface Accumulator {
  add(value: Json): unknown;
  result(): Value;
}

/** One aggregate of a query: what it reads from each row, and how it folds. */
export interface Aggregation {
  readonly argument: Evaluator;
  readonly start: () => Accumulator;
}

/** Pairs an aggregate function with its argument. */
export function aggregationOf(name: AggregateName, argument: Evaluator): Aggregation {
  return { argument, start: accumulators[name] };
}

const accumulators: Readonly<Record<AggregateName, () => Accumulator>> = {
  COUNT: () => {
    let count = 0;
    return {
      add: () => {
        count++;
      },
      result: () => count,
    };
  },
  COUNTIF: () => {
    let count = 0;
    return {
      add: (value) => {
        if (value === true) count++;
      },
      result: () => count,
    };
  },
  MAKELIST: () => {
    const values: Json[] = [];
    return { add: (value) => values.push(value), result: () => values };
  },
  MAKESET: () => {
    const values = new Map<string, Json>();
    return { add: (value) => values.set(canonical(value), value), result: () => [...values.values()] };
  },
  SUM: () => {
    const total = summing();
    return { add: (value) => total.add(value), result: () => total.sum() };
  },
  AVG: () => {
    const total = summing();
    return {
      add: (value) => total.add(value),
      result: () => {
        const sum = total.sum();
        return sum === undefined || total.count() === 0 ? undefined : sum / total.count();
      },
    };
  },
  MIN: () => extreme((order) => order < 0),
  MAX: () => extreme((order) => order > 0),
};

/** Absent values do not count; a value that is no number makes the sum undefined. */
function summing(): { add(value: Json): void; sum(): number | undefined; count(): number } {
  let sum: number | undefined = 0;
  let count = 0;
  return {
    add(value) {
      count++;
      sum = typeof value === 'number' && sum !== undefined ? sum + value : undefined;
    },
    sum: () => sum,
    count: () => count,
  };
}

/** The least or greatest in the order of types; an array or object makes the result undefined. */
function extreme(wins: (order: number) => boolean): Accumulator {
  let best: Value;
  let comparable = true;
  return {
    add(value) {
      if (typeRank(value) > 4) comparable = false;
      if (best === undefined || wins(compareValues(value, best))) best = value;
    },
    result: () => (comparable ? best : undefined),
  };
}
