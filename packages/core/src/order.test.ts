import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyJson } from '../test/fixtures/arbitrary-json.ts';
import { compareKeys, comparePartitions, compareSortValues, compareText } from './order.ts';

const sign = (order: number): number => Math.sign(order);
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('compareText', () => {
  it('orders as the bytes of UTF-8 do', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
        expect(sign(compareText(a, b))).toBe(sign(Buffer.compare(bytes(a), bytes(b))));
      }),
    );
  });

  it('puts code points past U+FFFF last, where UTF-16 units do not', () => {
    expect(['🦜', '\uffff', '\ue000', 'z'].toSorted(compareText)).toEqual(['z', '\ue000', '\uffff', '🦜']);
  });
});

describe('compareSortValues', () => {
  it('orders types before values', () => {
    const order = [undefined, null, false, true, -1, 0, 9, 10, '', '10', '9', 'a', '🦜'];
    expect(order.toReversed().toSorted(compareSortValues).slice(0, -1)).toEqual(order.slice(1));
    expect(compareSortValues([], '🦜')).toBeGreaterThan(0);
    expect(compareSortValues([], {})).toBe(0);
  });

  it('is an order', () => {
    fc.assert(
      fc.property(anyJson, anyJson, anyJson, (a, b, c) => {
        expect(sign(compareSortValues(a, b)) + sign(compareSortValues(b, a))).toBe(0);
        fc.pre(compareSortValues(a, b) <= 0 && compareSortValues(b, c) <= 0);
        expect(compareSortValues(a, c)).toBeLessThanOrEqual(0);
      }),
    );
  });
});

it('partitions are ordered level by level, keys by partition and then id', () => {
  expect(comparePartitions([9, 'z'], [10, 'a'])).toBeLessThan(0);
  expect(comparePartitions(['a'], ['a!'])).toBeLessThan(0);
  expect(comparePartitions([undefined], [null])).toBeLessThan(0);
  expect(comparePartitions(['a', 'b'], ['a', 'b'])).toBe(0);
  expect(compareKeys({ partition: ['a'], id: 'z' }, { partition: ['b'], id: 'a' })).toBeLessThan(0);
  expect(compareKeys({ partition: ['a'], id: 'z' }, { partition: ['a'], id: 'a' })).toBeGreaterThan(0);
});
