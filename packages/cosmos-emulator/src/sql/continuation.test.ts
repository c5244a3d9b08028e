import { describe, expect, it } from 'vitest';
import { readPlace, readPosition, writePlace, writePosition } from './continuation.ts';

describe('continuation tokens', () => {
  it('say where a stream goes on', () => {
    expect(readPosition(writePosition(12, 3, 40))).toEqual({ start: 12, skip: 3, taken: 40 });
    expect(readPosition(undefined)).toEqual({ start: 0, skip: 0, taken: 0 });
    expect(readPosition('')).toEqual({ start: 0, skip: 0, taken: 0 });
  });

  it('carry a place in an order, in ASCII, whatever its keys', () => {
    const keys = ['é 漢 😀 "\\', 1.5, null, true, undefined];
    const token = writePlace({ keys, sequence: 7, ordinal: 1 }, 20, 1024);
    expect(token).toMatch(/^[\x20-\x7e]*$/);
    expect(readPlace(token, 5)).toEqual({ place: { keys, sequence: 7, ordinal: 1 }, taken: 20 });
    expect(readPlace(undefined, 5)).toBeUndefined();
  });

  it('leave keys out that are long or no scalars', () => {
    for (const keys of [['x'.repeat(2000)], ['漢'.repeat(300)], [[1]], [{ a: 1 }]]) {
      const token = writePlace({ keys, sequence: 7, ordinal: 1 }, 20, 1024);
      expect(token.length).toBeLessThan(100);
      expect(readPlace(token, 1)).toEqual({ place: { keys: undefined, sequence: 7, ordinal: 1 }, taken: 20 });
    }
  });

  it.each([
    'nonsense',
    '[]',
    'null',
    '{}',
    '{"start":-1,"skip":0,"taken":0}',
    '{"start":1.5,"skip":0,"taken":0}',
    '{"start":1,"taken":0}',
    '{"start":1,"skip":0}',
    '{"start":"1","skip":0,"taken":0}',
    '{"start":1e300,"skip":0,"taken":0}',
  ])('are refused for a stream when they read %s', (token) => {
    expect(() => readPosition(token)).toThrow('Invalid Continuation Token');
  });

  it.each([
    'nonsense',
    '{"start":1,"skip":0,"taken":0}',
    '{"sequence":1,"ordinal":0}',
    '{"keys":[],"sequence":1,"ordinal":0,"taken":0}',
    '{"keys":[[1],[2]],"sequence":1,"ordinal":0,"taken":0}',
    '{"keys":[1],"sequence":1,"ordinal":0,"taken":0}',
    '{"keys":[[1,2]],"sequence":1,"ordinal":0,"taken":0}',
    '{"keys":[[[[]]]],"sequence":1,"ordinal":0,"taken":0}',
    '{"keys":{},"sequence":1,"ordinal":0,"taken":0}',
    '{"keys":[[1]],"sequence":1,"ordinal":0,"taken":-1}',
  ])('are refused for an order by one field when they read %s', (token) => {
    expect(() => readPlace(token, 1)).toThrow('Invalid Continuation Token');
  });
});
