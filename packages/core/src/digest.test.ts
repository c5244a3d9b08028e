import { expect, it } from 'vitest';
import { digestOf, hash128 } from './digest.ts';
import { BUCKETS, bucketOf } from './key.ts';

// Digests and buckets are stored in both stores: a change here would make every record look corrupt.
it('never changes', () => {
  expect(digestOf('')).toBe('00000000000000000000000000000000');
  expect(['a', '{"a":1}', 'The quick brown fox', '🦜\uffff'].map(digestOf)).toMatchInlineSnapshot(`
    [
      "05236d8a449f4b0b6d72483d3a4d476c",
      "97faedceac3d60ec3e8252e465dabba3",
      "2524521b992f3fa76b2a42560cf9e91b",
      "9b392f65b10fbce4a24018428314afd6",
    ]
  `);
  expect([0, 1, 2].map((i) => bucketOf({ partition: ['t1'], id: `n${i}` }))).toMatchInlineSnapshot(`
    [
      447,
      88,
      197,
    ]
  `);
});

it('tells similar texts apart', () => {
  const texts = ['', '\u0001', 'a', 'a ', 'a\u0000', 'b', 'ab', 'ba', 'aaaaaaaa', 'aaaaaaaaa', 'aaaaaaaab'];
  expect(new Set(texts.map(digestOf)).size).toBe(texts.length);
  const many = Array.from({ length: 50_000 }, (_, i) => digestOf(`{"n":${i}}`));
  expect(new Set(many).size).toBe(many.length);
});

it('spreads over all four words, and over the buckets', () => {
  const counts = new Map<number, number>();
  for (let i = 0; i < BUCKETS * 50; i += 1) {
    const bucket = bucketOf({ partition: ['t'], id: `${i}` });
    counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
  }
  expect(counts.size).toBe(BUCKETS);
  expect(Math.max(...counts.values())).toBeLessThan(100);
  for (const word of [0, 1, 2, 3] as const)
    expect(new Set(Array.from({ length: 1_000 }, (_, i) => hash128(`${i}`)[word])).size).toBeGreaterThan(990);
});
