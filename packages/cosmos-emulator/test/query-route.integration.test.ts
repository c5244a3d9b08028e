import { Buffer } from 'node:buffer';
import {
  type Container,
  CosmosClient,
  type ErrorResponse,
  type FeedOptions,
  PartitionKeyDefinitionVersion,
  PartitionKeyKind,
} from '@azure/cosmos';
import { describe, expect, it } from 'vitest';
import { CosmosEmulator } from '../src/index.ts';
import { setUp } from './cosmos-setup.ts';

/** What one request of the client carried, and what it was answered. */
interface Exchange {
  readonly url: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A client whose requests carry other headers, undefined to leave one out; and all that it was answered. */
function tampering(
  emulator: CosmosEmulator,
  headers: Readonly<Record<string, string | undefined>>,
): { readonly container: Container; readonly exchanges: Exchange[] } {
  const options = emulator.clientOptions();
  const exchanges: Exchange[] = [];
  const client = new CosmosClient({
    ...options,
    httpClient: {
      sendRequest: async (request) => {
        for (const [name, value] of Object.entries(headers)) {
          if (value === undefined) request.headers.delete(name);
          else request.headers.set(name, value);
        }
        const response = await options.httpClient.sendRequest(request);
        const { status, bodyAsText } = response;
        exchanges.push({
          url: request.url,
          status,
          headers: response.headers.toJSON(),
          body: bodyAsText ?? '',
        });
        return response;
      },
    },
  });
  return { container: client.database('db').container('items'), exchanges };
}

async function filled(partitions: number): Promise<{ emulator: CosmosEmulator; container: Container }> {
  const { emulator, container } = await setUp({}, { partitions });
  for (let at = 0; at < 8; at++) {
    await container.items.create({ id: `i${at}`, pk: `k${at}`, n: at, x: { y: at } });
  }
  return { emulator, container };
}

async function all(container: Container, query: string, options: FeedOptions = {}): Promise<unknown[]> {
  return (await container.items.query<unknown>(query, options).fetchAll()).resources;
}

async function refusal(work: Promise<unknown>): Promise<Partial<ErrorResponse>> {
  return work.then(
    () => {
      throw new Error('The query was not refused.');
    },
    (error: ErrorResponse) => error,
  );
}

const crossPartition = 'x-ms-documentdb-query-enablecrosspartition';

describe('the gateway', () => {
  it('serves across partitions only who asks for it, unless the filter names one key', async () => {
    const { emulator } = await filled(1);
    const { container } = tampering(emulator, { [crossPartition]: undefined });
    expect(await all(container, "SELECT VALUE c.n FROM c WHERE c.pk = 'k3'")).toEqual([3]);
    expect(await all(container, 'SELECT VALUE c.n FROM c', { partitionKey: 'k3' })).toEqual([3]);
    expect(await all(container, 'SELECT VALUE COUNT(1) FROM c WHERE false')).toEqual([0]);
    for (const query of ['SELECT * FROM c', "SELECT * FROM c WHERE c.pk IN ('k1', 'k2')"]) {
      const error = await refusal(all(container, query));
      expect(error.code).toBe(400);
      expect(error.message).toContain('Cross partition query is required but disabled');
    }
  });

  it.each([
    'SELECT VALUE COUNT(1) FROM c',
    'SELECT DISTINCT c.n FROM c',
    'SELECT TOP 1 * FROM c',
    'SELECT * FROM c ORDER BY c.n',
    'SELECT c.n FROM c GROUP BY c.n',
    'SELECT * FROM c OFFSET 1 LIMIT 1',
  ])('hands the plan to whom it cannot answer %s', async (query) => {
    const { emulator } = await filled(4);
    const { container, exchanges } = tampering(emulator, {});
    await all(container, query);
    const refused = exchanges.find(({ status }) => status === 400);
    expect(refused?.headers['x-ms-substatus']).toBe('1004');
    const { message, additionalErrorInfo } = JSON.parse(refused?.body ?? '');
    expect(message).toContain(
      'The provided cross partition query can not be directly served by the gateway.',
    );
    expect(JSON.parse(additionalErrorInfo)).toMatchObject({
      partitionedQueryExecutionInfoVersion: 2,
      queryRanges: [{ min: '', max: 'FF', isMinInclusive: true, isMaxInclusive: false }],
    });
  });

  it('answers by itself what lies in one partition, or needs no merging', async () => {
    const { emulator } = await filled(4);
    const { container, exchanges } = tampering(emulator, {});
    expect(await all(container, "SELECT VALUE COUNT(1) FROM c WHERE c.pk = 'k1'")).toEqual([1]);
    expect(await all(container, "SELECT VALUE c.n FROM c WHERE c.pk = 'k1' ORDER BY c.n")).toEqual([1]);
    expect(await all(container, 'SELECT VALUE c.n FROM c')).toHaveLength(8);
    expect(exchanges.filter(({ status }) => status === 400)).toEqual([]);
  });

  it('leaves to the client what it wants to fetch in parallel', async () => {
    const { emulator } = await filled(4);
    const { container, exchanges } = tampering(emulator, {});
    const found = await all(container, 'SELECT VALUE c.n FROM c', { maxDegreeOfParallelism: 4 });
    expect(new Set(found)).toEqual(new Set([0, 1, 2, 3, 4, 5, 6, 7]));
    expect(exchanges.some(({ headers }) => headers['x-ms-substatus'] === '1004')).toBe(true);
  });

  it('refuses to plan for a client that could not follow', async () => {
    const { emulator } = await filled(1);
    const options = { forceQueryPlan: true };
    const old = tampering(emulator, { 'x-ms-cosmos-supported-query-features': 'OrderBy, Top' });
    expect(await all(old.container, 'SELECT TOP 1 VALUE c.n FROM c ORDER BY c.n', options)).toEqual([0]);
    const error = await refusal(all(old.container, 'SELECT DISTINCT c.n FROM c', options));
    expect(error.code).toBe(400);
    expect(error.message).toContain('Query contained Distinct, which the calling client does not support.');
    const odd = tampering(emulator, { 'x-ms-cosmos-query-version': '9.9' });
    expect((await refusal(all(odd.container, 'SELECT * FROM c', options))).code).toBe(400);
  });

  it('keeps to the stretch of keys that a request names', async () => {
    const { emulator, container } = await filled(2);
    const { resources: ranges } = await container.readPartitionKeyRanges().fetchAll();
    const found: unknown[] = [];
    for (const { id, minInclusive, maxExclusive } of ranges) {
      const byRange = tampering(emulator, { 'x-ms-documentdb-partitionkeyrangeid': id }).container;
      const epk = { 'x-ms-start-epk': minInclusive, 'x-ms-end-epk': maxExclusive };
      const byKeys = tampering(emulator, { 'x-ms-documentdb-partitionkeyrangeid': id, ...epk }).container;
      const part = await all(byRange, 'SELECT VALUE c.n FROM c');
      expect(await all(byKeys, 'SELECT VALUE c.n FROM c')).toEqual(part);
      found.push(...part);
    }
    expect(new Set(found)).toEqual(new Set([0, 1, 2, 3, 4, 5, 6, 7]));
  });
});

describe('pages', () => {
  it('hold what the client asks for, and with -1 all', async () => {
    const { container } = await filled(1);
    await Promise.all(
      Array.from({ length: 150 }, (_, at) => container.items.create({ id: `more${at}`, pk: 'm' })),
    );
    const size = async (options: FeedOptions) =>
      (await container.items.query('SELECT * FROM c', options).fetchNext()).resources.length;
    expect(await size({})).toBe(100);
    expect(await size({ maxItemCount: 7 })).toBe(7);
    expect(await size({ maxItemCount: -1 })).toBe(158);
    expect((await refusal(size({ maxItemCount: -2 }))).code).toBe(400);
  });

  it.each(['SELECT * FROM c', 'SELECT * FROM c ORDER BY c.n', 'SELECT DISTINCT c.n, c.big FROM c'])(
    'of %s end at 4 MB',
    async (query) => {
      const { container } = await setUp();
      const big = 'x'.repeat(1_000_000);
      for (let at = 0; at < 7; at++) await container.items.create({ id: `i${at}`, pk: 'k', n: at, big });
      const iterator = container.items.query<{ n: number }>(query, { maxItemCount: -1 });
      const pages: number[][] = [];
      while (iterator.hasMoreResults()) {
        const { resources } = await iterator.fetchNext();
        pages.push(resources.map(({ n }) => n));
      }
      expect(pages).toEqual([
        [0, 1, 2, 3],
        [4, 5, 6],
      ]);
    },
  );

  it('of an order by long keys continue in tokens as short as the client wants them', async () => {
    const { container } = await setUp();
    for (let at = 0; at < 6; at++) {
      await container.items.create({ id: `i${at}`, pk: 'k', key: 'ü'.repeat(3000 + at), n: at });
    }
    const query = 'SELECT VALUE c.n FROM c ORDER BY c.key DESC';
    const found: number[] = [];
    let continuationToken: string | undefined;
    do {
      const options = { maxItemCount: 2, ...(continuationToken === undefined ? {} : { continuationToken }) };
      const page = await container.items.query<number>(query, options).fetchNext();
      found.push(...page.resources);
      ({ continuationToken } = page);
      expect(continuationToken?.length ?? 0).toBeLessThan(1024);
    } while (continuationToken !== undefined);
    expect(found).toEqual([5, 4, 3, 2, 1, 0]);
  });
});

describe('continuation tokens', () => {
  it.each([
    'SELECT VALUE c.n FROM c',
    'SELECT VALUE c.n FROM c ORDER BY c.n',
    'SELECT DISTINCT VALUE c.s FROM c',
  ])('of %s outlive the emulator that gave them', async (query) => {
    const { emulator, container } = await setUp();
    for (let n = 0; n < 5; n++) await container.items.create({ id: `i${n}`, pk: 'k', n, s: `s${n}` });
    const first = await container.items.query<unknown>(query, { maxItemCount: 2 }).fetchNext();
    const { continuationToken } = first;
    await using later = new CosmosEmulator();
    later.restore(emulator.snapshot());
    const items = new CosmosClient(later.clientOptions()).database('db').container('items').items;
    const rest = await items.query<unknown>(query, { continuationToken }).fetchAll();
    expect(first.resources).toHaveLength(2);
    expect([...first.resources, ...rest.resources]).toEqual(await all(container, query));
  });

  it.each(['SELECT * FROM c', 'SELECT * FROM c ORDER BY c.n', 'SELECT DISTINCT c.n FROM c'])(
    'that %s did not give are refused',
    async (query) => {
      const { container } = await filled(1);
      for (const continuationToken of [
        'nonsense',
        '{}',
        '[[[',
        '{"keys":[[[[]]]],"sequence":1,"ordinal":0,"taken":0}',
      ]) {
        const error = await refusal(all(container, query, { continuationToken }));
        expect(error.code).toBe(400);
        expect(error.message).toContain('Invalid Continuation Token');
      }
    },
  );
});

describe('a prefix of a hierarchical key', () => {
  const definition = {
    paths: ['/t', '/u'],
    kind: PartitionKeyKind.MultiHash,
    version: PartitionKeyDefinitionVersion.V2,
  };

  it.each([1, 4])(
    'finds what lies under it in %i partitions, as option and in the filter',
    async (partitions) => {
      const { container } = await setUp({ partitionKey: definition }, { partitions });
      for (let n = 0; n < 12; n++) {
        await container.items.create({ id: `i${n}`, t: `t${n % 2}`, u: `u${n % 3}`, n: 11 - n });
      }
      const under = [0, 2, 4, 6, 8, 10];
      expect(await all(container, 'SELECT VALUE c.n FROM c ORDER BY c.n', { partitionKey: ['t1'] })).toEqual(
        under,
      );
      expect(await all(container, "SELECT VALUE c.n FROM c WHERE c.t = 't1' ORDER BY c.n")).toEqual(under);
      expect(
        await all(container, "SELECT VALUE COUNT(1) FROM c WHERE c.t = 't1' AND c.u IN ('u0', 'u1')"),
      ).toEqual([4]);
      const forced = { forceQueryPlan: true };
      expect(await all(container, "SELECT VALUE c.n FROM c WHERE c.t = 't1' ORDER BY c.n", forced)).toEqual(
        under,
      );
    },
  );
});

describe('an indexing policy', () => {
  const policy = { includedPaths: [{ path: '/*' }], excludedPaths: [{ path: '/x/*' }] };

  it('refuses the order by a path that it excludes, and lets filters scan', async () => {
    const { container } = await setUp({ indexingPolicy: policy });
    await container.items.create({ id: '1', pk: 'k', x: { y: 1 }, z: 2 });
    for (const query of ['SELECT * FROM c ORDER BY c.x.y', 'SELECT * FROM c.x ORDER BY x.y DESC']) {
      const error = await refusal(all(container, query));
      expect(error.code).toBe(400);
      expect(error.message).toContain(
        '{"Errors":["The index path corresponding to the specified order-by item is excluded."]}',
      );
    }
    expect(await all(container, 'SELECT VALUE c.id FROM c WHERE c.x.y = 1 ORDER BY c.z')).toEqual(['1']);
  });

  it('without an index lets filters scan, and refuses every order', async () => {
    const { container } = await setUp({ indexingPolicy: { indexingMode: 'none', automatic: false } });
    await container.items.create({ id: '1', pk: 'k', x: 1 });
    expect(await all(container, 'SELECT VALUE c.id FROM c WHERE c.x = 1')).toEqual(['1']);
    expect((await refusal(all(container, 'SELECT * FROM c ORDER BY c.x'))).code).toBe(400);
  });

  it('has no say in an order that is no path', async () => {
    const { container } = await setUp();
    await container.items.create({ id: '1', pk: 'k', list: [2], t: [{ n: 1 }] });
    for (const order of ['LOWER(c.id)', 'c.n + 1', '1']) {
      const error = await refusal(all(container, `SELECT * FROM c ORDER BY ${order}`));
      expect(error.code).toBe(400);
      expect(error.message).toContain('ORDER BY item expression could not be mapped to a document path.');
    }
    expect(await all(container, 'SELECT VALUE c.id FROM c ORDER BY c.list[0]')).toEqual(['1']);
    const joined = 'SELECT VALUE t.n FROM c JOIN t IN c.t ORDER BY';
    expect(await all(container, `${joined} c.id`)).toEqual([1]);
    expect((await refusal(all(container, `${joined} t.n`))).message).toContain(
      'Order-by over correlated collections is not supported.',
    );
  });
});

describe('metrics', () => {
  it('tell what a query did', async () => {
    const { emulator } = await filled(1);
    const { container, exchanges } = tampering(emulator, {});
    const documents = await all(container, 'SELECT * FROM c');
    const size = documents.reduce<number>((sum, document) => sum + JSON.stringify(document).length, 0);
    const query = 'SELECT VALUE c.n FROM c WHERE c.n >= 6';
    const page = await container.items.query(query, { populateQueryMetrics: true }).fetchNext();
    expect(page.queryMetrics).toMatchObject({
      0: {
        retrievedDocumentCount: 8,
        retrievedDocumentSize: size,
        outputDocumentCount: 2,
        outputDocumentSize: 2,
        indexHitDocumentCount: 2,
      },
    });
    const header = exchanges.at(-1)?.headers['x-ms-documentdb-query-metrics'] ?? '';
    expect(Number(/totalExecutionTimeInMs=([\d.]+);/.exec(header)?.[1])).toBeGreaterThan(0);
    expect((await container.items.query(query).fetchNext()).queryMetrics).toBeUndefined();
  });

  it('count a document on the page that it is given on', async () => {
    const { container } = await filled(1);
    const options = { populateQueryMetrics: true, maxItemCount: 3 };
    const pages = container.items.query('SELECT * FROM c', options);
    for (const retrievedDocumentCount of [3, 3, 2]) {
      expect((await pages.fetchNext()).queryMetrics).toMatchObject({ 0: { retrievedDocumentCount } });
    }
  });

  it('come from every partition', async () => {
    const { emulator } = await filled(4);
    const { container, exchanges } = tampering(emulator, {});
    await all(container, 'SELECT VALUE c.n FROM c ORDER BY c.n', { populateQueryMetrics: true });
    const headers = exchanges.flatMap((exchange) => exchange.headers['x-ms-documentdb-query-metrics'] ?? []);
    expect(headers).toHaveLength(4);
    const counts = headers.map((header) => Number(/outputDocumentCount=(\d+);/.exec(header)?.[1]));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(8);
  });

  it('tell which indexes a query uses, in both of their shapes', async () => {
    const { emulator, container } = await filled(1);
    const query = 'SELECT VALUE c.n FROM c WHERE c.n = 6 AND c.x.y > 1';
    const page = await container.items.query(query, { populateIndexMetrics: true }).fetchNext();
    expect(JSON.parse(page.indexMetrics)).toEqual({
      UtilizedIndexes: {
        SingleIndexes: [{ IndexSpec: '/n/?' }, { IndexSpec: '/x/y/?' }],
        CompositeIndexes: [],
      },
      PotentialIndexes: {
        SingleIndexes: [],
        CompositeIndexes: [{ IndexSpecs: ['/n ASC', '/x/y ASC'], IndexImpactScore: 'High' }],
      },
    });
    expect((await container.items.query(query).fetchNext()).indexMetrics).toBe('{}');
    const older = tampering(emulator, { 'x-ms-cosmos-populateindexmetrics': 'true' });
    await all(older.container, query);
    const header = older.exchanges.at(-1)?.headers['x-ms-cosmos-index-utilization'] ?? '';
    expect(JSON.parse(Buffer.from(header, 'base64').toString())).toMatchObject({
      UtilizedSingleIndexes: [{ IndexSpec: '/n/?' }, { IndexSpec: '/x/y/?' }],
      PotentialCompositeIndexes: [{ IndexSpecs: ['/n ASC', '/x/y ASC'] }],
    });
  });
});

describe('queries over databases and containers', () => {
  it('take parameters, and come in pages', async () => {
    const { client } = await setUp();
    for (const id of ['a', 'b', 'c']) {
      await client.databases.create({ id: `db-${id}` });
      await client.database('db').containers.create({ id: `items-${id}`, partitionKey: '/pk' });
    }
    const query = {
      query: 'SELECT VALUE r.id FROM root r WHERE STARTSWITH(r.id, @start) ORDER BY r.id DESC',
      parameters: [{ name: '@start', value: 'db-' }],
    };
    const databases = client.databases.query<string>(query, { maxItemCount: 2 });
    expect((await databases.fetchNext()).resources).toEqual(['db-c', 'db-b']);
    expect((await databases.fetchNext()).resources).toEqual(['db-a']);
    const first = await client
      .database('db')
      .containers.query<string>(
        { ...query, parameters: [{ name: '@start', value: 'items-' }] },
        { maxItemCount: 1 },
      )
      .fetchNext();
    expect(first.resources).toEqual(['items-c']);
    const { continuationToken } = first;
    const rest = client
      .database('db')
      .containers.query<string>(
        { ...query, parameters: [{ name: '@start', value: 'items-' }] },
        { continuationToken },
      );
    expect((await rest.fetchAll()).resources).toEqual(['items-b', 'items-a']);
    const bad = client.databases.query(query, { continuationToken: 'nonsense' }).fetchAll();
    expect((await refusal(bad)).code).toBe(400);
    expect((await refusal(client.databases.query('SELECT nope').fetchAll())).code).toBe(400);
  });
});
