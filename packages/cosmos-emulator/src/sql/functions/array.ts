import { canonical, isObject, type Json, type JsonObject, type Value } from '../../json.ts';
import { compareValues, valuesEqual } from '../compare.ts';
import { type BuiltInFunction, checkLength, type FunctionTable, takes, takesMany } from './function-table.ts';
import { combined } from './open-logic.ts';

/** Tells whether a value is an array or an object. */
function isComposite(value: Json): value is Json[] | JsonObject {
  return value !== null && typeof value === 'object';
}

/** Tells whether `whole` has every property of `part`, at any depth; anything but an object must be equal. */
function includesPartially(whole: Value, part: Value): boolean {
  if (!isObject(part)) return valuesEqual(whole, part);
  return (
    isObject(whole) &&
    Object.keys(part).every(
      (name) => Object.hasOwn(whole, name) && includesPartially(whole[name], part[name]),
    )
  );
}

/** Makes a test for being equal to a value. */
function equalTo(value: Json): (item: Json) => boolean {
  if (!isComposite(value)) return (item) => item === value;
  const text = canonical(value);
  return (item) => isComposite(item) && canonical(item) === text;
}

/** Makes a test for being among the items, which looks at each of them once however often it is asked. */
function membership(items: readonly Json[]): (value: Json) => boolean {
  const scalars = new Set(items.filter((item) => !isComposite(item)));
  const texts = new Set(items.filter(isComposite).map(canonical));
  return (value) => (isComposite(value) ? texts.has(canonical(value)) : scalars.has(value));
}

function contains(items: readonly Json[], item: Value, partial?: boolean): Value {
  if (item === undefined) return undefined;
  return items.some(
    partial === true && isObject(item) ? (one) => includesPartially(one, item) : equalTo(item),
  );
}

/** Looks for several values in an array: AND or OR of ARRAY_CONTAINS, where an absent value leaves the answer open. */
function containing(rule: 'all' | 'any'): BuiltInFunction {
  return takesMany('any', 2, (items, ...values) => {
    if (!Array.isArray(items)) return undefined;
    const isItem = membership(items);
    return combined(
      rule,
      values.map((value) => (value === undefined ? undefined : isItem(value))),
    );
  });
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
function ofSets(apply: (left: readonly Json[], right: readonly Json[]) => Value): BuiltInFunction {
  return takes(['array', 'array'], apply);
}

function distinct(items: readonly Json[]): Json[] {
  const seen = new Set<string>();
  return items.filter((item) => {
    const key = canonical(item);
    return !seen.has(key) && seen.add(key);
  });
}

/** Functions over arrays, and over sets that arrays hold. */
export const arrayFunctions: FunctionTable = {
  ARRAY_AVG: ofNumbers((numbers) => sum(numbers) / numbers.length),
  ARRAY_CONCAT: takesMany('array', 2, concat),
  ARRAY_CONTAINS: takes(['array', 'any', 'boolean?'], contains),
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
  SETDIFFERENCE: ofSets((left, right) => {
    const known = membership(right);
    return distinct(left.filter((item) => !known(item)));
  }),
  SETEQUAL: ofSets((left, right) => left.every(membership(right)) && right.every(membership(left))),
  // In the order of the second array, as the documentation shows it.
  SETINTERSECT: ofSets((left, right) => distinct(right.filter(membership(left)))),
  SETUNION: ofSets((left, right) => distinct([...left, ...right])),
};
