import { describe, expect, it } from 'vitest';
import { InvalidDataError } from './errors.ts';
import {
  checkKey,
  keyEquals,
  keyLabel,
  keyText,
  MAX_ID_BYTES,
  partitionOf,
  partitionText,
  type RecordKey,
} from './key.ts';

const levels = [
  undefined,
  null,
  true,
  false,
  0,
  1,
  -1.5,
  '',
  '1',
  'null',
  '{}',
  'a"b',
  'a"',
  '\\',
  'a\n',
  '🦜',
];

describe('partition texts', () => {
  it('tell every two levels apart, and come back', () => {
    expect(new Set(levels.map((level) => partitionText([level]))).size).toBe(levels.length);
    for (const level of levels) expect(partitionOf(partitionText([level]))).toEqual([level]);
    for (const level of levels) expect(partitionOf(partitionText(['x', level]))).toEqual(['x', level]);
  });

  it('of several levels do not run together', () => {
    expect(partitionText(['a","b'])).not.toBe(partitionText(['a', 'b']));
    expect(keyText({ partition: ['a'], id: 'b c' })).not.toBe(keyText({ partition: ['a', 'b'], id: 'c' }));
  });

  it('that are none of ours are refused', () => {
    expect(() => partitionOf('{}')).toThrow(InvalidDataError);
    for (const text of ['["a"x', '["a', '"a"]']) expect(() => partitionOf(text)).toThrow(SyntaxError);
  });
});

describe('checkKey', () => {
  const refused = (key: RecordKey): string => {
    try {
      checkKey(key, 'things');
    } catch (error) {
      if (InvalidDataError.isInstance(error)) return error.message;
      throw error;
    }
    return '';
  };

  it.each(['', '.', '..', 'a/b', 'a\\b', 'a?', '#', 'end ', 'nul\0', '\ud800', 'hyb:x', 'é'.repeat(512)])(
    'refuses the id %j',
    (id) => {
      expect(refused({ partition: ['t'], id })).not.toBe('');
    },
  );

  it.each(['a', '...', '.a', ' a', "'", '"', '🦜', 'x'.repeat(MAX_ID_BYTES), 'é'.repeat(511)])(
    'takes the id %j',
    (id) => {
      expect(refused({ partition: levels.filter((one) => one !== 'x'), id })).toBe('');
    },
  );

  it('refuses partitions that some store cannot hold', () => {
    expect(refused({ partition: ['nul\0'], id: 'a' })).toContain('partition.0');
    expect(refused({ partition: ['fine', Number.NaN], id: 'a' })).toContain('partition.1');
    expect(refused({ partition: [-0], id: 'a' })).toContain('negative zero');
    expect(refused({ partition: ['x'.repeat(1_600)], id: 'a' })).toContain('1536 bytes');
  });

  it('tells everything that is wrong, and no values', () => {
    const message = refused({ partition: ['secret\0'], id: 'secret/\0 ' });
    expect(message.match(/must not/g)?.length).toBeGreaterThanOrEqual(4);
    expect(message).not.toContain('secret');
  });
});

it('labels are harmless: the id where it is plain text, else a digest', () => {
  expect(keyLabel({ partition: ['t'], id: 'order-1' })).toBe('order-1');
  expect(keyLabel({ partition: ['t'], id: 'a b\n' })).toMatch(/^#[0-9a-f]{12}$/);
  expect(keyLabel({ partition: ['t'], id: 'x'.repeat(65) })).toMatch(/^#/);
});

it('keys are equal where every level and the id are', () => {
  expect(keyEquals({ partition: [1], id: 'a' }, { partition: [1], id: 'a' })).toBe(true);
  expect(keyEquals({ partition: [1], id: 'a' }, { partition: ['1'], id: 'a' })).toBe(false);
});
