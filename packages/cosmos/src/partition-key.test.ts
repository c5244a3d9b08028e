import type { JsonObject } from '@polyphase/core';
import { describe, expect, it } from 'vitest';
import { formatPath, levelsAt, parsePath, toPartitionKey, withValueAt } from './partition-key.ts';

describe('parsePath and formatPath', () => {
  it.each([
    ['/tenantId', ['tenantId']],
    ['/a/b/c', ['a', 'b', 'c']],
    ['/"odd name"/x', ['odd name', 'x']],
    ['/"a/b"', ['a/b']],
    ['/"with \\"quotes\\""', ['with "quotes"']],
  ])('%s', (text, path) => {
    expect(parsePath(text)).toEqual(path);
    expect(formatPath(path)).toBe(text);
  });
});

describe('toPartitionKey', () => {
  it('keeps absent, null, numbers, text and booleans apart', () => {
    expect(toPartitionKey([undefined, null, 1, '1', false])).toEqual([{}, null, 1, '1', false]);
  });
});

describe('levelsAt', () => {
  it('takes what is no scalar for absent', () => {
    const document = { a: { b: 1 }, c: null, d: [1] };
    expect(levelsAt(document, [['a', 'b'], ['a'], ['c'], ['d'], ['e', 'f']])).toEqual([
      1,
      undefined,
      null,
      undefined,
      undefined,
    ]);
  });
});

describe('withValueAt', () => {
  it('makes the objects on the way and leaves what is there', () => {
    expect(withValueAt({ id: 'x' }, ['a', 'b'], 1)).toEqual({ id: 'x', a: { b: 1 } });
    expect(withValueAt({ a: { c: 2 } }, ['a', 'b'], 1)).toEqual({ a: { c: 2, b: 1 } });
    expect(withValueAt({ a: 5 }, ['a', 'b'], 1)).toEqual({ a: 5 });
    expect(withValueAt({ a: 5 }, ['a'], 1)).toEqual({ a: 5 });
  });

  it('makes an own field of any name', () => {
    const made: JsonObject = withValueAt({}, ['__proto__', 'x'], 1);
    expect(JSON.stringify(made)).toBe('{"__proto__":{"x":1}}');
  });
});
