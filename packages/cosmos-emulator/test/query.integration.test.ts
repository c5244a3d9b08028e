import { type Container, type ErrorResponse, type FeedOptions, type SqlQuerySpec } from '@azure/cosmos';
import { describe, expect, it } from 'vitest';
import { setUp } from './cosmos-setup.ts';

const composite = [
  [
    { path: '/team', order: 'ascending' as const },
    { path: '/age', order: 'descending' as const },
  ],
];

/** A container of twelve people in three teams, on so many physical partitions. */
async function people(partitions: number): Promise<Container> {
  const { container } = await setUp({ indexingPolicy: { compositeIndexes: composite } }, { partitions });
  for (let at = 0; at < 12; at++) {
    await container.items.create({
      id: `p${String(at).padStart(2, '0')}`,
      pk: `k${at % 5}`,
      team: ['red', 'green', 'blue'][at % 3],
      age: 20 + ((at * 7) % 12),
      ...(at % 4 === 0 ? {} : { score: at / 2 }),
      tags: [`t${at % 2}`, `u${at % 3}`],
    });
  }
  return container;
}

async function all(
  container: Container,
  query: string | SqlQuerySpec,
  options: FeedOptions = {},
): Promise<unknown[]> {
  return (await container.items.query<unknown>(query, options).fetchAll()).resources;
}

async function refusal(work: Promise<unknown>): Promise<Partial<ErrorResponse>> {
  try {
    await work;
  } catch (error) {
    return error as ErrorResponse;
  }
  throw new Error('The query was not refused.');
}

describe.each([1, 4])('queries over %i physical partitions', (partitions) => {
  it.each<[string, unknown[]]>([
    ['SELECT VALUE c.id FROM c WHERE c.age = 20 OR c.age = 27 ORDER BY c.id', ['p00', 'p01']],
    ['SELECT VALUE COUNT(1) FROM c', [12]],
    ["SELECT VALUE COUNT(c.score) FROM c WHERE c.team = 'red'", [3]],
    ['SELECT VALUE SUM(c.age) FROM c', [306]],
    ['SELECT VALUE AVG(c.age) FROM c', [25.5]],
    ['SELECT VALUE MIN(c.age) FROM c', [20]],
    ['SELECT VALUE MAX(c.id) FROM c', ['p11']],
    ['SELECT TOP 3 VALUE c.age FROM c ORDER BY c.age DESC', [31, 30, 29]],
    ['SELECT VALUE c.age FROM c ORDER BY c.age OFFSET 2 LIMIT 3', [22, 23, 24]],
    ['SELECT DISTINCT VALUE c.team FROM c ORDER BY c.team', ['blue', 'green', 'red']],
    ['SELECT VALUE c.score FROM c ORDER BY c.score DESC OFFSET 0 LIMIT 2', [5.5, 5]],
    ["SELECT VALUE t FROM c JOIN t IN c.tags WHERE c.id = 'p03'", ['t1', 'u0']],
    [
      "SELECT VALUE c.id FROM c WHERE EXISTS(SELECT VALUE t FROM t IN c.tags WHERE t = 'u2') ORDER BY c.id",
      ['p02', 'p05', 'p08', 'p11'],
    ],
    [
      "SELECT c.id, ARRAY(SELECT VALUE UPPER(t) FROM t IN c.tags) AS tags FROM c WHERE c.id = 'p00'",
      [{ id: 'p00', tags: ['T0', 'U0'] }],
    ],
    ['SELECT VALUE c.age FROM c ORDER BY c.team, c.age DESC OFFSET 0 LIMIT 5', [31, 28, 25, 22, 30]],
  ])('answer %s', async (query, expected) => {
    expect(await all(await people(partitions), query)).toEqual(expected);
  });

  it('group', async () => {
    const container = await people(partitions);
    const grouped = await all(
      container,
      'SELECT c.team, COUNT(1) AS n, SUM(c.age) AS total, AVG(c.age) AS mean, MIN(c.age) AS low FROM c GROUP BY c.team',
    );
    expect(grouped).toHaveLength(3);
    expect(grouped).toContainEqual({ team: 'blue', n: 4, total: 106, mean: 26.5, low: 22 });
    const totals = await all(container, 'SELECT COUNT(1) AS n, MAX(c.age) AS most FROM c');
    expect(totals).toEqual([{ n: 12, most: 31 }]);
    expect((await all(container, 'SELECT DISTINCT c.team FROM c')).length).toBe(3);
    expect(await all(container, 'SELECT VALUE COUNT(1) FROM c GROUP BY c.team')).toEqual([4, 4, 4]);
  });

  it('page, in order, without losing or repeating', async () => {
    const container = await people(partitions);
    for (const query of [
      'SELECT * FROM c',
      'SELECT * FROM c ORDER BY c.age',
      'SELECT * FROM c WHERE c.age > 0',
    ]) {
      const iterator = container.items.query<{ id: string }>(query, { maxItemCount: 5 });
      const pages: string[][] = [];
      while (iterator.hasMoreResults()) {
        const { resources } = await iterator.fetchNext();
        if (resources !== undefined) pages.push(resources.map((item) => item.id));
      }
      expect(new Set(pages.flat()).size).toBe(12);
      expect(pages.flat()).toHaveLength(12);
    }
  });

  it('resume under query control', async () => {
    const container = await people(partitions);
    for (const query of ['SELECT VALUE c.id FROM c ORDER BY c.id', 'SELECT VALUE c.id FROM c']) {
      const found: string[] = [];
      let continuationToken: string | undefined;
      do {
        const options = {
          maxItemCount: 5,
          enableQueryControl: true,
          ...(continuationToken ? { continuationToken } : {}),
        };
        const page = await container.items.query<string>(query, options).fetchNext();
        found.push(...(page.resources ?? []));
        ({ continuationToken } = page);
      } while (continuationToken);
      expect(found.toSorted((left, right) => left.localeCompare(right))).toEqual(
        Array.from({ length: 12 }, (_, at) => `p${String(at).padStart(2, '0')}`),
      );
    }
  });

  it('work through a forced plan', async () => {
    const container = await people(partitions);
    const options = { forceQueryPlan: true };
    expect(await all(container, 'SELECT VALUE COUNT(1) FROM c', options)).toEqual([12]);
    expect(await all(container, 'SELECT TOP 2 VALUE c.id FROM c ORDER BY c.id', options)).toEqual([
      'p00',
      'p01',
    ]);
    const byKey = {
      query: 'SELECT VALUE c.id FROM c WHERE c.pk = @pk',
      parameters: [{ name: '@pk', value: 'k4' }],
    };
    expect(await all(container, byKey, options)).toEqual(['p04', 'p09']);
    const cut = 'SELECT VALUE c.id FROM c ORDER BY c.id OFFSET 4 LIMIT 2';
    expect(await all(container, cut, options)).toEqual(['p04', 'p05']);
    expect(await all(container, 'SELECT VALUE c.id FROM c OFFSET 4 LIMIT 2', options)).toHaveLength(2);
  });
});

describe('queries', () => {
  it.each<[string, unknown[]]>([
    ['SELECT VALUE COUNT(1) FROM (SELECT DISTINCT VALUE c.team FROM c)', [3]],
    ['SELECT COUNT(1) AS n FROM (SELECT DISTINCT c.team, c.age FROM c WHERE c.age < 25)', [{ n: 5 }]],
    [
      'SELECT VALUE g.team FROM (SELECT c.team, SUM(c.age) AS years FROM c GROUP BY c.team) g WHERE g.years != 98 ORDER BY g.team DESC',
      ['green', 'blue'],
    ],
    ['SELECT VALUE SUM(g.n) FROM (SELECT COUNT(1) AS n FROM c GROUP BY c.team) g', [12]],
    ['SELECT VALUE x FROM (SELECT TOP 2 VALUE c.id FROM c ORDER BY c.id DESC) x ORDER BY x', ['p10', 'p11']],
    ['SELECT VALUE x.id FROM (SELECT c.id, c.age FROM c) x WHERE x.age = 20 ORDER BY x.id', ['p00']],
    ['SELECT * FROM (SELECT VALUE MAX(c.age) FROM c)', [31]],
    ['SELECT VALUE t FROM (SELECT TOP 1 c.tags FROM c ORDER BY c.id) x JOIN t IN x.tags', ['t0', 'u0']],
  ])('select from the results of another: %s', async (query, expected) => {
    const container = await people(1);
    expect(await all(container, query)).toEqual(expected);
    expect(await all(container, query, { maxItemCount: 1 })).toEqual(expected);
  });

  it('resume from a continuation token with a new client', async () => {
    const container = await people(1);
    for (const query of ['SELECT VALUE c.id FROM c', 'SELECT VALUE c.id FROM c ORDER BY c.id']) {
      const first = await container.items.query<string>(query, { maxItemCount: 7 }).fetchNext();
      const token = first.continuationToken;
      const rest = await container.items.query<string>(query, { continuationToken: token }).fetchAll();
      expect([...first.resources, ...rest.resources]).toHaveLength(12);
      expect(new Set([...first.resources, ...rest.resources]).size).toBe(12);
    }
  });

  it.each([
    [
      'SELECT VALUE c.id FROM c',
      ['p00', 'p01', 'p02'],
      ['p04', 'p05', 'p06', 'p07', 'p08', 'p09', 'p10', 'p11', 'new'],
    ],
    ['SELECT TOP 6 VALUE c.id FROM c', ['p00', 'p01', 'p02'], ['p04', 'p05', 'p06']],
    ['SELECT VALUE c.id FROM c OFFSET 1 LIMIT 5', ['p01', 'p02', 'p03'], ['p04', 'p05']],
    ['SELECT TOP 3 VALUE c.id FROM c', ['p00', 'p01', 'p02'], undefined],
    ['SELECT TOP 0 VALUE c.id FROM c', [], undefined],
  ])('page through %s past writes in between', async (query, expected, others) => {
    const container = await people(1);
    const first = await container.items.query<string>(query, { maxItemCount: 3 }).fetchNext();
    expect(first.resources).toEqual(expected);
    const { continuationToken } = first;
    expect(continuationToken === undefined).toBe(others === undefined);
    if (continuationToken === undefined) return;
    await container.item('p00', 'k0').delete();
    if (others?.includes('p03') === false) await container.item('p03', 'k3').delete();
    await container.items.create({ id: 'new', pk: 'k0' });
    const rest = await container.items.query<string>(query, { continuationToken }).fetchAll();
    expect(rest.resources).toEqual(others);
  });

  it('page in order past writes in between, up to their limit', async () => {
    const container = await people(1);
    const query = 'SELECT TOP 7 VALUE c.id FROM c ORDER BY c.id';
    const first = await container.items.query<string>(query, { maxItemCount: 4 }).fetchNext();
    expect(first.resources).toEqual(['p00', 'p01', 'p02', 'p03']);
    await container.items.create({ id: 'p02x', pk: 'a' });
    await container.item('p00', 'k0').delete();
    const rest = await container.items
      .query<string>(query, { continuationToken: first.continuationToken })
      .fetchAll();
    expect(rest.resources).toEqual(['p04', 'p05', 'p06']);
    for (const continuationToken of ['nonsense', '{}', '{"start":-1,"skip":0}', '[]']) {
      expect((await refusal(all(container, query, { continuationToken }))).code).toBe(400);
    }
  });

  it('leave out what lacks the single field that they order by, unless its path is indexed by name', async () => {
    const container = await people(1);
    const query = 'SELECT VALUE c.id FROM c ORDER BY c.score';
    expect(await all(container, query)).toHaveLength(9);
    const includedPaths = [{ path: '/*' }, { path: '/score/?' }];
    const { resource } = await container.read();
    await container.replace({
      ...resource,
      id: 'items',
      indexingPolicy: { ...resource?.indexingPolicy, includedPaths },
    });
    const ordered = await all(container, query);
    expect(ordered).toHaveLength(12);
    expect(ordered.slice(0, 3)).toEqual(['p00', 'p04', 'p08']);
  });

  it('are refused for several order fields without their composite index', async () => {
    const container = await people(1);
    for (const order of [
      'c.team, c.age',
      'c.age DESC, c.team',
      'c.team, c.age DESC, c.id',
      'c.team, c.score',
    ]) {
      const error = await refusal(
        all(container, `SELECT * FROM c ORDER BY ${order}`, { partitionKey: 'k1' }),
      );
      expect(error.code).toBe(400);
      expect(error.message).toContain('does not have a corresponding composite index');
    }
    expect(await all(container, 'SELECT * FROM c ORDER BY c.team DESC, c.age ASC')).toHaveLength(12);
  });

  it.each([
    ['SELECT * FORM c', 400, 'incorrect syntax near'],
    ['SELECT c.id FROM c WHERE', 400, 'incorrect syntax near'],
    ['SELECT nope.id FROM c', 400, "Identifier 'nope' could not be resolved"],
    ['SELECT NOPE(c.id) FROM c', 400, "'NOPE' is not a recognized built-in function name"],
    ['SELECT LOWER(c.id, c.id) FROM c', 400, 'LOWER function requires 1 argument'],
    ['SELECT * FROM c JOIN t IN c.tags', 400, 'only valid with a single input set'],
    ['SELECT * FROM c GROUP BY c.pk', 400, 'not valid with GROUP BY'],
    ['SELECT c.id FROM c WHERE COUNT(1) > 1', 400, 'not allowed'],
    ['SELECT TOP -1 c.id FROM c', 400, 'non-negative'],
  ])('answer %s with status %i', async (query, code, message) => {
    const container = await people(1);
    const error = await refusal(all(container, query, { partitionKey: 'k1' }));
    expect(error.code).toBe(code);
    expect(error.message).toContain(message);
  });

  it('tell the position of a syntax error', async () => {
    const error = await refusal(all(await people(1), 'SELECT * FORM c'));
    expect(error.body).toMatchObject({ code: 'BadRequest' });
    expect(error.message).toContain('"location":{"start":9,"end":13},"code":"SC1001"');
  });

  it('take parameters of every type, and tolerate a request for metrics', async () => {
    const container = await people(1);
    const query = {
      query:
        'SELECT VALUE c.id FROM c WHERE ARRAY_CONTAINS(@ids, c.id) AND c.age < @age AND c.absent ?? @none = null',
      parameters: [
        { name: '@ids', value: ['p00', 'p01'] },
        { name: '@age', value: 25 },
        { name: '@none', value: null },
      ],
    };
    expect(await all(container, query, { populateQueryMetrics: true, populateIndexMetrics: true })).toEqual([
      'p00',
    ]);
  });

  it('index by partition key and id in the filter as by the option', async () => {
    const container = await people(3);
    const where = async (filter: string) => all(container, `SELECT VALUE c.id FROM c WHERE ${filter}`);
    expect(await where("c.pk = 'k1' AND c.age > 0")).toEqual(['p01', 'p06', 'p11']);
    expect(await where("c.id = 'p01'")).toEqual(['p01']);
    expect(await where("c.id IN ('p07', 'p01', 'nope') AND 'k1' = c.pk")).toEqual(['p01']);
    expect(await where("c.id = 'p01' AND c.id = 'p02'")).toEqual([]);
    expect(await where("c.id = 'p01' OR c.id = 'p02'")).toHaveLength(2);
    expect(await where('c.pk = null')).toEqual([]);
    expect(await where("c.pk IN ('k1', 'k4') AND c.age > 0")).toHaveLength(5);
    expect(await where("c.pk = 'k1' AND c.pk IN ('k1', 'k4')")).toHaveLength(3);
  });
});
