import { canonical, isObject, type Json, type JsonObject, type Value } from '../../json.ts';
import { cost, type Spend } from '../allowance.ts';
import { compareValues, valuesEqual } from '../compare.ts';
import {
  type BuiltInFunction,
  checkLength,
  type FunctionContext,
  type FunctionTable,
  takes,
  takesInContext,
  takesMany,
} from './function-table.ts';
import { combined } from './open-logic.ts';

/** Tells whether a value is an array or an object. */
function isComposite(value: Json): value is Json[] | JsonObject {
  return value !== null && typeof value === 'object';
}

/** Tells whether `whole` has every property of `part`, at any depth; anything but an object must be equal. */
function includesPartially(whole: Value, part: Value, spend: Spend): boolean {
  if (!isObject(part)) return valuesEqual(whole, part, spend);
  spend(cost.node);
  return (
    isObject(whole) &&
    Object.keys(part).every(
      (name) => Object.hasOwn(whole, name) && includesPartially(whole[name], part[name], spend),
    )
  );
}

function contains({ spend }: FunctionContext, items: readonly Json[], item: Value, partial?: boolean): Value {
  if (item === undefined) return undefined;
  const equals = partial === true ? includesPartially : valuesEqual;
  return items.some((one) => equals(one, item, spend));
}

/** A text that equal values have in common, and no others. */
function keyOf(value: Json, spend: Spend): string {
  const key = canonical(value);
  spend(key.length * cost.key);
  return key;
}

/** Makes a test for being among the items, which looks at each of them once however often it is asked. */
function membership(items: readonly Json[], spend: Spend): (value: Json) => boolean {
  spend(items.length * cost.node);
  const scalars = new Set(items.filter((item) => !isComposite(item)));
  const keys = new Set(items.filter(isComposite).map((item) => keyOf(item, spend)));
  return (value) => (isComposite(value) ? keys.has(keyOf(value, spend)) : scalars.has(value));
}

/** Looks for several values in an array: AND or OR of ARRAY_CONTAINS, where an absent value leaves the answer open. */
function containing(rule: 'all' | 'any'): BuiltInFunction {
  return {
    minimum: 2,
    maximum: Number.POSITIVE_INFINITY,
    apply: ({ spend }, items, ...values) => {
      if (!Array.isArray(items)) return undefined;
      const isItem = membership(items, spend);
      return combined(
        rule,
        values.map((value) => (value === undefined ? undefined : isItem(value))),
      );
    },
  };
}

function concat(...arrays: ReadonlyArray<readonly Json[]>): Json[] {
  checkLength(arrays.reduce((length, items) => length + items.length, 0));
  return arrays.flat(1);
}

function slice(items: readonly Json[], start: number, length?: number): Json[] {
  const whole = Math.trunc(start);
  const from = whole < 0 ? Math.max(0, items.length + whole) : whole;
  return items.slice(from, length === undefined ? undefined : from + Math.max(0, Math.trunc(length)));
}

/** Folds an array of numbers; undefined when it holds anything else, or the result is no number. */
function ofNumbers(fold: (numbers: readonly number[]) => number): BuiltInFunction {
  return takes(['array'], (items) =>
    items.every((item) => typeof item === 'number') ? fold(items) : undefined,
  );
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, value) => total + value, 0);
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((left, right) => left - right);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Finds the item that comes first by `sign` times the order of values; undefined beside an array or an object. */
function extreme(sign: 1 | -1): BuiltInFunction {
  return takes(['array'], (items) => {
    if (items.length === 0 || items.some(isComposite)) return undefined;
    return items.reduce((found, item) => (sign * compareValues(item, found) < 0 ? item : found));
  });
}

function objectToArray(value: JsonObject, keyName = 'k', valueName = 'v'): Json[] {
  return Object.entries(value).map(([key, item]) => ({ [keyName]: key, [valueName]: item }));
}

/** A function of two sets that arrays hold. */
function ofSets(
  apply: (left: readonly Json[], right: readonly Json[], spend: Spend) => Value,
): BuiltInFunction {
  return takesInContext(['array', 'array'], ({ spend }, left, right) => apply(left, right, spend));
}

function distinct(items: readonly Json[], spend: Spend): Json[] {
  const known = new Set<string>();
  return items.filter((item) => {
    const key = keyOf(item, spend);
    return !known.has(key) && known.add(key);
  });
}

/** Functions over arrays, and over sets that arrays hold. */
export const arrayFunctions: FunctionTable = {
  ARRAY_AVG: ofNumbers((numbers) => sum(numbers) / numbers.length),
  ARRAY_CONCAT: takesMany('array', 2, concat),
  ARRAY_CONTAINS: takesInContext(['array', 'any', 'boolean?'], contains),
  ARRAY_CONTAINS_ALL: containing('all'),
  ARRAY_CONTAINS_ANY: containing('any'),
  ARRAY_LENGTH: takes(['array'], (items) => items.length),
  ARRAY_MAX: extreme(-1),
  ARRAY_MEDIAN: ofNumbers(median),
  ARRAY_MIN: extreme(1),
  ARRAY_SLICE: takes(['array', 'number', 'number?'], slice),
  ARRAY_SUM: ofNumbers(sum),
  CHOOSE: takesMany('any', 2, (index, ...values) =>
    typeof index === 'number' ? values[Math.trunc(index) - 1] : undefined,
  ),
  OBJECTTOARRAY: takes(['object', 'string?', 'string?'], objectToArray),
  SETDIFFERENCE: ofSets((left, right, spend) => {
    const known = membership(right, spend);
    return distinct(
      left.filter((item) => !known(item)),
      spend,
    );
  }),
  SETEQUAL: ofSets(
    (left, right, spend) => left.every(membership(right, spend)) && right.every(membership(left, spend)),
  ),
  // In the order of the second array, as the documentation shows it.
  SETINTERSECT: ofSets((left, right, spend) => distinct(right.filter(membership(left, spend)), spend)),
  SETUNION: ofSets((left, right, spend) => distinct([...left, ...right], spend)),
};
