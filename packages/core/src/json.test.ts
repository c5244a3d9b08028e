import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyJson } from '../test/fixtures/arbitrary-json.ts';
import {
  canonicalJson,
  isJsonObject,
  type JsonValue,
  jsonEquals,
  MAX_DEPTH,
  portabilityIssues,
  valueAt,
} from './json.ts';

describe('canonicalJson', () => {
  it('sorts fields by UTF-16 unit, and prints numbers as ECMAScript does', () => {
    expect(canonicalJson({ b: 1e21, a: [0.1, 1e-7], '🦜': null, '\uffff': true, '10': 1, '9': 2 })).toBe(
      '{"10":1,"9":2,"a":[0.1,1e-7],"b":1e+21,"🦜":null,"\uffff":true}',
    );
  });

  it('is a round trip over every JSON value, however hostile', () => {
    fc.assert(
      fc.property(anyJson, (value) => {
        const text = canonicalJson(value);
        const back = JSON.parse(text) as JsonValue;
        expect(jsonEquals(back, value)).toBe(true);
        expect(canonicalJson(back)).toBe(text);
      }),
    );
  });

  it('is equal exactly where values are equal', () => {
    fc.assert(
      fc.property(anyJson, anyJson, (a, b) => {
        expect(canonicalJson(a) === canonicalJson(b)).toBe(jsonEquals(a, b));
      }),
    );
  });
});

describe('jsonEquals', () => {
  it('tells types apart', () => {
    expect(jsonEquals(1, '1')).toBe(false);
    expect(jsonEquals(null, undefined)).toBe(false);
    expect(jsonEquals([], {})).toBe(false);
    expect(jsonEquals({ a: 1 }, { a: 1, b: 2 })).toBe(false);
    expect(jsonEquals(JSON.parse('{"__proto__":1}') as JsonValue, {})).toBe(false);
  });
});

describe('valueAt', () => {
  it('follows own fields only', () => {
    expect(valueAt({ a: { b: [1] } }, ['a', 'b'])).toEqual([1]);
    expect(valueAt({ a: {} }, ['a', 'constructor'])).toBeUndefined();
    expect(valueAt({ a: 'text' }, ['a', 'length'])).toBeUndefined();
    expect(valueAt({ a: [1] }, ['a', '0'])).toBeUndefined();
  });
});

describe('portabilityIssues', () => {
  it.each([
    ['a NUL', { a: ['x\0'] }, ['a', 0]],
    ['a lone surrogate', { a: '\ud83e' }, ['a']],
    ['a NUL in a name', { 'a\0': 1 }, ['a\0']],
    ['a backslash at the end of a name', { 'a\\': 1 }, ['a\\']],
    ['NaN', { a: Number.NaN }, ['a']],
    ['Infinity', { a: Infinity }, ['a']],
    ['negative zero', { a: [{ b: -0 }] }, ['a', 0, 'b']],
    ['a date', { a: new Date(0) }, ['a']],
    ['a map', { a: new Map() }, ['a']],
    ['undefined in a list', { a: [undefined] }, ['a', 0]],
    ['a function', { a: () => 1 }, ['a']],
    ['a bigint', { a: 1n }, ['a']],
  ])('refuses %s, with its path', (_, value, path) => {
    expect(portabilityIssues(value).map((one) => one.path)).toEqual([path]);
  });

  it('takes what JSON carries, undefined fields included', () => {
    expect(portabilityIssues({ a: undefined, b: [null, 1.5, '🦜'], c: Object.create(null) })).toEqual([]);
  });

  it('refuses a value that nests too deep, and no other', () => {
    const nested = (depth: number): unknown => (depth === 0 ? 1 : { in: nested(depth - 1) });
    expect(portabilityIssues(nested(MAX_DEPTH))).toEqual([]);
    expect(portabilityIssues(nested(MAX_DEPTH + 1))).toHaveLength(1);
  });

  it('stops at 20 issues', () => {
    expect(portabilityIssues(Array.from({ length: 100 }, () => Number.NaN))).toHaveLength(20);
  });

  it('accepts every value that survives JSON', () => {
    fc.assert(
      fc.property(anyJson, (value) => {
        expect(portabilityIssues(value)).toEqual([]);
      }),
    );
  });
});

it('isJsonObject takes objects only', () => {
  expect([{}, [], null, 'a', 1].map(isJsonObject)).toEqual([true, false, false, false, false]);
});
