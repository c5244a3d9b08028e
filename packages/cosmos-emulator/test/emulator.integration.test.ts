import { connect } from 'node:net';
import { type Container, CosmosClient, type ErrorResponse } from '@azure/cosmos';
import { afterEach, describe, expect, it } from 'vitest';
import { CosmosEmulator, type InProcessHttpClient, type Listener } from '../src/index.ts';
import { onPk, setUp } from './cosmos-setup.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const resource of open.splice(0)) await resource[Symbol.asyncDispose]();
});

async function refusal(work: Promise<unknown>): Promise<Partial<ErrorResponse>> {
  try {
    await work;
  } catch (error) {
    return error as ErrorResponse;
  }
  throw new Error('The request was not refused.');
}

async function overHttp(): Promise<{ emulator: CosmosEmulator; listener: Listener; container: Container }> {
  const emulator = new CosmosEmulator();
  const listener = await emulator.listen();
  open.push(emulator);
  const client = new CosmosClient({ endpoint: listener.url, key: emulator.key });
  open.push({ [Symbol.asyncDispose]: () => Promise.resolve(client.dispose()) });
  const { database } = await client.databases.createIfNotExists({ id: 'db' });
  const { container } = await database.containers.createIfNotExists({ id: 'items', partitionKey: onPk });
  return { emulator, listener, container };
}

describe('databases and containers', () => {
  it('are created once, listed, queried and deleted', async () => {
    const { client } = await setUp();
    expect((await client.databases.createIfNotExists({ id: 'db' })).statusCode).toBe(200);
    expect((await refusal(client.databases.create({ id: 'db' }))).code).toBe(409);
    await client.databases.create({ id: 'other' });
    expect((await client.databases.readAll().fetchAll()).resources.map((one) => one.id)).toEqual([
      'db',
      'other',
    ]);
    const query = {
      query: 'SELECT * FROM root r WHERE r.id = @id',
      parameters: [{ name: '@id', value: 'other' }],
    };
    expect((await client.databases.query(query).fetchAll()).resources).toMatchObject([{ id: 'other' }]);
    expect((await client.database('other').delete()).statusCode).toBe(204);
    expect((await refusal(client.database('other').read())).code).toBe(404);
    const { containers } = client.database('db');
    expect((await containers.readAll().fetchAll()).resources).toMatchObject([{ id: 'items' }]);
    await client.database('db').container('items').delete();
    expect((await containers.readAll().fetchAll()).resources).toEqual([]);
    expect(
      (await refusal(client.database('db').container('items').items.create({ id: '1', pk: 'a' }))).code,
    ).toBe(404);
  });

  it('keep their items over a replace, and their key', async () => {
    const { container } = await setUp();
    await container.items.create({ id: '1', pk: 'a' });
    const indexingPolicy = { excludedPaths: [{ path: '/big/*' }] };
    const replaced = await container.replace({
      id: 'items',
      partitionKey: onPk,
      defaultTtl: 60,
      indexingPolicy,
    });
    expect(replaced.resource).toMatchObject({
      defaultTtl: 60,
      indexingPolicy: { indexingMode: 'consistent' },
    });
    expect((await container.item('1', 'a').read()).statusCode).toBe(200);
    const moved = container.replace({ id: 'items', partitionKey: { ...onPk, paths: ['/other'] } });
    expect((await refusal(moved)).code).toBe(400);
  });

  it('refuse a definition that makes no sense', async () => {
    const { client } = await setUp();
    const { containers } = client.database('db');
    expect(
      (await refusal(containers.create({ id: 'x', partitionKey: { ...onPk, paths: ['/a', '/b'] } }))).code,
    ).toBe(400);
    expect((await refusal(containers.create({ id: 'x', partitionKey: onPk, defaultTtl: 0 }))).code).toBe(400);
  });
});

describe('the HTTP server', () => {
  it('serves the same account as the client in the process', async () => {
    const { emulator, container } = await overHttp();
    await container.items.create({ id: 'ü 1', pk: 'a', n: 1 });
    const inside = new CosmosClient(emulator.clientOptions()).database('db').container('items');
    expect((await inside.item('ü 1', 'a').read()).resource).toMatchObject({ n: 1 });
    const found = await container.items.query('SELECT VALUE c.n FROM c ORDER BY c.n').fetchAll();
    expect(found.resources).toEqual([1]);
    expect((await container.items.batch([{ operationType: 'Delete', id: 'ü 1' }], 'a')).code).toBe(200);
  });

  it('advertises the address that it was reached at', async () => {
    const { emulator, listener } = await overHttp();
    const client = new CosmosClient({ endpoint: `http://localhost:${listener.port}/`, key: emulator.key });
    const { resource } = await client.getDatabaseAccount();
    expect(resource?.writableLocations[0]?.databaseAccountEndpoint).toBe(
      `http://localhost:${listener.port}/`,
    );
    client.dispose();
  });

  it('goes on after bad requests', async () => {
    const { listener, container } = await overHttp();
    const bad = [
      'GARBAGE\r\n\r\n',
      'POST /dbs/db/colls/items/docs HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{"a":',
      'GET /%ff%fe/../..// HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\nshort',
    ];
    for (const text of bad) {
      await new Promise<void>((resolve) => {
        const socket = connect(listener.port, '127.0.0.1', () => socket.end(text));
        socket.on('error', () => resolve());
        socket.on('close', () => resolve());
        socket.resume();
      });
    }
    const noKey = await fetch(`${listener.url}dbs`);
    expect(noKey.status).toBe(401);
    expect(await noKey.json()).toMatchObject({ code: 'Unauthorized' });
    expect((await container.items.create({ id: '1', pk: 'a' })).statusCode).toBe(201);
  });

  it('answers malformed JSON with 400', async () => {
    const emulator = new CosmosEmulator();
    const httpClient = emulator.httpClient();
    const signed = { ...emulator.clientOptions(), httpClient: mangling(httpClient) };
    const client = new CosmosClient(signed);
    expect((await refusal(client.databases.create({ id: 'x' }))).code).toBe(400);
    expect((await client.databases.readAll().fetchAll()).resources).toEqual([]);
  });

  it('refuses a body without end, closes, and can be closed twice', async () => {
    const { listener } = await overHttp();
    const body = 'x'.repeat(9 * 1024 * 1024);
    const response = await fetch(`${listener.url}dbs`, { method: 'POST', body }).catch(() => undefined);
    expect([413, undefined]).toContain(response?.status);
    await listener.close();
    await listener.close();
    await expect(fetch(listener.url)).rejects.toThrow('fetch failed');
  });
});

/** Cuts the last character off every body. */
function mangling(client: InProcessHttpClient): InProcessHttpClient {
  return {
    sendRequest: (request) => {
      const body = typeof request.body === 'string' ? request.body.slice(0, -1) : undefined;
      return client.sendRequest(Object.assign(request, body === undefined ? {} : { body }));
    },
  };
}

describe('faults', () => {
  it.each([408, 410, 449, 500, 503] as const)(
    'answer a write with %i once, without doing it',
    async (status) => {
      const { emulator, container } = await setUp();
      const fault = emulator.faults.add({ status, operation: 'create', container: 'items' });
      const client = new CosmosClient({
        ...emulator.clientOptions(),
        connectionPolicy: { enableEndpointDiscovery: false },
      });
      const items = client.database('db').container('items');
      expect((await refusal(items.items.create({ id: '1', pk: 'a' }))).code).toBe(status);
      expect(fault.hits).toBe(1);
      expect((await container.item('1', 'a').read()).statusCode).toBe(404);
      expect((await container.items.create({ id: '1', pk: 'a' })).statusCode).toBe(201);
    },
  );

  it('throttle with a wait that the client honours', async () => {
    const { emulator, container } = await setUp();
    const fault = emulator.faults.add({ status: 429, resource: 'items', retryAfterMs: 1, count: 2 });
    expect((await container.items.create({ id: '1', pk: 'a' })).statusCode).toBe(201);
    expect(fault.hits).toBe(2);
    expect(emulator.faults.size).toBe(0);
  });

  it('break the connection before or after the effect, in process', async () => {
    const { emulator, container } = await setUp();
    emulator.faults.add({ reset: 'before', operation: 'create' });
    expect(await refusal(container.items.create({ id: '1', pk: 'a' }))).toMatchObject({
      code: 'ECONNRESET',
      name: 'RestError',
    });
    expect((await container.item('1', 'a').read()).statusCode).toBe(404);
    emulator.faults.add({ reset: 'after', operation: 'create' });
    expect((await refusal(container.items.create({ id: '1', pk: 'a' }))).code).toBe('ECONNRESET');
    expect((await container.item('1', 'a').read()).statusCode).toBe(200);
  });

  it('break the connection before or after the effect, over HTTP', async () => {
    const { emulator, container } = await overHttp();
    emulator.faults.add({ reset: 'before', operation: 'create' });
    expect((await refusal(container.items.create({ id: '1', pk: 'a' }))).code).toBe('ECONNRESET');
    expect((await container.item('1', 'a').read()).statusCode).toBe(404);
    emulator.faults.add({ reset: 'after', method: 'POST', resource: 'items' });
    expect((await refusal(container.items.create({ id: '1', pk: 'a' }))).code).toBe('ECONNRESET');
    expect((await container.item('1', 'a').read()).statusCode).toBe(200);
  });

  it('hold a request at a gate, and let an abort through', async () => {
    const { emulator, container } = await setUp();
    const gate = Promise.withResolvers<void>();
    emulator.faults.add({ gate: gate.promise, operation: 'create' });
    const held = container.items.create({ id: '1', pk: 'a' });
    expect((await container.item('1', 'a').read()).statusCode).toBe(404);
    gate.resolve();
    expect((await held).statusCode).toBe(201);
    const abort = new AbortController();
    const fault = emulator.faults.add({ gate: Promise.withResolvers<void>().promise, operation: 'create' });
    const aborted = refusal(container.items.create({ id: '2', pk: 'a' }, { abortSignal: abort.signal }));
    await expect.poll(() => fault.hits).toBe(1);
    abort.abort();
    expect((await aborted).name).toBe('AbortError');
    expect((await container.item('2', 'a').read()).statusCode).toBe(404);
  });

  it('are taken out by hand', async () => {
    const { emulator, container } = await setUp();
    const fault = emulator.faults.add({ status: 500, count: 100 });
    fault.remove();
    emulator.faults.add({ status: 500 });
    emulator.faults.clear();
    expect((await container.items.create({ id: '1', pk: 'a' })).statusCode).toBe(201);
    expect(fault.hits).toBe(0);
  });
});

describe('the emulator', () => {
  it('counts requests and request units', async () => {
    const { emulator, container } = await setUp();
    await container.items.create({ id: '0', pk: 'a' });
    const before = emulator.stats;
    const { requestCharge } = await container.items.create({ id: '1', pk: 'a' });
    expect(emulator.stats.requests).toBe(before.requests + 1);
    expect(emulator.stats.requestUnits).toBeCloseTo(before.requestUnits + requestCharge);
  });

  it('refuses a number of partitions that makes no sense', () => {
    expect(() => new CosmosEmulator({ partitions: 0 })).toThrow(RangeError);
  });
});
