import { describe, expect, it } from 'vitest';
import {
  keyText,
  type PartitionKeyDefinition,
  parsePartitionKey,
  readWireKey,
  wireKey,
} from './partition-key.ts';

const definition: PartitionKeyDefinition = {
  paths: ['/a', '/b'],
  kind: 'MultiHash',
  version: 2,
  systemKey: false,
};

describe('a partition key', () => {
  it('is read from the wire, with the absent value and without minus zero', () => {
    expect(parsePartitionKey('["x",{}]', definition)).toEqual(['x', undefined]);
    expect(parsePartitionKey('[-0.0]', definition)).toStrictEqual([0]);
    expect(parsePartitionKey('[1e-400,true]', definition)).toStrictEqual([0, true]);
  });

  it.each(['[1e999]', '[["x"]]', '[{"x":1}]', '"x"', '[', '["x","y","z"]'])('is refused as %s', (text) => {
    expect(() => parsePartitionKey(text, definition)).toThrow(expect.objectContaining({ status: 400 }));
  });

  it('survives JSON as the wire writes it', () => {
    const key = [undefined, null] as const;
    expect(readWireKey(JSON.parse(JSON.stringify(wireKey(key))))).toEqual(key);
  });

  it('has a text that starts the text of every key under it', () => {
    expect(keyText(['x', 1]).startsWith(keyText(['x']))).toBe(true);
    expect(keyText(['xy', 1]).startsWith(keyText(['x']))).toBe(false);
  });
});
