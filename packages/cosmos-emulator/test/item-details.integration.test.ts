import {
  BulkOperationType,
  type Container,
  CosmosClient,
  type ErrorResponse,
  type OperationInput,
  type PartitionKey,
  PartitionKeyBuilder,
  PartitionKeyDefinitionVersion,
  PartitionKeyKind,
} from '@azure/cosmos';
import { describe, expect, it } from 'vitest';
import { clientWith, onPk, setUp, type WireResponse } from './cosmos-setup.ts';

const megabyte = 1024 * 1024;
const hierarchical = { ...onPk, paths: ['/tenant', '/user'], kind: PartitionKeyKind.MultiHash };
const versions = [PartitionKeyDefinitionVersion.V1, PartitionKeyDefinitionVersion.V2];

/** Waits for a refusal and gives it. */
async function refusal(work: Promise<unknown>): Promise<Partial<ErrorResponse>> {
  return work.then(
    () => Promise.reject(new Error('The request was not refused.')),
    (error: ErrorResponse) => error,
  );
}

/** Every way to an item by its key: read, query, and the change feed. */
async function found(container: Container, id: string, key: PartitionKey): Promise<unknown[]> {
  const { resource } = await container.item(id, key).read<{ n: number }>();
  const query = container.items.query<number>('SELECT VALUE c.n FROM c', { partitionKey: key });
  const changes = await container.items.changeFeed(key, { startFromBeginning: true }).fetchNext();
  return [resource?.n, (await query.fetchAll()).resources, changes.result.map(({ n }: { n: number }) => n)];
}

describe.each(versions)('partition keys of version %i', (version) => {
  it.each<[string, unknown, PartitionKey]>([
    ['zero, written as minus zero', -0, 0],
    ['a fraction', 1.1, 1.1],
    ['a large number', 1.7976931348623157e308, 1.7976931348623157e308],
    ['a small number', -5e-324, -5e-324],
    ['an integer past 2^53', 2 ** 53, 2 ** 53],
    ['a text that looks like JSON', '["a"]', '["a"]'],
    ['a text of 2,000 letters', 'x'.repeat(2000), 'x'.repeat(2000)],
    ['a text beyond ASCII', 'ключ 鍵 🔑\u0001"\\', 'ключ 鍵 🔑\u0001"\\'],
    ['an empty text', '', ''],
    ['true', true, true],
  ])('may be %s', async (_name, value, key) => {
    const { container } = await setUp({ partitionKey: { paths: ['/pk'], version } }, { partitions: 5 });
    await container.items.create({ id: '1', pk: value, n: 1 });
    await container.items.create({ id: '1', pk: 'other', n: 2 });
    expect(await found(container, '1', key)).toEqual([1, [1], [1]]);
  });

  it('tell long texts apart that begin alike', async () => {
    const { container } = await setUp({ partitionKey: { paths: ['/pk'], version } }, { partitions: 5 });
    const a = `${'x'.repeat(150)}a`;
    const b = `${'x'.repeat(150)}b`;
    await container.items.create({ id: '1', pk: a, n: 1 });
    await container.items.create({ id: '1', pk: b, n: 2 });
    expect(await found(container, '1', a)).toEqual([1, [1], [1]]);
    expect(await found(container, '1', b)).toEqual([2, [2], [2]]);
  });
});

describe('a partition key', () => {
  it('is refused as an object, a list, and a number that is none', async () => {
    const { container, emulator } = await setUp();
    for (const pk of [{ a: 1 }, ['a']])
      expect((await refusal(container.items.create({ pk }))).code).toBe(400);
    const infinite = clientWith(emulator, { 'x-ms-documentdb-partitionkey': '[1e999]' });
    const read = infinite.database('db').container('items').item('1', 1).read();
    expect((await refusal(read)).code).toBe(400);
  });

  it('may lack levels of a hierarchy, which are then absent', async () => {
    const { container } = await setUp({ partitionKey: hierarchical }, { partitions: 3 });
    await container.items.create({ id: '1', tenant: 't', n: 1 });
    await container.items.create({ id: '2', tenant: 't', user: null, n: 2 });
    const key = new PartitionKeyBuilder().addValue('t').addNoneValue().build();
    expect((await container.item('1', key).read<{ n: number }>()).resource?.n).toBe(1);
    expect((await container.item('2', key).read()).statusCode).toBe(404);
    expect((await container.item('2', ['t', null]).read<{ n: number }>()).resource?.n).toBe(2);
  });
});

describe('writes', () => {
  it('give no content where the client wants none', async () => {
    const { emulator, container: plain } = await setUp();
    let last: WireResponse | undefined;
    const client = clientWith(emulator, { prefer: 'return=minimal' }, (response) => (last = response));
    const container = client.database('db').container('items');
    await plain.items.create({ id: '1', pk: 'a' });
    await container.item('1', 'a').replace({ id: '1', pk: 'a', n: 2 });
    expect([last?.status, last?.bodyAsText]).toEqual([200, '']);
    expect(last?.headers.get('etag')).toMatch(/^"/);
    await container.item('1', 'a').read();
    expect(last?.bodyAsText).toContain('"id":"1"');
  });

  it('refuse an indexing directive that is none', async () => {
    const { container } = await setUp();
    const create = (indexingDirective: string, id: string) =>
      container.items.create(
        { id, pk: 'a' },
        { initialHeaders: { 'x-ms-indexing-directive': indexingDirective } },
      );
    expect((await create('Exclude', '1')).statusCode).toBe(201);
    expect((await refusal(create('Sometimes', '2'))).code).toBe(400);
  });

  it('by upsert under a condition create what is not there', async () => {
    const { container } = await setUp();
    const accessCondition = { type: 'IfMatch', condition: '"stale"' };
    expect((await container.items.upsert({ id: '1', pk: 'a' }, { accessCondition })).statusCode).toBe(201);
    expect((await refusal(container.items.upsert({ id: '1', pk: 'a' }, { accessCondition }))).code).toBe(412);
  });

  it.each([0, -2, 1.5, 2_147_483_648, '10', true])('refuse the time to live %j', async (ttl) => {
    const { container } = await setUp({ defaultTtl: -1 });
    const refused = await refusal(container.items.create<object>({ id: '1', pk: 'a', ttl }));
    expect(refused).toMatchObject({ code: 400, message: expect.stringContaining('ttl') });
  });

  it('hold a missing unique value as null', async () => {
    const { container } = await setUp({ uniqueKeyPolicy: { uniqueKeys: [{ paths: ['/a/b', '/c'] }] } });
    await container.items.create({ id: '1', pk: 'a', c: 1 });
    expect((await refusal(container.items.create({ id: '2', pk: 'a', a: { b: null }, c: 1 }))).code).toBe(
      409,
    );
    expect((await refusal(container.items.create({ id: '2', pk: 'a', a: 5, c: 1 }))).code).toBe(409);
    expect((await container.items.create({ id: '2', pk: 'a', a: { b: 0 }, c: 1 })).statusCode).toBe(201);
  });
});

describe('a batch', () => {
  const statuses = async (container: Container, operations: OperationInput[], key: PartitionKey) => {
    const { code, result } = await container.items.batch(operations, key);
    return [code, result?.map(({ statusCode }) => statusCode)];
  };
  const create = (id: string, more: object = {}) => ({
    operationType: BulkOperationType.Create,
    resourceBody: { id, pk: 'a', ...more },
  });

  it('fails as a whole with the condition of a patch, an unknown operation, and another key', async () => {
    const { container } = await setUp();
    await container.items.create({ id: 'kept', pk: 'a', n: 1 });
    const patch = (condition: string) => ({
      operationType: BulkOperationType.Patch,
      id: 'kept',
      resourceBody: { condition, operations: [{ op: 'incr' as const, path: '/n', value: 1 }] },
    });
    expect(await statuses(container, [create('1'), patch('FROM c WHERE c.n = 2')], 'a')).toEqual([
      207,
      [424, 412],
    ]);
    const unknown = { ...create('2'), operationType: 'Merge' } as unknown;
    expect(await statuses(container, [create('1'), unknown as OperationInput], 'a')).toEqual([
      207,
      [424, 400],
    ]);
    expect(await statuses(container, [create('1'), create('2', { pk: 'b' })], 'a')).toEqual([
      207,
      [424, 400],
    ]);
    const elsewhere = { operationType: BulkOperationType.Read, id: 'kept', partitionKey: 'b' };
    const answer = await container.items.batch([elsewhere], 'a').catch((error: Error) => error.cause);
    expect(answer).toMatchObject({ code: 400, substatus: 1001 });
    expect(await statuses(container, [create('1'), patch('FROM c WHERE c.n = 1')], 'a')).toEqual([
      200,
      [201, 200],
    ]);
  });

  it('is refused over 2 MB, and over a hundred operations', async () => {
    const { container, emulator } = await setUp();
    const halves = [
      create('1', { text: 'x'.repeat(1.5 * megabyte) }),
      create('2', { text: 'x'.repeat(megabyte) }),
    ];
    expect((await refusal(container.items.batch(halves, 'a'))).cause).toMatchObject({ code: 413 });
    // The SDK itself counts to a hundred, so the body grows on its way.
    const { httpClient, ...options } = emulator.clientOptions();
    const growing = new CosmosClient({
      ...options,
      httpClient: {
        sendRequest(request) {
          const many = Array.from({ length: 101 }, (_, at) => create(`${at}`));
          if (request.method === 'POST') request.body = JSON.stringify(many);
          return httpClient.sendRequest(request);
        },
      },
    });
    const refused = growing
      .database('db')
      .container('items')
      .items.batch([create('1')], 'a');
    expect((await refusal(refused)).cause).toMatchObject({ code: 400 });
    const { resources } = await container.items.query('SELECT * FROM c').fetchAll();
    expect(resources).toEqual([]);
  });

  it('works under a hierarchical key', async () => {
    const { container } = await setUp({ partitionKey: hierarchical }, { partitions: 3 });
    const body = { id: '1', tenant: 't', user: 'u' };
    const operations = [{ operationType: BulkOperationType.Create, resourceBody: body }];
    expect(await statuses(container, operations, ['t', 'u'])).toEqual([200, [201]]);
    const prefix = await refusal(container.items.batch(operations, ['t']));
    expect(prefix.cause).toMatchObject({ code: 400, substatus: 1001 });
  });
});

describe('a bulk', () => {
  it('tells of each operation by itself, under hierarchical keys', async () => {
    const { container } = await setUp({ partitionKey: hierarchical }, { partitions: 3 });
    const { etag } = await container.items.create({ id: '1', tenant: 't', user: 'u' });
    const key = ['t', 'u'];
    const upsert = (id: string, more: object = {}) => ({
      operationType: BulkOperationType.Upsert,
      partitionKey: key,
      resourceBody: { id, tenant: 't', user: 'u', ...more },
    });
    const results = await container.items.executeBulkOperations([
      { ...upsert('1', { n: 2 }), ifMatch: '"stale"' },
      { ...upsert('1', { n: 3 }), ifMatch: etag },
      upsert('2', { text: 'x'.repeat(2.1 * megabyte) }),
      { operationType: BulkOperationType.Read, partitionKey: key, id: '1' },
      {
        operationType: BulkOperationType.Patch,
        partitionKey: key,
        id: '1',
        resourceBody: { operations: [{ op: 'replace', path: '/absent', value: 1 }] },
      },
      {
        operationType: BulkOperationType.Create,
        partitionKey: ['t', 'v'],
        resourceBody: upsert('3').resourceBody,
      },
    ]);
    expect(results.map(({ response, error }) => response?.statusCode ?? error?.code)).toEqual([
      412, 200, 413, 200, 400, 400,
    ]);
    expect(results[5]?.error?.substatus).toBe(1001);
    expect(results[3]?.response?.resourceBody).toMatchObject({ n: 3 });
  });

  it('gives no content where the client wants none', async () => {
    const { container } = await setUp();
    const operation = {
      operationType: BulkOperationType.Create,
      partitionKey: 'a',
      resourceBody: { id: '1', pk: 'a' },
    };
    const [result] = await container.items.executeBulkOperations([operation], {
      contentResponseOnWriteEnabled: false,
    });
    expect(result?.response?.statusCode).toBe(201);
    expect(result?.response?.eTag).toBeDefined();
    expect(result?.response?.resourceBody).toBeUndefined();
  });
});
