import { ChangeFeedStartFrom, type Container, CosmosClient, PermissionMode } from '@azure/cosmos';
import { describe, expect, it } from 'vitest';
import { CosmosEmulator } from '../src/index.ts';
import { onPk, type Setup, setUp } from './cosmos-setup.ts';
import { rawRequest } from './raw-request.ts';
import { refusal } from './refusal.ts';

const minute = 60_000;
const readOnlyKey = Buffer.from('only to read').toString('base64');

describe('the account key', () => {
  it('is asked for, and the refusal says what was signed', async () => {
    const { emulator } = await setUp();
    const get = { method: 'GET', path: '/dbs/db' };
    const missing = await rawRequest(emulator, { ...get, authorization: null });
    expect(missing).toMatchObject({ status: 401, body: { code: 'Unauthorized' } });
    expect(missing.message).toContain("Required Header 'authorization' is missing.");
    const date = new Date().toUTCString();
    const other = await rawRequest(emulator, { ...get, date, key: Buffer.from('other').toString('base64') });
    expect(other.status).toBe(401);
    expect(other.message).toContain("The input authorization token can't serve the request.");
    expect(other.message).toContain(
      String.raw`payload to sign: 'get\ndbs\ndbs/db\n${date.toLowerCase()}\n\n'`,
    );
    for (const authorization of ['nonsense', 'type=sas&ver=1.0&sig=x', 'type=resource&ver=1.0&sig=x']) {
      const malformed = await rawRequest(emulator, { ...get, authorization });
      expect(malformed).toMatchObject({ status: 401 });
      expect(malformed.message).toContain("doesn't confirm to the required format");
    }
  });

  it.each([
    ['yesterday', -24 * 60, 403, 'not valid at the current time'],
    ['sixteen minutes ago', -16, 403, 'token expiry time'],
    ['in an hour', 60, 403, 'current server time'],
    ['ten minutes ago', -10, 200, ''],
  ])('dates a request of %s', async (_, minutes, status, message) => {
    const { emulator } = await setUp();
    const date = new Date(Date.now() + minutes * minute).toUTCString();
    const answer = await rawRequest(emulator, { method: 'GET', path: '/dbs/db', date });
    expect(answer.status).toBe(status);
    expect(answer.message).toContain(message);
  });

  it('takes no date in another format', async () => {
    const { emulator } = await setUp();
    const date = new Date().toISOString();
    const answer = await rawRequest(emulator, { method: 'GET', path: '/dbs/db', date });
    expect(answer.status).toBe(401);
    expect(answer.message).toContain('RFC 1123');
  });

  it('stays good when the clock of the emulator is moved', async () => {
    const { emulator, container } = await setUp();
    emulator.clock.advance(365 * 24 * 60 * minute);
    expect((await container.items.create({ id: '1', pk: 'a' })).statusCode).toBe(201);
  });

  it('signs ids percent-encoded too, and resource ids in lower case', async () => {
    const { emulator, client } = await setUp();
    const { resource } = await client.databases.create({ id: 'a b' });
    expect((await rawRequest(emulator, { method: 'GET', path: '/dbs/a%20b' })).status).toBe(200);
    expect((await rawRequest(emulator, { method: 'GET', path: `/dbs/${resource?._rid}` })).status).toBe(200);
    const { resources: offers } = await client.offers.readAll().fetchAll();
    expect((await client.offer(offers[0]?.id ?? '').read()).resource?.id).toBe(offers[0]?.id);
  });
});

describe('the read-only key', () => {
  it('reads all but permissions, and writes nothing', async () => {
    const { emulator, container } = await setUp({}, { readOnlyKey });
    await container.items.create({ id: '1', pk: 'a' });
    const client = new CosmosClient({ ...emulator.clientOptions(), key: readOnlyKey });
    const items = client.database('db').container('items');
    expect((await items.item('1', 'a').read()).statusCode).toBe(200);
    expect((await items.items.query('SELECT * FROM c ORDER BY c.id').fetchAll()).resources).toHaveLength(1);
    expect((await items.items.readAll().fetchAll()).resources).toHaveLength(1);
    const refused = [
      items.items.create({ id: '2', pk: 'a' }),
      items.items.upsert({ id: '1', pk: 'a' }),
      items.item('1', 'a').delete(),
      items.item('1', 'a').patch([{ op: 'set', path: '/n', value: 1 }]),
      items.deleteAllItemsForPartitionKey('a'),
      items.delete(),
      client.databases.create({ id: 'x' }),
      client.database('db').user('ann').permissions.readAll().fetchAll(),
    ];
    for (const error of await Promise.all(refused.map(refusal))) {
      expect(error.code).toBe(403);
      expect(error.message).toContain('Insufficient permissions');
    }
    expect((await container.item('1', 'a').read()).statusCode).toBe(200);
  });

  it('is none unless it is given', async () => {
    const emulator = new CosmosEmulator();
    expect((await rawRequest(emulator, { method: 'GET', path: '/dbs', key: readOnlyKey })).status).toBe(401);
  });
});

/** A user `ann` with one permission, and her view of the container. */
async function permitted(
  permission: { permissionMode: PermissionMode; resource?: string; resourcePartitionKey?: unknown[] },
  options: { definition?: Parameters<typeof setUp>[0]; resourceTokenExpirySeconds?: number } = {},
): Promise<Setup & { token: string; hers: Container }> {
  const setup = await setUp(options.definition);
  const { user } = await setup.client.database('db').users.create({ id: 'ann' });
  const resource = 'dbs/db/colls/items';
  const { resourceTokenExpirySeconds } = options;
  const created = await user.permissions.create(
    { id: 'p', resource, ...permission },
    resourceTokenExpirySeconds === undefined ? {} : { resourceTokenExpirySeconds },
  );
  const token = created.resource?._token ?? '';
  const client = clientWith(setup.emulator, { [permission.resource ?? resource]: token });
  return { ...setup, token, hers: client.database('db').container('items') };
}

function clientWith(emulator: CosmosEmulator, resourceTokens: Record<string, string>): CosmosClient {
  const { endpoint, httpClient } = emulator.clientOptions();
  return new CosmosClient({ endpoint, httpClient, resourceTokens });
}

describe('a resource token', () => {
  it('for all of a container does everything in it, and nothing beside it', async () => {
    const { hers, client, emulator, token } = await permitted({ permissionMode: PermissionMode.All });
    expect((await hers.read()).resource?.id).toBe('items');
    expect((await hers.items.create({ id: '1', pk: 'a' })).statusCode).toBe(201);
    expect(
      (await hers.items.batch([{ operationType: 'Upsert', resourceBody: { id: '2', pk: 'a' } }], 'a')).code,
    ).toBe(200);
    expect((await hers.items.query('SELECT VALUE c.id FROM c ORDER BY c.id').fetchAll()).resources).toEqual([
      '1',
      '2',
    ]);
    expect((await hers.item('1', 'a').delete()).statusCode).toBe(204);
    await client.database('db').containers.create({ id: 'other', partitionKey: onPk });
    const authorization = token;
    for (const path of [
      '/dbs',
      '/dbs/db',
      '/dbs/db/colls',
      '/dbs/db/colls/other',
      '/dbs/db/users',
      '/offers',
    ]) {
      expect((await rawRequest(emulator, { method: 'GET', path, authorization })).status).toBe(403);
    }
    expect((await hers.delete()).statusCode).toBe(204);
  });

  it('to read does not write', async () => {
    const { hers, container } = await permitted({ permissionMode: PermissionMode.Read });
    await container.items.create({ id: '1', pk: 'a' });
    expect((await hers.item('1', 'a').read()).statusCode).toBe(200);
    expect((await hers.items.query('SELECT * FROM c').fetchAll()).resources).toHaveLength(1);
    const feed = hers.items.getChangeFeedIterator({ changeFeedStartFrom: ChangeFeedStartFrom.Beginning() });
    expect((await feed.readNext()).statusCode).toBe(200);
    const writes = [
      hers.items.create({ id: '2', pk: 'a' }),
      hers.item('1', 'a').replace({ id: '1', pk: 'a' }),
      hers.item('1', 'a').delete(),
      hers.items.batch([{ operationType: 'Delete', id: '1' }], 'a'),
      hers.delete(),
    ];
    for (const { message } of await Promise.all(writes.map(refusal))) {
      expect(message).toContain('Insufficient permissions');
    }
    expect((await container.item('1', 'a').read()).statusCode).toBe(200);
  });

  it('for one item is for that item', async () => {
    const resource = 'dbs/db/colls/items/docs/1';
    const { hers, container, emulator, token } = await permitted({
      permissionMode: PermissionMode.All,
      resource,
    });
    for (const id of ['1', '2']) await container.items.create({ id, pk: 'a' });
    expect((await hers.item('1', 'a').read()).statusCode).toBe(200);
    expect((await hers.item('1', 'a').replace({ id: '1', pk: 'a', n: 1 })).statusCode).toBe(200);
    const headers = { 'x-ms-documentdb-partitionkey': '["a"]' };
    for (const path of ['/dbs/db/colls/items/docs/2', '/dbs/db/colls/items/docs', '/dbs/db/colls/items']) {
      expect(
        (await rawRequest(emulator, { method: 'GET', path, headers, authorization: token })).status,
      ).toBe(403);
    }
  });

  it('for one partition key is for its items', async () => {
    const { hers, container, emulator, token } = await permitted({
      permissionMode: PermissionMode.All,
      resourcePartitionKey: ['a'],
    });
    for (const pk of ['a', 'b']) await container.items.create({ id: '1', pk });
    expect((await hers.item('1', 'a').read()).statusCode).toBe(200);
    expect((await hers.items.create({ id: '2', pk: 'a' })).statusCode).toBe(201);
    const query = hers.items.query('SELECT VALUE c.id FROM c', { partitionKey: 'a' });
    expect((await query.fetchAll()).resources).toEqual(['1', '2']);
    const refused = [
      hers.item('1', 'b').read(),
      hers.items.create({ id: '2', pk: 'b' }),
      hers.items.query('SELECT * FROM c', { partitionKey: 'b' }).fetchAll(),
      hers.items.query('SELECT * FROM c').fetchAll(),
      hers.deleteAllItemsForPartitionKey('b'),
      hers.delete(),
    ];
    for (const { code } of await Promise.all(refused.map(refusal))) expect(code).toBe(403);
    // Each operation of a bulk request names its own key, whatever the header says.
    const bulk = await rawRequest(emulator, {
      method: 'POST',
      path: '/dbs/db/colls/items/docs',
      headers: { 'x-ms-cosmos-is-batch-request': 'True', 'x-ms-documentdb-partitionkey': '["a"]' },
      body: [{ operationType: 'Delete', id: '1', partitionKey: '["b"]' }],
      authorization: token,
    });
    expect(bulk.status).toBe(403);
    expect((await container.item('1', 'b').read()).statusCode).toBe(200);
  });

  it('for a prefix of a hierarchical key is for all under it', async () => {
    const partitionKey = { paths: ['/tenant', '/user'], kind: 'MultiHash' as never, version: 2 };
    const { hers, container } = await permitted(
      { permissionMode: PermissionMode.Read, resourcePartitionKey: ['t1'] },
      { definition: { partitionKey } },
    );
    for (const tenant of ['t1', 't10']) await container.items.create({ id: '1', tenant, user: 'u' });
    expect((await hers.item('1', ['t1', 'u']).read()).statusCode).toBe(200);
    expect((await refusal(hers.item('1', ['t10', 'u']).read())).code).toBe(403);
  });

  it('ends after the time that was asked for', async () => {
    const { hers, emulator } = await permitted(
      { permissionMode: PermissionMode.Read },
      { resourceTokenExpirySeconds: 10 },
    );
    emulator.clock.advance(9_000);
    expect((await hers.read()).statusCode).toBe(200);
    emulator.clock.advance(1_000);
    const refused = await refusal(hers.read());
    expect(refused.code).toBe(403);
    expect(refused.message).toContain('The authorization token is not valid at the current time.');
  });

  it('ends after an hour, and every reading of the permission gives a new one', async () => {
    const { hers, emulator, client } = await permitted({ permissionMode: PermissionMode.Read });
    emulator.clock.advance(3_600_000);
    expect((await refusal(hers.read())).code).toBe(403);
    const { resource } = await client.database('db').user('ann').permission('p').read();
    const again = clientWith(emulator, { 'dbs/db/colls/items': resource?._token ?? '' });
    expect((await again.database('db').container('items').read()).statusCode).toBe(200);
  });

  it('cannot be made or changed by hand', async () => {
    const { emulator, token } = await permitted({ permissionMode: PermissionMode.Read });
    const [head = '', payload = ''] = token.split(';');
    const claims = Buffer.from(payload, 'base64').toString().replace('read', 'all');
    const forged = `${head};${Buffer.from(claims).toString('base64')};`;
    const get = { method: 'GET', path: '/dbs/db/colls/items' };
    expect((await rawRequest(emulator, { ...get, authorization: token })).status).toBe(200);
    expect((await rawRequest(emulator, { ...get, authorization: forged })).status).toBe(401);
    const other = new CosmosEmulator({ key: Buffer.from('other').toString('base64') });
    expect((await rawRequest(other, { ...get, authorization: token })).status).toBe(401);
  });

  it('is not for a container that is made anew under the same name', async () => {
    const { hers, client, container } = await permitted({ permissionMode: PermissionMode.All });
    await container.delete();
    expect((await refusal(hers.read())).code).toBe(404);
    await client.database('db').containers.create({ id: 'items', partitionKey: onPk });
    expect((await refusal(hers.read())).code).toBe(403);
  });

  it('comes to the client in a feed of permissions', async () => {
    const { emulator, client, container } = await permitted({ permissionMode: PermissionMode.Read });
    await container.items.create({ id: '1', pk: 'a' });
    const { resources: permissionFeed } = await client
      .database('db')
      .user('ann')
      .permissions.readAll()
      .fetchAll();
    const { endpoint, httpClient } = emulator.clientOptions();
    const hers = new CosmosClient({ endpoint, httpClient, permissionFeed }).database('db').container('items');
    expect((await hers.item('1', 'a').read()).statusCode).toBe(200);
    expect((await refusal(hers.items.create({ id: '2', pk: 'a' }))).code).toBe(403);
  });
});

describe('an Entra ID token', () => {
  const encoded = (part: unknown): string => Buffer.from(JSON.stringify(part)).toString('base64url');
  const seconds = (): number => Math.floor(Date.now() / 1000);
  const jwt = (claims: object): string =>
    `${encoded({ alg: 'RS256', typ: 'JWT' })}.${encoded(claims)}.${encoded('any')}`;
  const good = (): object => ({ aud: 'https://cosmos.azure.com', nbf: seconds(), exp: seconds() + 600 });

  it('works with data and runs stored procedures, and does not change what describes them', async () => {
    const { emulator, container: owned } = await setUp();
    const script = { id: 'answer', body: 'function () { getContext().getResponse().setBody(42); }' };
    await owned.scripts.storedProcedures.create(script);
    const { endpoint, httpClient } = emulator.clientOptions();
    const scopes: unknown[] = [];
    const client = new CosmosClient({
      endpoint,
      httpClient,
      aadCredentials: {
        getToken: (scope: string | string[]) => {
          scopes.push(scope);
          const aud = endpoint.slice(0, -1);
          return Promise.resolve({
            token: jwt({ ...good(), aud }),
            expiresOnTimestamp: Date.now() + 600_000,
          });
        },
      },
    });
    const container = client.database('db').container('items');
    expect((await container.items.create({ id: '1', pk: 'a' })).statusCode).toBe(201);
    expect((await container.items.query('SELECT * FROM c ORDER BY c.id').fetchAll()).resources).toHaveLength(
      1,
    );
    expect((await container.read()).statusCode).toBe(200);
    expect((await container.scripts.storedProcedure('answer').execute('a')).resource).toBe(42);
    expect(scopes[0]).toEqual([`${endpoint.slice(0, -1)}/.default`]);
    const refused = [
      client.databases.create({ id: 'x' }),
      client.database('db').containers.create({ id: 'x', partitionKey: onPk }),
      client.database('db').users.create({ id: 'x' }),
      container.delete(),
      container.scripts.storedProcedures.create({ ...script, id: 'x' }),
    ];
    for (const error of await Promise.all(refused.map(refusal))) {
      expect(error).toMatchObject({ code: 403, substatus: 5300 });
      expect(error.message).toContain('cannot be authorized by AAD token in data plane');
    }
  });

  it('that carries the key itself may do what the key may', async () => {
    const { emulator } = await setUp();
    const signed = (key: string): string => {
      const claims = encoded({ ...good(), aud: 'https://localhost.localhost' });
      return `type=aad&ver=1.0&sig=${encoded({ alg: 'RS256' })}.${claims}.${Buffer.from(key).toString('base64')}`;
    };
    const create = async (authorization: string): Promise<number> =>
      (await rawRequest(emulator, { method: 'POST', path: '/dbs', body: { id: 'x' }, authorization })).status;
    expect(await create(signed('another'))).toBe(403);
    expect(await create(signed(emulator.key))).toBe(201);
  });

  it.each([
    ['has another audience', (): string => jwt({ ...good(), aud: 'https://graph.microsoft.com' })],
    ['is over', (): string => jwt({ ...good(), exp: seconds() - 1 })],
    ['has no end', (): string => jwt({ ...good(), exp: undefined })],
    ['is for later', (): string => jwt({ ...good(), nbf: seconds() + 3600 })],
    ['is no JSON', (): string => 'a.b.c'],
    ['lacks a part', (): string => jwt(good()).split('.', 2).join('.')],
  ])('is refused when it %s', async (_, token) => {
    const { emulator } = await setUp();
    const authorization = `type=aad&ver=1.0&sig=${token()}`;
    expect((await rawRequest(emulator, { method: 'GET', path: '/dbs/db', authorization })).status).toBe(401);
    const sound = `type=aad&ver=1.0&sig=${jwt(good())}`;
    expect(
      (await rawRequest(emulator, { method: 'GET', path: '/dbs/db', authorization: sound })).status,
    ).toBe(200);
  });
});
