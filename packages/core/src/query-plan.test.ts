import { describe, expect, it } from 'vitest';
import { InvalidOptionsError, UnsupportedError } from './errors.ts';
import { planQuery, positionOf } from './query-plan.ts';
import { Movie, Reading, Task, task } from './testing/entities.ts';
import { copyOf } from './testing/intents.ts';

function problemsOf(query: Parameters<typeof planQuery>[1]): string {
  try {
    planQuery(Task, query);
  } catch (error) {
    if (InvalidOptionsError.isInstance(error)) return error.message;
    throw error;
  }
  return '';
}

describe('where', () => {
  it.each([
    [{ rank: { near: 1 } }, '"near" on "rank" is no operator'],
    [{ rank: {} }, 'must be a value or an object of operators'],
    [{ rank: [1] }, 'must be a value or an object of operators'],
    [{ rank: { eq: {} } }, 'eq on "rank" wants'],
    [{ rank: { lt: null } }, 'lt on "rank" wants text or a finite number'],
    [{ rank: { gt: Number.NaN } }, 'gt on "rank" wants'],
    [{ rank: Number.POSITIVE_INFINITY }, 'condition on "rank"'],
    [{ rank: { in: 'a' } }, 'in on "rank" wants a list'],
    [{ rank: { in: Array.from({ length: 101 }, () => 1) } }, 'at most 100 values'],
    [{ title: { startsWith: 1 } }, 'startsWith on "title" wants text'],
    [{ title: { exists: 1 } }, 'exists on "title" wants true or false'],
    [{ 'a.b.c.d.e': 1 }, 'one to 4 names deep'],
    [{ 'a..b': 1 }, 'one to 4 names deep'],
    [{ and: {} }, 'and must be a list'],
    [{ not: [] }, 'where must be an object'],
    [{ title: 'nul \0' }, 'must not hold NUL'],
    [{ title: { in: ['\ud800'] } }, 'must not hold NUL or a lone surrogate'],
    [{ 'nul\0': 1 }, 'must not hold NUL'],
  ])('refuses %j', (where, problem) => {
    expect(problemsOf({ where })).toContain(problem);
  });

  it('tells every problem at once', () => {
    expect(problemsOf({ where: { a: {}, b: [] }, limit: 0, cursor: 1 }).split('\n  - ')).toHaveLength(5);
  });

  it('bounds the number of conditions and the depth', () => {
    const many = (count: number) => ({ or: Array.from({ length: count }, (_, i) => ({ rank: i })) });
    expect(problemsOf({ where: many(100) })).toBe('');
    expect(problemsOf({ where: many(101) })).toContain('100 conditions at most');
    const deep = (depth: number): object => (depth === 0 ? {} : { not: deep(depth - 1) });
    expect(problemsOf({ where: deep(10) })).toBe('');
    expect(problemsOf({ where: deep(11) })).toContain('nested at most 10 deep');
  });

  it('finds the one partition that it is confined to', () => {
    const confined = (where: object) => planQuery(Task, { where }).plan.partition;
    expect(confined({ tenantId: 't1', rank: 1 })).toEqual(['t1']);
    expect(confined({ and: [{ tenantId: { in: ['t1'] } }] })).toEqual(['t1']);
    expect(confined({ or: [{ tenantId: 't1' }, { tenantId: 't2' }] })).toBeUndefined();
    expect(confined({ tenantId: { in: ['t1', 't2'] } })).toBeUndefined();
    expect(confined({ not: { tenantId: 't1' } })).toBeUndefined();
    const where = { site: 's', 'sensor.line': 'l', year: 1 };
    expect(planQuery(Reading, { where }).plan.partition).toEqual(['s', 'l', 1]);
    expect(planQuery(Reading, { where: { site: 's', year: 1 } }).plan.partition).toBeUndefined();
    const prefixOf = (fixed: object) => planQuery(Reading, { where: fixed }).plan.prefix;
    expect(prefixOf(where)).toEqual(['s', 'l', 1]);
    expect(prefixOf({ site: 's', year: 1 })).toEqual(['s']);
    expect(prefixOf({ 'sensor.line': 'l', year: 1 })).toEqual([]);
    expect(prefixOf({ or: [{ site: 's' }, { year: 1 }] })).toEqual([]);
  });
});

describe('orderBy', () => {
  it('must name a declared index, in one direction', () => {
    expect(
      planQuery(Task, {
        orderBy: [
          ['done', 'desc'],
          ['rank', 'desc'],
        ],
      }).plan,
    ).toMatchObject({
      orderBy: ['done', 'rank'],
      direction: 'desc',
    });
    const refused = (orderBy: unknown) => () => planQuery(Task, { orderBy });
    expect(
      refused([
        ['rank', 'asc'],
        ['done', 'asc'],
      ]),
    ).toThrow(UnsupportedError);
    expect(
      refused([
        ['done', 'asc'],
        ['rank', 'desc'],
      ]),
    ).toThrow(UnsupportedError);
    expect(refused([['note', 'asc']])).toThrow(/add indexes: \[\{ fields: \["note"\] \}\]/);
    expect(refused([['rank', 'up']])).toThrow(InvalidOptionsError);
    expect(refused({ rank: 'asc' })).toThrow(InvalidOptionsError);
    expect(refused('rank')).toThrow(InvalidOptionsError);
  });
});

describe('cursors', () => {
  const value = (fields: object) =>
    copyOf(Movie, { id: '🦜"', genre: 'g', ...fields }, { term: 1, counter: 1 });
  const first = planQuery(Movie, { orderBy: [['rating', 'asc']], limit: 2 });

  it.each([
    {},
    { rating: null },
    { rating: 'é🦜' },
    { rating: 1e300 },
    { rating: false },
    { rating: [] },
    { rating: {} },
  ])('come back as the position that they were: %j', (fields) => {
    const position = positionOf(first.plan, value(fields));
    const cursor = first.cursorAfter(position);
    expect(cursor).toMatch(/^[\w-]+$/);
    const { plan } = planQuery(Movie, { orderBy: [['rating', 'asc']], limit: 50, cursor });
    expect(plan.after).toEqual(position);
    expect(plan.limit).toBe(51);
  });

  it('belong to one query', () => {
    const cursor = first.cursorAfter(positionOf(first.plan, value({})));
    for (const query of [
      { orderBy: [['rating', 'desc']] },
      { orderBy: [['title', 'asc']] },
      {},
      { orderBy: [['rating', 'asc']], where: { rating: 1 } },
    ])
      expect(() => planQuery(Movie, { ...query, cursor })).toThrow(/cursor does not belong/);
    const other = planQuery(Task, {}).cursorAfter(
      positionOf(planQuery(Task, {}).plan, copyOf(Task, task('a'), { term: 1, counter: 1 })),
    );
    expect(() => planQuery(Movie, { cursor: other })).toThrow(/cursor does not belong/);
    for (const broken of ['', 'x', cursor.slice(1), `${cursor}A`, '%%%', btoa('[]')])
      expect(() => planQuery(Movie, { orderBy: [['rating', 'asc']], cursor: broken })).toThrow(
        InvalidOptionsError,
      );
  });
});
