import {
  BulkOperationType,
  CosmosClient,
  type ErrorResponse,
  PartitionKeyDefinitionVersion,
  PartitionKeyKind,
} from '@azure/cosmos';
import { describe, expect, it } from 'vitest';
import { setUp } from './cosmos-setup.ts';

/** Waits for a refusal and gives its status. */
async function refusal(work: Promise<unknown>): Promise<Partial<ErrorResponse>> {
  try {
    await work;
  } catch (error) {
    return error as ErrorResponse;
  }
  throw new Error('The request was not refused.');
}

describe('items', () => {
  it('are created, read, replaced, upserted and deleted, with system properties', async () => {
    const { container, emulator } = await setUp();
    emulator.clock.set(1_700_000_000_000);
    const created = await container.items.create({ id: '1', pk: 'a', n: 1 });
    expect(created.statusCode).toBe(201);
    expect(created.resource).toMatchObject({
      id: '1',
      n: 1,
      _ts: 1_700_000_000,
      _attachments: 'attachments/',
    });
    expect(created.etag).toBe(created.resource?._etag);
    expect(created.requestCharge).toBeGreaterThan(4);
    expect(created.headers['x-ms-session-token']).toBe('0:-1#1');
    const item = container.item('1', 'a');
    const replaced = await item.replace({ id: '1', pk: 'a', n: 2 });
    expect(replaced.resource?._rid).toBe(created.resource?._rid);
    expect(replaced.etag).not.toBe(created.etag);
    expect((await item.read()).resource).toMatchObject({ n: 2 });
    expect((await container.items.upsert({ id: '1', pk: 'a', n: 3 })).statusCode).toBe(200);
    expect((await container.items.upsert({ id: '2', pk: 'a' })).statusCode).toBe(201);
    expect((await item.delete()).statusCode).toBe(204);
    expect((await item.read()).statusCode).toBe(404);
    expect((await refusal(item.delete())).code).toBe(404);
    expect((await refusal(item.replace({ id: '1', pk: 'a' }))).code).toBe(404);
  });

  it('have ids that are unique inside a logical partition only', async () => {
    const { container } = await setUp();
    await container.items.create({ id: '1', pk: 'a' });
    await container.items.create({ id: '1', pk: 'b' });
    expect((await refusal(container.items.create({ id: '1', pk: 'a' }))).code).toBe(409);
  });

  it.each([
    ['a string', 'a'],
    ['an empty string', ''],
    ['a number', 5.5],
    ['a boolean', false],
    ['null', null],
  ])('take %s as partition key', async (_name, pk) => {
    const { container } = await setUp({}, { partitions: 3 });
    await container.items.create({ id: '1', pk, n: 1 });
    await container.items.create({ id: '2', pk: 'other' });
    expect((await container.item('1', pk).read()).resource).toMatchObject({ n: 1 });
    const found = await container.items.query('SELECT VALUE c.id FROM c', { partitionKey: pk }).fetchAll();
    expect(found.resources).toEqual(['1']);
  });

  it('may lack the partition key, and are found without one', async () => {
    const { container } = await setUp();
    await container.items.create({ id: '1', n: 1 });
    expect((await container.item('1', undefined).read()).resource).toMatchObject({ n: 1 });
    expect((await container.item('1', null).read()).statusCode).toBe(404);
    expect((await container.item('1', undefined).delete()).statusCode).toBe(204);
  });

  it('are found under a nested and under a hierarchical key, and by its prefix', async () => {
    const nested = await setUp({ partitionKey: { paths: ['/a/b'] } });
    await nested.container.items.create({ id: '1', a: { b: 'x' } });
    expect((await nested.container.item('1', 'x').read()).statusCode).toBe(200);

    const paths = ['/tenant', '/user'];
    const { container } = await setUp(
      {
        partitionKey: { paths, version: PartitionKeyDefinitionVersion.V2, kind: PartitionKeyKind.MultiHash },
      },
      { partitions: 4 },
    );
    for (let at = 0; at < 20; at++) {
      await container.items.create({ id: `${at}`, tenant: `t${at % 2}`, user: `u${at % 5}` });
    }
    expect((await container.item('0', ['t0', 'u0']).read()).statusCode).toBe(200);
    expect((await container.item('0', ['t0', 'u1']).read()).statusCode).toBe(404);
    expect(await refusal(container.item('0', ['t0']).read())).toMatchObject({ code: 400, substatus: 1001 });
    const query = 'SELECT VALUE c.id FROM c';
    const prefix = await container.items.query(query, { partitionKey: ['t1'] }).fetchAll();
    expect(prefix.resources).toHaveLength(10);
    const whole = await container.items.query<string>(query, { partitionKey: ['t1', 'u1'] }).fetchAll();
    expect(whole.resources).toEqual(['1', '11']);
  });

  it.each([
    'a b',
    'a+b',
    'ü漢😀',
    "quote's",
    'a%20b',
    '100%',
    'a=b&c',
    '[x]{y}',
    '.',
    'a:b@c;d,e',
    ' at both ends ',
    'with\r\n\tbreaks',
    '!$^~`|<>"',
  ])('have the id %s', async (id) => {
    const { container } = await setUp();
    await container.items.create({ id, pk: id, n: 1 });
    expect((await container.item(id, id).read()).resource).toMatchObject({ id, n: 1 });
    await container.item(id, id).replace({ id, pk: id, n: 2 });
    expect((await container.item(id, id).delete()).statusCode).toBe(204);
  });

  it('are refused for a bad id, a wrong key, a wrong shape and more than 2 MB', async () => {
    const { container } = await setUp();
    const create = (body: object) =>
      refusal(container.items.create(body, { disableAutomaticIdGeneration: true }));
    expect((await create({ id: 'x'.repeat(1024), pk: 'a' })).code).toBe(400);
    expect((await create({ pk: 'a' })).code).toBe(400);
    // The client cannot write this id into a path, but it lets it through in a body.
    expect((await container.items.create({ id: 'a?b', pk: 'a' })).statusCode).toBe(201);
    expect((await create({ id: '1', pk: 'a', ttl: -5 })).code).toBe(400);
    expect((await create({ id: '1', pk: 'a', text: 'x'.repeat(2 * 1024 * 1024) })).code).toBe(413);
    await container.items.create({ id: '1', pk: 'a' });
    const moved = await refusal(container.item('1', 'a').replace({ id: '1', pk: 'b' }));
    expect(moved).toMatchObject({ code: 400, substatus: 1001 });
    expect((await refusal(container.item('1', 'a').replace({ id: '2', pk: 'a' }))).code).toBe(400);
  });

  it('keep every property as it came, at any depth', async () => {
    const { container } = await setUp();
    const body = JSON.parse(
      '{"id":"1","pk":"a","__proto__":{"x":1},"deep":{"constructor":[null,{"":0}]},"z":-0.5e-7}',
    );
    await container.items.create(body);
    const { resource } = await container.item('1', 'a').read();
    expect(JSON.stringify(resource)).toContain(
      '"__proto__":{"x":1},"deep":{"constructor":[null,{"":0}]},"z":-5e-8',
    );
  });
});

describe('conditions', () => {
  it('refuse a write under another ETag, and a read of the same', async () => {
    const { container } = await setUp();
    const first = await container.items.create({ id: '1', pk: 'a' });
    const second = await container.items.upsert({ id: '1', pk: 'a', n: 2 });
    const item = container.item('1', 'a');
    const stale = { accessCondition: { type: 'IfMatch', condition: first.etag } };
    expect((await refusal(item.replace({ id: '1', pk: 'a' }, stale))).code).toBe(412);
    expect((await refusal(item.delete(stale))).code).toBe(412);
    expect((await refusal(item.patch([{ op: 'set', path: '/n', value: 1 }], stale))).code).toBe(412);
    expect((await refusal(container.items.upsert({ id: '1', pk: 'a' }, stale))).code).toBe(412);
    const same = { accessCondition: { type: 'IfNoneMatch', condition: second.etag } };
    expect((await item.read(same)).statusCode).toBe(304);
    const any = { accessCondition: { type: 'IfNoneMatch', condition: '*' } };
    expect((await refusal(container.items.upsert({ id: '1', pk: 'a' }, any))).code).toBe(412);
    const fresh = { accessCondition: { type: 'IfMatch', condition: second.etag } };
    expect((await item.replace({ id: '1', pk: 'a', n: 4 }, fresh)).statusCode).toBe(200);
  });
});

describe('patch', () => {
  it('applies every operation in order', async () => {
    const { container } = await setUp();
    await container.items.create({ id: '1', pk: 'a', n: 1, tags: ['x', 'z'], gone: true });
    const { resource } = await container.item('1', 'a').patch([
      { op: 'add', path: '/tags/1', value: 'y' },
      { op: 'add', path: '/tags/-', value: 'end' },
      { op: 'set', path: '/fresh', value: { a: 1 } },
      { op: 'replace', path: '/tags/0', value: 'w' },
      { op: 'remove', path: '/gone' },
      { op: 'incr', path: '/n', value: 4 },
      { op: 'incr', path: '/counted', value: 2 },
    ]);
    expect(resource).toMatchObject({
      n: 5,
      counted: 2,
      tags: ['w', 'y', 'z', 'end'],
      fresh: { a: 1 },
    });
    expect(resource).not.toHaveProperty('gone');
  });

  it('holds its condition, its limit and its paths', async () => {
    const { container } = await setUp();
    await container.items.create({ id: '1', pk: 'a', n: 1 });
    const item = container.item('1', 'a');
    const set = { op: 'set' as const, path: '/n', value: 9 };
    expect((await refusal(item.patch({ condition: 'FROM c WHERE c.n = 2', operations: [set] }))).code).toBe(
      412,
    );
    expect(
      (await item.patch({ condition: 'FROM c WHERE c.n = 1', operations: [set] })).resource,
    ).toMatchObject({ n: 9 });
    expect((await refusal(item.patch(Array.from({ length: 11 }, () => set)))).code).toBe(400);
    for (const path of ['/id', '/pk', '/_etag', '/absent/x']) {
      expect((await refusal(item.patch([{ ...set, path }]))).code).toBe(400);
    }
    expect((await refusal(item.patch([set, { op: 'remove', path: '/absent' }]))).code).toBe(400);
    expect((await item.read()).resource).toMatchObject({ n: 9 });
  });
});

describe('expiry', () => {
  it('follows the container and the item', async () => {
    const { container, emulator } = await setUp({
      defaultTtl: 10,
      uniqueKeyPolicy: { uniqueKeys: [{ paths: ['/u'] }] },
    });
    await container.items.create({ id: 'default', pk: 'a', u: 1 });
    await container.items.create({ id: 'longer', pk: 'a', ttl: 20, u: 2 });
    await container.items.create({ id: 'never', pk: 'a', ttl: -1, u: 3 });
    const ids = async () => (await container.items.query('SELECT VALUE c.id FROM c').fetchAll()).resources;
    emulator.clock.advance(11_000);
    expect(await ids()).toEqual(['longer', 'never']);
    expect((await container.item('default', 'a').read()).statusCode).toBe(404);
    emulator.clock.advance(10_000);
    expect(await ids()).toEqual(['never']);
    await container.items.create({ id: 'default', pk: 'a', u: 2 });
    expect(await ids()).toEqual(['never', 'default']);
    // The id of an expired item is free; what took over its unique key keeps it.
    await container.items.create({ id: 'longer', pk: 'a', u: 4 });
    expect((await refusal(container.items.create({ id: 'other', pk: 'a', u: 2 }))).code).toBe(409);
  });

  it('lets an item live for all its seconds, wherever in a second it was written', async () => {
    const { container, emulator } = await setUp({ defaultTtl: 2 });
    emulator.clock.set(1_700_000_000_900);
    await container.items.create({ id: '1', pk: 'a' });
    emulator.clock.set(1_700_000_002_899);
    expect((await container.item('1', 'a').read()).statusCode).toBe(200);
    emulator.clock.set(1_700_000_002_900);
    expect((await container.item('1', 'a').read()).statusCode).toBe(404);
  });

  it('is off without a default, and by item only with -1', async () => {
    const off = await setUp();
    await off.container.items.create({ id: '1', pk: 'a', ttl: 1 });
    off.emulator.clock.advance(5000);
    expect((await off.container.item('1', 'a').read()).statusCode).toBe(200);
    const on = await setUp({ defaultTtl: -1 });
    await on.container.items.create({ id: '1', pk: 'a', ttl: 1 });
    await on.container.items.create({ id: '2', pk: 'a' });
    on.emulator.clock.advance(5000);
    expect((await on.container.item('1', 'a').read()).statusCode).toBe(404);
    expect((await on.container.item('2', 'a').read()).statusCode).toBe(200);
  });
});

describe('unique keys', () => {
  it('hold inside a logical partition, composite and nested, over writes of every kind', async () => {
    const { container } = await setUp({
      uniqueKeyPolicy: { uniqueKeys: [{ paths: ['/email', '/address/city'] }] },
    });
    const body = (id: string, email: string, pk = 'a') => ({ id, pk, email, address: { city: 'x' } });
    await container.items.create(body('1', 'one'));
    expect((await refusal(container.items.create(body('2', 'one')))).code).toBe(409);
    await container.items.create(body('2', 'one', 'b'));
    await container.items.create(body('3', 'three'));
    expect((await refusal(container.item('3', 'a').replace(body('3', 'one')))).code).toBe(409);
    expect(
      (await refusal(container.item('3', 'a').patch([{ op: 'set', path: '/email', value: 'one' }]))).code,
    ).toBe(409);
    await container.item('1', 'a').delete();
    expect((await container.item('3', 'a').replace(body('3', 'one'))).statusCode).toBe(200);
  });
});

describe('unique keys inside a batch', () => {
  const create = (id: string, u: string) => ({
    operationType: BulkOperationType.Create,
    resourceBody: { id, pk: 'a', u },
  });
  const replace = (id: string, u: string) => ({
    operationType: BulkOperationType.Replace,
    id,
    resourceBody: { id, pk: 'a', u },
  });

  it('hold between its operations', async () => {
    const { container } = await setUp({ uniqueKeyPolicy: { uniqueKeys: [{ paths: ['/u'] }] } });
    const { code, result } = await container.items.batch([create('1', 'x'), create('2', 'x')], 'a');
    expect(code).toBe(207);
    expect(result?.map((entry) => entry.statusCode)).toEqual([424, 409]);
  });

  it('are free again when an operation gives them up', async () => {
    const { container } = await setUp({ uniqueKeyPolicy: { uniqueKeys: [{ paths: ['/u'] }] } });
    const moved = await container.items.batch([create('1', 'x'), replace('1', 'y'), create('2', 'x')], 'a');
    expect(moved.result?.map((entry) => entry.statusCode)).toEqual([201, 200, 201]);
    const swapped = await container.items.batch(
      [replace('1', 'z'), replace('2', 'y'), replace('1', 'x')],
      'a',
    );
    expect(swapped.result?.map((entry) => entry.statusCode)).toEqual([200, 200, 200]);
    const removed = await container.items.batch(
      [{ operationType: BulkOperationType.Delete, id: '1' }, create('3', 'x')],
      'a',
    );
    expect(removed.result?.map((entry) => entry.statusCode)).toEqual([204, 201]);
  });
});

describe('batches', () => {
  it('happen as a whole', async () => {
    const { container } = await setUp();
    const kept = await container.items.create({ id: 'kept', pk: 'a', n: 1 });
    const { code, result } = await container.items.batch(
      [
        { operationType: BulkOperationType.Create, resourceBody: { id: '1', pk: 'a' } },
        { operationType: BulkOperationType.Upsert, resourceBody: { id: '2', pk: 'a' } },
        { operationType: BulkOperationType.Read, id: '1' },
        {
          operationType: BulkOperationType.Replace,
          id: 'kept',
          resourceBody: { id: 'kept', pk: 'a', n: 2 },
          ifMatch: kept.etag,
        },
        {
          operationType: BulkOperationType.Patch,
          id: '2',
          resourceBody: { operations: [{ op: 'set', path: '/n', value: 7 }] },
        },
        { operationType: BulkOperationType.Delete, id: '1' },
      ],
      'a',
    );
    expect(code).toBe(200);
    expect(result?.map((entry) => entry.statusCode)).toEqual([201, 201, 200, 200, 200, 204]);
    const all = await container.items.query('SELECT c.id, c.n FROM c ORDER BY c.id').fetchAll();
    expect(all.resources).toEqual([
      { id: '2', n: 7 },
      { id: 'kept', n: 2 },
    ]);
  });

  it('leave nothing behind when an operation fails', async () => {
    const { container } = await setUp({ uniqueKeyPolicy: { uniqueKeys: [{ paths: ['/u'] }] } });
    await container.items.create({ id: 'kept', pk: 'a', n: 1, u: 'k' });
    const { code, result } = await container.items.batch(
      [
        { operationType: BulkOperationType.Delete, id: 'kept' },
        { operationType: BulkOperationType.Create, resourceBody: { id: '1', pk: 'a', u: 'k' } },
        {
          operationType: BulkOperationType.Replace,
          id: '1',
          resourceBody: { id: '1', pk: 'a', u: 'l' },
          ifMatch: '"stale"',
        },
        { operationType: BulkOperationType.Create, resourceBody: { id: '2', pk: 'a', u: 'm' } },
      ],
      'a',
    );
    expect(code).toBe(207);
    expect(result?.map((entry) => entry.statusCode)).toEqual([424, 424, 412, 424]);
    const all = await container.items.query('SELECT VALUE c.id FROM c').fetchAll();
    expect(all.resources).toEqual(['kept']);
    expect((await refusal(container.items.create({ id: '9', pk: 'a', u: 'k' }))).code).toBe(409);
    expect((await container.items.create({ id: '9', pk: 'a', u: 'l' })).statusCode).toBe(201);
  });

  it('report each operation of a bulk by itself', async () => {
    const { container } = await setUp({}, { partitions: 3 });
    await container.items.create({ id: 'taken', pk: 'a' });
    const results = await container.items.executeBulkOperations([
      { operationType: BulkOperationType.Create, partitionKey: 'a', resourceBody: { id: 'taken', pk: 'a' } },
      { operationType: BulkOperationType.Create, partitionKey: 'b', resourceBody: { id: '1', pk: 'b' } },
      { operationType: BulkOperationType.Delete, partitionKey: 'c', id: 'absent' },
    ]);
    expect(results.map(({ response, error }) => response?.statusCode ?? error?.code)).toEqual([
      409, 201, 404,
    ]);
    const old = await container.items.bulk([
      {
        operationType: BulkOperationType.Upsert,
        partitionKey: 'b',
        resourceBody: { id: '1', pk: 'b', n: 1 },
      },
      { operationType: BulkOperationType.Read, partitionKey: 'b', id: '1' },
    ]);
    expect(old.map((entry) => entry.statusCode)).toEqual([200, 200]);
  });
});

describe('the key of the account', () => {
  it('is checked, and can be another', async () => {
    const { emulator } = await setUp();
    const wrong = new CosmosClient({
      ...emulator.clientOptions(),
      key: Buffer.from('wrong').toString('base64'),
    });
    expect((await refusal(wrong.databases.create({ id: 'x' }))).code).toBe(401);
    const own = await setUp({}, { key: Buffer.from('own').toString('base64') });
    expect((await own.container.read()).statusCode).toBe(200);
  });
});
