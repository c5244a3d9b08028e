import { describe, expect, it } from 'vitest';
import { indexMetrics } from './index-metrics.ts';
import { parseQuery } from './parse.ts';

const policy = {
  includedPaths: [{ path: '/*' }],
  excludedPaths: [{ path: '/x/*' }],
  compositeIndexes: [
    [
      { path: '/a', order: 'ascending' },
      { path: '/b', order: 'descending' },
    ],
  ],
};

describe('index metrics', () => {
  it.each<[string, string[], string[], string[][], string[][]]>([
    ['SELECT * FROM c', [], [], [], []],
    ['SELECT * FROM c WHERE c.a = 1', ['/a/?'], [], [], []],
    ['SELECT * FROM c WHERE 1 < c.x.y', [], ['/x/y/?'], [], []],
    [
      "SELECT * FROM c WHERE STARTSWITH(c.n, 'a') AND ARRAY_CONTAINS(c.t, 1)",
      ['/n/?', '/t/[]/?'],
      [],
      [],
      [],
    ],
    ['SELECT * FROM c WHERE c.a = 1 OR c.d = 2', ['/a/?', '/d/?'], [], [], []],
    ['SELECT * FROM c WHERE c.d = 1 AND c.e > 2', ['/d/?', '/e/?'], [], [], [['/d ASC', '/e ASC']]],
    ['SELECT * FROM c WHERE c.d > 1 AND c.e > 2', ['/d/?', '/e/?'], [], [], []],
    ['SELECT * FROM c ORDER BY c.a', ['/a/?'], [], [], []],
    ['SELECT * FROM c ORDER BY c.a DESC, c.b', ['/a/?', '/b/?'], [], [['/a DESC', '/b ASC']], []],
    [
      'SELECT * FROM c WHERE c.d IN (1, 2) ORDER BY c.e DESC',
      ['/d/?', '/e/?'],
      [],
      [],
      [['/d ASC', '/e DESC']],
    ],
    [
      'SELECT * FROM c WHERE c.d = 1 AND c.f > 2 ORDER BY c.e',
      ['/d/?', '/f/?', '/e/?'],
      [],
      [],
      [['/d ASC', '/e ASC']],
    ],
    ['SELECT * FROM c WHERE c.a = 1 ORDER BY c.b DESC', ['/a/?', '/b/?'], [], [['/a ASC', '/b DESC']], []],
  ])('of %s', (query, single, potential, composite, potentialComposite) => {
    const high = { IndexImpactScore: 'High' };
    expect(indexMetrics(parseQuery(query), policy)).toEqual({
      UtilizedIndexes: {
        SingleIndexes: single.map((IndexSpec) => ({ IndexSpec })),
        CompositeIndexes: composite.map((IndexSpecs) => ({ IndexSpecs })),
      },
      PotentialIndexes: {
        SingleIndexes: potential.map((IndexSpec) => ({ IndexSpec, ...high })),
        CompositeIndexes: potentialComposite.map((IndexSpecs) => ({ IndexSpecs, ...high })),
      },
    });
  });
});
