import { describe, expect, it } from 'vitest';
import type { Json } from '../json.ts';
import { effectivePartitionKey } from '../partition/effective-key.ts';
import type { PartitionKey } from '../partition/partition-key.ts';
import { parseContainer } from '../storage/container-properties.ts';
import { planQuery, type QueryInfo, type QueryPlan } from './plan.ts';
import { requireFeatures } from './plan-features.ts';
import { prepareQuery } from './query-engine.ts';

const composite = [
  [
    { path: '/a', order: 'ascending' },
    { path: '/b', order: 'descending' },
  ],
];
const onOne = definition(['/pk'], 'Hash');
const onThree = definition(['/t', '/u', '/v'], 'MultiHash');

function definition(paths: string[], kind: string) {
  return parseContainer({
    id: 'items',
    partitionKey: { paths, kind, version: 2 },
    indexingPolicy: { compositeIndexes: composite },
  });
}

function plan(query: string, parameters: Record<string, Json> = {}, container = onOne): QueryPlan {
  return planQuery(
    prepareQuery(query, container),
    new Map(Object.entries(parameters)),
    container.partitionKey,
  );
}

const plain: QueryInfo = {
  distinctType: 'None',
  top: null,
  offset: null,
  limit: null,
  orderBy: [],
  orderByExpressions: [],
  groupByExpressions: [],
  groupByAliases: [],
  aggregates: [],
  groupByAliasToAggregateType: {},
  rewrittenQuery: '',
  hasSelectValue: false,
  dCountInfo: null,
  hasNonStreamingOrderBy: false,
};
const filter = '({documentdb-formattableorderbyquery-filter})';

describe('query plans', () => {
  it.each<[string, Partial<QueryInfo>]>([
    ["SELECT * FROM c WHERE c.a = 'x'", {}],
    ['SELECT VALUE c.a FROM c JOIN t IN c.tags', { hasSelectValue: true }],
    ['SELECT TOP 3 * FROM c', { top: 3 }],
    ['SELECT TOP @n * FROM c', { top: 7 }],
    ['SELECT DISTINCT c.a FROM c', { distinctType: 'Unordered' }],
    [
      'SELECT * FROM c WHERE c.a > 1 OFFSET 2 LIMIT @n',
      { offset: 2, limit: 7, rewrittenQuery: 'SELECT *\nFROM c\nWHERE (c.a > 1)\nOFFSET 0 LIMIT 9' },
    ],
    [
      'SELECT * FROM c ORDER BY c.a',
      {
        orderBy: ['Ascending'],
        orderByExpressions: ['c.a'],
        rewrittenQuery: `SELECT c._rid, [{"item": c.a}] AS orderByItems, c AS payload\nFROM c\nWHERE ${filter}\nORDER BY c.a`,
      },
    ],
    [
      'SELECT TOP 2 r.a, r["b c"] AS d, 1 FROM root r WHERE r.x != "y" ORDER BY r.a ASC, r.b DESC',
      {
        top: 2,
        orderBy: ['Ascending', 'Descending'],
        orderByExpressions: ['r.a', 'r.b'],
        rewrittenQuery: `SELECT TOP 2 r._rid, [{"item": r.a}, {"item": r.b}] AS orderByItems, {"a": r.a, "d": r["b c"], "$1": 1} AS payload\nFROM root AS r\nWHERE ((r.x != "y") AND ${filter})\nORDER BY r.a, r.b DESC`,
      },
    ],
    [
      'SELECT DISTINCT VALUE c.a FROM c ORDER BY c.a OFFSET 1 LIMIT 2',
      {
        distinctType: 'Ordered',
        offset: 1,
        limit: 2,
        orderBy: ['Ascending'],
        orderByExpressions: ['c.a'],
        hasSelectValue: true,
        rewrittenQuery: `SELECT c._rid, [{"item": c.a}] AS orderByItems, c.a AS payload\nFROM c\nWHERE ${filter}\nORDER BY c.a`,
      },
    ],
    [
      'SELECT VALUE COUNT(1) FROM c WHERE c.a = 1',
      {
        aggregates: ['Count'],
        hasSelectValue: true,
        rewrittenQuery: 'SELECT VALUE [{"item": COUNT(1)}]\nFROM c\nWHERE (c.a = 1)',
      },
    ],
    [
      'SELECT VALUE AVG(c.a) FROM c',
      {
        aggregates: ['Average'],
        hasSelectValue: true,
        rewrittenQuery: 'SELECT VALUE [{"item": {"sum": SUM(c.a), "count": COUNT(c.a)}}]\nFROM c',
      },
    ],
    [
      'SELECT VALUE MIN(c.a) FROM c',
      {
        aggregates: ['Min'],
        hasSelectValue: true,
        rewrittenQuery:
          'SELECT VALUE [{"item": MIN(c.a), "item2": {"min": MIN(c.a), "count": COUNT(c.a)}}]\nFROM c',
      },
    ],
    [
      'SELECT COUNT(1), SUM(c.a) AS total FROM c',
      {
        groupByAliases: ['$1', 'total'],
        groupByAliasToAggregateType: { $1: 'Count', total: 'Sum' },
        rewrittenQuery: 'SELECT {"$1": {"item": COUNT(1)}, "total": {"item": SUM(c.a)}} AS payload\nFROM c',
      },
    ],
    [
      'SELECT COUNTIF(c.a) AS n, MAKESET(c.b) AS s, MAKELIST(c.b) AS l FROM c',
      {
        groupByAliases: ['n', 's', 'l'],
        groupByAliasToAggregateType: { n: 'CountIf', s: 'MakeSet', l: 'MakeList' },
        rewrittenQuery:
          'SELECT {"n": {"item": COUNTIF(c.a)}, "s": {"item": MAKESET(c.b)}, "l": {"item": MAKELIST(c.b)}} AS payload\nFROM c',
      },
    ],
    [
      'SELECT TOP 1 c.team, MAX(c.a) FROM c GROUP BY c.team, LOWER(c.b)',
      {
        top: 1,
        groupByExpressions: ['c.team', 'LOWER(c.b)'],
        groupByAliases: ['team', '$1'],
        groupByAliasToAggregateType: { team: null, $1: 'Max' },
        rewrittenQuery:
          'SELECT [{"item": c.team}, {"item": LOWER(c.b)}] AS groupByItems, {"team": c.team, "$1": {"item": MAX(c.a), "item2": {"max": MAX(c.a), "count": COUNT(c.a)}}} AS payload\nFROM c\nGROUP BY c.team, LOWER(c.b)',
      },
    ],
    [
      'SELECT VALUE COUNT(1) FROM c GROUP BY c.team',
      {
        groupByExpressions: ['c.team'],
        aggregates: ['Count'],
        hasSelectValue: true,
        rewrittenQuery:
          'SELECT [{"item": c.team}] AS groupByItems, [{"item": COUNT(1)}] AS payload\nFROM c\nGROUP BY c.team',
      },
    ],
    [
      'SELECT VALUE COUNT(1) FROM (SELECT DISTINCT VALUE c.a FROM c)',
      {
        distinctType: 'Unordered',
        hasSelectValue: true,
        rewrittenQuery: 'SELECT DISTINCT VALUE c.a\nFROM c',
        dCountInfo: { dCountAlias: '' },
      },
    ],
    [
      'SELECT COUNT(1) AS n FROM (SELECT DISTINCT c.a, c.b FROM c)',
      {
        distinctType: 'Unordered',
        rewrittenQuery: 'SELECT DISTINCT c.a, c.b\nFROM c',
        dCountInfo: { dCountAlias: 'n' },
      },
    ],
  ])('of %s', (query, expected) => {
    expect(plan(query, { '@n': 7 }).queryInfo).toEqual({ ...plain, ...expected });
  });

  it.each([
    ['SELECT DISTINCT c.a FROM c ORDER BY c.a', 'Unordered'],
    ['SELECT DISTINCT VALUE c.a FROM c ORDER BY c.b', 'Unordered'],
    ['SELECT DISTINCT VALUE c.a FROM c ORDER BY c.a, c.b DESC', 'Unordered'],
    ['SELECT DISTINCT VALUE c.a FROM c ORDER BY c.a DESC', 'Ordered'],
  ])('%s is %s', (query, type) => {
    expect(plan(query).queryInfo.distinctType).toBe(type);
  });

  it.each(['SELECT COUNT(1) + 1 FROM c', 'SELECT VALUE {n: COUNT(1)} FROM c', 'SELECT [MAX(c.a)] FROM c'])(
    'refuse to merge %s',
    (query) => {
      expect(() => plan(query)).toThrow('Compositions of aggregates and other expressions are not allowed.');
    },
  );

  it.each(['SELECT * FROM c OFFSET 1.5 LIMIT 2', 'SELECT TOP @absent * FROM c'])(
    'refuse the number in %s',
    (query) => {
      expect(() => plan(query)).toThrow('non-negative integer');
    },
  );
});

/** Points for whole keys, and stretches for prefixes, in order. */
function ranges(keys: readonly PartitionKey[], container = onOne): QueryPlan['queryRanges'] {
  return keys
    .map((key) => {
      const min = effectivePartitionKey(key, container.partitionKey);
      const whole = key.length === container.partitionKey.paths.length;
      return { min, max: whole ? min : `${min}FF`, isMinInclusive: true, isMaxInclusive: whole };
    })
    .toSorted((left, right) => (left.min < right.min ? -1 : 1));
}

const everywhere = [{ min: '', max: 'FF', isMinInclusive: true, isMaxInclusive: false }];

describe('the ranges of a plan', () => {
  it.each<[string, PartitionKey[]]>([
    ["c.pk = 'a'", [['a']]],
    ["'a' = c.pk AND c.x > 1", [['a']]],
    ['c["pk"] = @p', [[5]]],
    ['c.pk = -1 OR c.pk = null', [[-1], [null]]],
    ["c.pk IN ('a', 'b', true, 'a')", [['a'], ['b'], [true]]],
    ["c.pk IN ('a', 'b') AND c.pk IN ('b', 'c')", [['b']]],
    ["(c.pk = 'a' AND c.x = 1) OR (c.x = 2 AND c.pk = 'b')", [['a'], ['b']]],
    ["c.pk = 'a' AND c.pk = 'b'", []],
    ['false', []],
    ["c.pk = 'a' AND false", []],
    ["c.pk = 'a' OR false", [['a']]],
  ])('for %s', (where, keys) => {
    expect(plan(`SELECT * FROM c WHERE ${where}`, { '@p': 5 }).queryRanges).toEqual(ranges(keys));
  });

  it.each([
    'c.x = 1',
    "c.pk > 'a'",
    "c.pk = 'a' OR c.x = 1",
    "NOT (c.pk = 'a')",
    "c.pk NOT IN ('a')",
    'c.pk = c.x',
    'c.pk = {}',
    "c.pk.x = 'a'",
    "LOWER(c.pk) = 'a'",
    'true',
  ])('go everywhere for %s', (where) => {
    expect(plan(`SELECT * FROM c WHERE ${where}`).queryRanges).toEqual(everywhere);
  });

  it('read the key through the names of FROM', () => {
    const key = ranges([['a']]);
    expect(plan("SELECT * FROM r WHERE r.pk = 'a'").queryRanges).toEqual(key);
    expect(plan("SELECT t FROM c x JOIN t IN x.tags WHERE x.pk = 'a'").queryRanges).toEqual(key);
    expect(plan("SELECT t FROM c JOIN t IN c.tags WHERE t.pk = 'a'").queryRanges).toEqual(everywhere);
    expect(plan("SELECT * FROM c.child WHERE child.pk = 'a'").queryRanges).toEqual(everywhere);
    expect(plan("SELECT * FROM t IN c.tags WHERE t.pk = 'a'").queryRanges).toEqual(everywhere);
    const nested = definition(['/child/pk'], 'Hash');
    expect(plan("SELECT * FROM c.child WHERE child.pk = 'a'", {}, nested).queryRanges).toEqual(key);
  });

  it.each<[string, PartitionKey[]]>([
    ["c.t = 'a' AND c.u = 'b' AND c.v = 1", [['a', 'b', 1]]],
    ["c.u = 'b' AND c.t = 'a'", [['a', 'b']]],
    ["c.t = 'a'", [['a']]],
    ["c.t = 'a' AND c.v = 1", [['a']]],
    [
      "c.t IN ('a', 'b') AND c.u IN (1, 2)",
      [
        ['a', 1],
        ['a', 2],
        ['b', 1],
        ['b', 2],
      ],
    ],
    ["c.t = 'a' OR (c.t = 'b' AND c.u = 1)", [['a'], ['b', 1]]],
  ])('of a hierarchical key for %s', (where, keys) => {
    expect(plan(`SELECT * FROM c WHERE ${where}`, {}, onThree).queryRanges).toEqual(ranges(keys, onThree));
  });

  it('stay few where a filter allows too many keys to tell apart', () => {
    const list = Array.from({ length: 100 }, (_, at) => at).join();
    const where = `c.t IN (${list}) AND c.u IN (${list})`;
    expect(plan(`SELECT * FROM c WHERE ${where}`, {}, onThree).queryRanges).toEqual(everywhere);
    const ways = Array.from({ length: 20 }, (_, at) => `(c.pk = ${at} OR c.x = ${at})`).join(' AND ');
    expect(plan(`SELECT * FROM c WHERE ${ways}`).queryRanges).toEqual(everywhere);
  });
});

describe('supported features', () => {
  it.each([
    ['SELECT * FROM c', ''],
    ['SELECT VALUE COUNT(1) FROM c', 'Aggregate'],
    ['SELECT COUNT(1) FROM c', 'NonValueAggregate'],
    ['SELECT COUNT(1), MIN(c.a) FROM c', 'MultipleAggregates,NonValueAggregate'],
    ['SELECT c.a FROM c GROUP BY c.a', 'GroupBy'],
    ['SELECT VALUE COUNTIF(c.a > 1) FROM c', 'Aggregate,CountIf'],
    ['SELECT MAKELIST(c.a) FROM c', 'NonValueAggregate,ListAndSetAggregate'],
    ['SELECT DISTINCT TOP 1 c.a FROM c', 'Distinct, Top'],
    ['SELECT * FROM c ORDER BY c.a OFFSET 1 LIMIT 1', 'OffsetAndLimit,OrderBy'],
    ['SELECT * FROM c ORDER BY c.a, c.b DESC', 'MultipleOrderBy'],
  ])('%s needs %j', (query, features) => {
    requireFeatures(plan(query), features);
    requireFeatures(plan(query), undefined);
    if (features === '') return;
    const names = features.split(/, ?/);
    expect(() => requireFeatures(plan(query), '')).toThrow(
      [
        'Query contains 1 or more unsupported features. Upgrade your SDK to a version that does support the requested features:',
        ...names.map((name) => `Query contained ${name}, which the calling client does not support.`),
      ].join('\r\n'),
    );
  });
});
