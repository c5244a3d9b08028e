import { planQuery } from '@polyphase/core';
import { describe, expect, it } from 'vitest';
import { Note } from '../../test/virtual-world.ts';
import { shapeOf } from './query-shape.ts';

describe('shapeOf', () => {
  it.each([
    [{}, 'query all · across partitions'],
    [{ where: { owner: 'secret' } }, 'query owner eq'],
    [{ where: { owner: 'secret', text: { startsWith: 'secret' } } }, 'query owner eq and text startsWith'],
    [
      { where: { or: [{ rank: { gt: 1 } }, { not: { text: { in: ['secret'] } } }] } },
      'query rank gt or not (text in) · across partitions',
    ],
    [
      {
        where: { owner: 'secret', or: [{ rank: 1 }, { rank: { exists: false } }] },
        orderBy: [['rank', 'desc']],
      },
      'query owner eq and (rank eq or rank exists) · by rank desc',
    ],
  ] as const)('names what queries like %j have in common, and no value', (query, shape) => {
    expect(shapeOf(planQuery(Note, query).plan)).toBe(shape);
  });

  it('is no longer than a line, however long the query is', () => {
    const or = Array.from({ length: 50 }, () => ({ text: { startsWith: 'a' } }));
    expect(shapeOf(planQuery(Note, { where: { or } }).plan).length).toBeLessThanOrEqual(200);
  });
});
