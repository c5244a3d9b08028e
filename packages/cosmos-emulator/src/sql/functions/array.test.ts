import { describe, expect, it } from 'vitest';
import type { Value } from '../../json.ts';
import { startAllowance } from '../allowance.ts';
import { findFunction } from './built-in.ts';

function call(name: string, values: readonly Value[]): Value {
  return findFunction(name)?.apply({ now: 0, spend: startAllowance() }, ...values);
}

const mixed = [12, 'abc', true, false, null];

describe('functions over arrays', () => {
  it.each<[string, Value[], Value]>([
    ['ARRAY_AVG', [[1, 2, 3, 4]], 2.5],
    ['ARRAY_AVG', [mixed], undefined],
    ['ARRAY_AVG', [[]], undefined],
    ['ARRAY_CONCAT', [['coats'], ['gloves', 'hats'], [['nested']]], ['coats', 'gloves', 'hats', ['nested']]],
    ['ARRAY_CONCAT', [['coats'], 'gloves'], undefined],
    ['ARRAY_CONTAINS', [['coats', 'jackets'], 'coats'], true],
    ['ARRAY_CONTAINS', [['coats', 'jackets'], 'hoodies'], false],
    ['ARRAY_CONTAINS', [[{ a: 1, b: 2 }], { b: 2, a: 1 }], true],
    ['ARRAY_CONTAINS', [[{ a: 1, b: 2 }], { a: 1 }], false],
    ['ARRAY_CONTAINS', [[{ a: 1, b: 2 }], { a: 1 }, false], false],
    ['ARRAY_CONTAINS', [[{ a: 1, b: 2 }], { a: 1 }, true], true],
    ['ARRAY_CONTAINS', [[{ a: { b: 1, c: [2] } }], { a: { c: [2] } }, true], true],
    ['ARRAY_CONTAINS', [[{ a: { b: 1, c: [2, 3] } }], { a: { c: [2] } }, true], false],
    ['ARRAY_CONTAINS', [[{ a: 1 }], { constructor: 1 }, true], false],
    ['ARRAY_CONTAINS', [[{ a: 1 }], { a: 1, b: 2 }, true], false],
    ['ARRAY_CONTAINS', [['{"a":1}'], { a: 1 }], false],
    ['ARRAY_CONTAINS', [[1], '1'], false],
    ['ARRAY_CONTAINS', [['a'], 'a', 1], undefined],
    ['ARRAY_CONTAINS', ['a', 'a'], undefined],
    ['ARRAY_CONTAINS', [['a'], undefined], undefined],
    ['ARRAY_CONTAINS_ALL', [[1, true, '3', [1, 2, 3]], 1, true, '3', [1, 2, 3]], true],
    ['ARRAY_CONTAINS_ALL', [[1, 2, 3, 4], 2, 3, 4, 5], false],
    ['ARRAY_CONTAINS_ALL', [[1, 2, 3, 4], 1, undefined], undefined],
    ['ARRAY_CONTAINS_ALL', [[1, 2, 3, 4], 5, undefined], false],
    ['ARRAY_CONTAINS_ALL', [[], 1, 2, 3], false],
    ['ARRAY_CONTAINS_ANY', [[1, true, '3', [1, 2, 3]], 1, true], true],
    ['ARRAY_CONTAINS_ANY', [[1, 2, 3, 4], 1, undefined], true],
    ['ARRAY_CONTAINS_ANY', [[1, 2, 3, 4], 5, undefined], undefined],
    ['ARRAY_CONTAINS_ANY', [[1, 2, 3, 4], 5, 6], false],
    ['ARRAY_CONTAINS_ANY', [[], 1], false],
    ['ARRAY_CONTAINS_ANY', [1, 1], undefined],
    ['ARRAY_LENGTH', [[70, 86, 92, 99, 85, 90, 82]], 7],
    ['ARRAY_LENGTH', ['abc'], undefined],
    ['ARRAY_MAX', [[1, 2, 3, 4]], 4],
    ['ARRAY_MAX', [['abc', 'ABC', 'aBc', 'AbC']], 'abc'],
    ['ARRAY_MAX', [[true, false]], true],
    ['ARRAY_MAX', [[null, null]], null],
    ['ARRAY_MAX', [mixed], 'abc'],
    ['ARRAY_MAX', [[1, [2]]], undefined],
    ['ARRAY_MEDIAN', [[1, 2, 3, 4]], 2.5],
    ['ARRAY_MEDIAN', [[1.0, 2.0, 3.3, 4.7, 7.8]], 3.3],
    ['ARRAY_MEDIAN', [[1, -2.7, 3, -4]], -0.8500000000000001],
    ['ARRAY_MEDIAN', [[9, 1, 10]], 9],
    ['ARRAY_MEDIAN', [['abc', 'ABC']], undefined],
    ['ARRAY_MEDIAN', [[]], undefined],
    ['ARRAY_MIN', [[1, 2, 3, 4]], 1],
    ['ARRAY_MIN', [['abc', 'ABC', 'aBc', 'AbC']], 'ABC'],
    ['ARRAY_MIN', [mixed], null],
    ['ARRAY_MIN', [[]], undefined],
    ['ARRAY_SLICE', [[70, 86, 92, 99], 0, 2], [70, 86]],
    ['ARRAY_SLICE', [[70, 86, 92, 99], 1], [86, 92, 99]],
    ['ARRAY_SLICE', [[70, 86, 92, 99], -2, 1], [92]],
    ['ARRAY_SLICE', [[70, 86, 92, 99], -100, 1], [70]],
    ['ARRAY_SLICE', [[70, 86, 92, 99], 1, 1000], [86, 92, 99]],
    ['ARRAY_SLICE', [[70, 86, 92, 99], 100], []],
    ['ARRAY_SLICE', [[70, 86, 92, 99], 1, -100], []],
    ['ARRAY_SLICE', [[70, 86], 0, undefined], undefined],
    ['ARRAY_SUM', [[1, 2, 3, 4]], 10],
    ['ARRAY_SUM', [[1, '2']], undefined],
    ['CHOOSE', [0, 'abc', 1, true, [1]], undefined],
    ['CHOOSE', [1, 'abc', 1, true, [1]], 'abc'],
    ['CHOOSE', [4, 'abc', 1, true, [1]], [1]],
    ['CHOOSE', [5, 'abc', 1, true, [1]], undefined],
    ['CHOOSE', ['1', 'abc'], undefined],
    [
      'OBJECTTOARRAY',
      [{ a: '12345', b: '67890' }],
      [
        { k: 'a', v: '12345' },
        { k: 'b', v: '67890' },
      ],
    ],
    ['OBJECTTOARRAY', [{ a: 1 }, 'name', 'value'], [{ name: 'a', value: 1 }]],
    ['OBJECTTOARRAY', [{ a: 1 }, 1], undefined],
    ['OBJECTTOARRAY', [[1]], undefined],
    [
      'SETDIFFERENCE',
      [
        [1, 2, 3],
        [1, 2, 6, 7],
      ],
      [3],
    ],
    ['SETDIFFERENCE', [[1, 2, 3], []], [1, 2, 3]],
    [
      'SETDIFFERENCE',
      [
        [1, 1, 1, 1],
        [2, 3, 4],
      ],
      [1],
    ],
    ['SETDIFFERENCE', [[1], 2], undefined],
    [
      'SETEQUAL',
      [
        [1, 2, 3],
        [3, 2, 1],
      ],
      true,
    ],
    [
      'SETEQUAL',
      [
        [1, 2, 3, 3],
        [1, 2, 2, 3, 1, 2],
      ],
      true,
    ],
    ['SETEQUAL', [[], [1, 2, 3]], false],
    [
      'SETEQUAL',
      [
        [1, true, 'abc'],
        [true, 1, 'abc'],
      ],
      true,
    ],
    ['SETEQUAL', [[{ a: 1, b: 1 }], [{ b: 1, a: 1 }]], true],
    [
      'SETEQUAL',
      [
        [1, 1, 1, 1],
        [2, 3, 4],
      ],
      false,
    ],
    [
      'SETINTERSECT',
      [
        [1, 2, 3, 4],
        [3, 4, 5, 6],
      ],
      [3, 4],
    ],
    [
      'SETINTERSECT',
      [
        [1, 2, 3, 4],
        [1, 1, 1, 1],
      ],
      [1],
    ],
    [
      'SETINTERSECT',
      [
        [1, 2, 'A', 'B'],
        ['A', 1],
      ],
      ['A', 1],
    ],
    ['SETINTERSECT', [[1, 2], []], []],
    [
      'SETUNION',
      [
        [1, 2, 3, 4],
        [3, 4, 5, 6],
      ],
      [1, 2, 3, 4, 5, 6],
    ],
    [
      'SETUNION',
      [
        [1, 2, 3, 4],
        [1, 1, 1, 1],
      ],
      [1, 2, 3, 4],
    ],
    [
      'SETUNION',
      [
        [1, 2, 'A', 'B'],
        ['A', 1],
      ],
      [1, 2, 'A', 'B'],
    ],
    ['SETUNION', [[1], null], undefined],
  ])('%s(%j) is %j', (name, values, expected) => {
    expect(call(name, values)).toEqual(expected);
  });

  it('take time by the length of the arrays, not by its square', () => {
    const numbers = Array.from({ length: 100_000 }, (_, at) => at);
    const objects = numbers.map((n) => ({ n }));
    expect(
      call('SETDIFFERENCE', [
        [...numbers, ...objects],
        [...numbers, ...objects],
      ]),
    ).toEqual([]);
  });

  it('count what they look at as work of the query', () => {
    const spend = startAllowance(1_000_000);
    const numbers = Array.from({ length: 20_000 }, (_, at) => at);
    const look = (name: string, ...values: Value[]): Value =>
      findFunction(name)?.apply({ now: 0, spend }, ...values);
    expect(look('ARRAY_LENGTH', numbers)).toBe(20_000);
    expect(() => look('ARRAY_CONTAINS_ANY', numbers, 1)).toThrow(/maximum amount of work/);
    const deep = [numbers.map((at) => [at])];
    const copy = [numbers.map((at) => [at])];
    expect(() =>
      findFunction('ARRAY_CONTAINS')?.apply({ now: 0, spend: startAllowance(1_000_000) }, deep, copy[0]),
    ).toThrow(/maximum amount of work/);
  });

  it('refuse to build what would exhaust the memory', () => {
    const long = Array.from({ length: 1_500_000 }, () => 0);
    expect(() => call('ARRAY_CONCAT', [long, long, long])).toThrow(/too large/);
  });
});
