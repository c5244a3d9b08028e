import { canonical, isObject, type Json, type Value } from '../../json.ts';
import { valuesEqual } from '../compare.ts';
import { anyValues, type FunctionTable } from './function-table.ts';

/** Tells whether `whole` has every property of `part`, at any depth; anything but an object must be equal. */
function includesPartially(whole: Value, part: Value): boolean {
  if (!isObject(part)) return valuesEqual(whole, part);
  return isObject(whole) && Object.keys(part).every((name) => includesPartially(whole[name], part[name]));
}

function contains(items: Value, item: Value, partial: Value): Value {
  if (!Array.isArray(items) || item === undefined) return undefined;
  const match = partial === true ? includesPartially : valuesEqual;
  return items.some((one) => match(one, item));
}

function slice(items: Value, start: Value, length: Value): Value {
  if (!Array.isArray(items) || typeof start !== 'number') return undefined;
  const from = start < 0 ? Math.max(0, items.length + start) : start;
  if (length === undefined) return items.slice(from);
  return typeof length === 'number' ? items.slice(from, from + Math.max(0, length)) : undefined;
}

function distinct(items: readonly Json[]): Json[] {
  return [...new Map(items.map((item) => [canonical(item), item])).values()];
}

function keysOf(items: readonly Json[]): Set<string> {
  return new Set(items.map(canonical));
}

/** The values that follow the array: either one array of them, or each as an argument. */
function sought(values: readonly Value[]): readonly Value[] {
  const [first] = values;
  return values.length === 1 && Array.isArray(first) ? first : values;
}

/** Functions over arrays, and over sets that arrays hold. */
export const arrayFunctions: FunctionTable = {
  ARRAY_CONCAT: anyValues(
    (...arrays) => (arrays.every((items) => Array.isArray(items)) ? arrays.flat(1) : undefined),
    2,
    Number.POSITIVE_INFINITY,
  ),
  ARRAY_CONTAINS: anyValues(contains, 2, 3),
  ARRAY_CONTAINS_ALL: anyValues(
    (items, ...rest) =>
      Array.isArray(items)
        ? sought(rest).every((value) => items.some((item) => valuesEqual(item, value)))
        : undefined,
    2,
    Number.POSITIVE_INFINITY,
  ),
  ARRAY_CONTAINS_ANY: anyValues(
    (items, ...rest) =>
      Array.isArray(items)
        ? sought(rest).some((value) => items.some((item) => valuesEqual(item, value)))
        : undefined,
    2,
    Number.POSITIVE_INFINITY,
  ),
  ARRAY_LENGTH: anyValues((items) => (Array.isArray(items) ? items.length : undefined), 1),
  ARRAY_SLICE: anyValues(slice, 2, 3),
  CHOOSE: anyValues(
    (index, ...values) => (typeof index === 'number' ? values[index - 1] : undefined),
    2,
    Number.POSITIVE_INFINITY,
  ),
  OBJECTTOARRAY: anyValues(
    (value, keyName = 'k', valueName = 'v') => {
      if (!isObject(value) || typeof keyName !== 'string' || typeof valueName !== 'string') return undefined;
      return Object.entries(value).map(([key, item]) => ({ [keyName]: key, [valueName]: item }));
    },
    1,
    3,
  ),
  SETDIFFERENCE: anyValues((left, right) => {
    if (!Array.isArray(left) || !Array.isArray(right)) return undefined;
    const known = keysOf(right);
    return distinct(left.filter((item) => !known.has(canonical(item))));
  }, 2),
  SETINTERSECT: anyValues((left, right) => {
    if (!Array.isArray(left) || !Array.isArray(right)) return undefined;
    const known = keysOf(right);
    return distinct(left.filter((item) => known.has(canonical(item))));
  }, 2),
  SETUNION: anyValues((left, right) => {
    return Array.isArray(left) && Array.isArray(right) ? distinct([...left, ...right]) : undefined;
  }, 2),
};
