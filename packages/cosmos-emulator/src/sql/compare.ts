import { canonical, type Value } from '../json.ts';
import { cost, type Spend } from './allowance.ts';

/** Place of a value's type in Cosmos order: undefined, null, boolean, number, string, array, object. */
export function typeRank(value: Value): number {
  if (value === undefined) return 0;
  if (value === null) return 1;
  if (typeof value === 'boolean') return 2;
  if (typeof value === 'number') return 3;
  if (typeof value === 'string') return 4;
  return Array.isArray(value) ? 5 : 6;
}

/**
 * Orders strings by their UTF-8 bytes, which is code point order, as the index of the service does.
 * UTF-16 order differs only where a surrogate meets a character from U+E000 to U+FFFF.
 */
export function compareStrings(left: string, right: string): number {
  const shorter = Math.min(left.length, right.length);
  for (let at = 0; at < shorter; at++) {
    const a = left.charCodeAt(at);
    const b = right.charCodeAt(at);
    if (a !== b) return codePointWeight(a) - codePointWeight(b);
  }
  return left.length - right.length;
}

/** Lifts surrogates above the rest of the basic plane, since they stand for characters beyond it. */
function codePointWeight(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

/** Orders any two values: by type first, then inside the type. Arrays and objects compare by their canonical text. */
export function compareValues(left: Value, right: Value): number {
  const rank = typeRank(left);
  const difference = rank - typeRank(right);
  if (difference !== 0) return difference;
  if (typeof left === 'number' && typeof right === 'number') return left - right;
  if (typeof left === 'string' && typeof right === 'string') return compareStrings(left, right);
  if (typeof left === 'boolean' && typeof right === 'boolean') return Number(left) - Number(right);
  return rank > 4 ? compareStrings(canonical(left), canonical(right)) : 0;
}

/**
 * Tells whether two values are equal, at any depth and whatever the order of properties. `spend` counts the values
 * inside them that were looked at.
 */
export function valuesEqual(left: Value, right: Value, spend?: Spend): boolean {
  if (left === right) return true;
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false;
  spend?.(cost.node);
  if (Array.isArray(left)) {
    return (
      Array.isArray(right) &&
      left.length === right.length &&
      left.every((item, at) => valuesEqual(item, right[at], spend))
    );
  }
  if (Array.isArray(right)) return false;
  const names = Object.keys(left);
  return (
    names.length === Object.keys(right).length &&
    names.every((name) => Object.hasOwn(right, name) && valuesEqual(left[name], right[name], spend))
  );
}
