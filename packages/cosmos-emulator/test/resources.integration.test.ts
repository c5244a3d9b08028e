import {
  ConsistencyLevel,
  type Container,
  type ContainerRequest,
  CosmosClient,
  type Database,
  type OfferDefinition,
  PartitionKeyDefinitionVersion,
  PartitionKeyKind,
} from '@azure/cosmos';
import { describe, expect, it } from 'vitest';
import { CosmosEmulator } from '../src/index.ts';
import { onPk, setUp } from './cosmos-setup.ts';
import { rawRequest } from './raw-request.ts';
import { refusal } from './refusal.ts';

async function database(): Promise<{ emulator: CosmosEmulator; client: CosmosClient; database: Database }> {
  const { emulator, client } = await setUp();
  return { emulator, client, database: client.database('db') };
}

function vectors(dimensions: number): Record<string, unknown> {
  return {
    vectorEmbeddings: [{ path: '/v', dataType: 'float32', dimensions, distanceFunction: 'euclidean' }],
  };
}

/** Sends a definition that the SDK's types would not let through. */
async function createRaw(
  emulator: CosmosEmulator,
  definition: Record<string, unknown>,
): Promise<{ status: number; message: string; body: unknown }> {
  const body = { id: 'c', partitionKey: onPk, ...definition };
  return await rawRequest(emulator, { method: 'POST', path: '/dbs/db/colls', body });
}

describe('databases', () => {
  it('carry links, a resource id and an ETag', async () => {
    const { client } = await setUp();
    const created = await client.databases.create({ id: 'other' });
    expect(created.statusCode).toBe(201);
    const { _rid, _etag } = created.resource ?? {};
    expect(created.resource).toMatchObject({
      id: 'other',
      _self: `dbs/${_rid}/`,
      _colls: 'colls/',
      _users: 'users/',
    });
    expect(created.etag).toBe(_etag);
    const byRid = await client.database(_rid ?? '').read();
    expect(byRid.resource).toEqual(created.resource);
  });

  it('keep ids of any script and the characters that need encoding', async () => {
    const { client } = await setUp();
    for (const id of ['ü ñ 数据库', 'a%20b', "it's (1)+&=;,@!*", '😀', 'x'.repeat(255)]) {
      await client.databases.create({ id });
      expect((await client.database(id).read()).resource?.id).toBe(id);
      const { container } = await client.database(id).containers.create({ id, partitionKey: onPk });
      await container.items.create({ id: '1', pk: 'a' });
      expect((await container.item('1', 'a').read()).statusCode).toBe(200);
      await client.database(id).delete();
    }
  });

  it.each([
    ['', "The input name '' is invalid"],
    ['x'.repeat(256), "less than '255' characters"],
    ['a/b', "contains invalid character '/'"],
    [String.raw`a\b`, 'contains invalid character'],
    ['a?b', "contains invalid character '?'"],
    ['a#b', "contains invalid character '#'"],
    ['a ', "can't end with space"],
    [7, "The input name '' is invalid"],
  ])('refuse the id %j', async (id, message) => {
    const emulator = new CosmosEmulator();
    const refused = await rawRequest(emulator, { method: 'POST', path: '/dbs', body: { id } });
    expect(refused.status).toBe(400);
    expect(refused.message).toContain(message);
  });

  it('take everything below with them', async () => {
    const { client, database: db } = await database();
    await db.users.create({ id: 'ann' });
    await db.delete();
    await client.databases.create({ id: 'db' });
    expect((await db.containers.readAll().fetchAll()).resources).toEqual([]);
    expect((await db.users.readAll().fetchAll()).resources).toEqual([]);
    expect((await client.offers.readAll().fetchAll()).resources).toEqual([]);
  });

  it('come in pages', async () => {
    const { client } = await setUp();
    for (const id of ['a', 'b', 'c', 'd']) await client.databases.create({ id });
    const pages = client.databases.readAll({ maxItemCount: 2 });
    expect((await pages.fetchNext()).resources.map(({ id }) => id)).toEqual(['db', 'a']);
    expect((await pages.fetchAll()).resources).toHaveLength(5);
  });
});

describe('containers', () => {
  it('get what the service fills in', async () => {
    const { database: db } = await database();
    const { resource } = await db.containers.create({ id: 'c', partitionKey: { paths: ['/pk'] } });
    expect(resource).toMatchObject({
      id: 'c',
      partitionKey: { paths: ['/pk'], kind: 'Hash' },
      indexingPolicy: {
        indexingMode: 'consistent',
        automatic: true,
        includedPaths: [{ path: '/*' }],
        excludedPaths: [{ path: '/"_etag"/?' }],
      },
      conflictResolutionPolicy: { mode: 'LastWriterWins', conflictResolutionPath: '/_ts' },
      geospatialConfig: { type: 'Geography' },
      _docs: 'docs/',
      _conflicts: 'conflicts/',
    });
    expect(resource?.partitionKey).not.toHaveProperty('version');
  });

  it('keep every policy that they are given', async () => {
    const { database: db } = await database();
    const policies = {
      partitionKey: {
        paths: ['/tenant', '/user/id', '/"a b"'],
        kind: PartitionKeyKind.MultiHash,
        version: PartitionKeyDefinitionVersion.V2,
      },
      defaultTtl: -1,
      uniqueKeyPolicy: { uniqueKeys: [{ paths: ['/email', '/name/first'] }] },
      conflictResolutionPolicy: {
        mode: 'Custom',
        conflictResolutionProcedure: 'dbs/db/colls/c/sprocs/resolve',
      },
      geospatialConfig: { type: 'Geometry' },
      changeFeedPolicy: { retentionDuration: 10 },
      computedProperties: [{ name: 'lower', query: 'SELECT VALUE LOWER(c.name) FROM c' }],
      fullTextPolicy: { defaultLanguage: 'en-US', fullTextPaths: [{ path: '/text', language: 'en-US' }] },
      vectorEmbeddingPolicy: {
        vectorEmbeddings: [{ path: '/v', dataType: 'float32', dimensions: 3, distanceFunction: 'cosine' }],
      },
      clientEncryptionPolicy: { includedPaths: [], policyFormatVersion: 1 },
      indexingPolicy: {
        indexingMode: 'consistent',
        automatic: true,
        includedPaths: [{ path: '/*' }, { path: '/list/[]/name/?' }],
        excludedPaths: [{ path: '/"_etag"/?' }, { path: '/"a b"/*' }],
        compositeIndexes: [
          [
            { path: '/a', order: 'ascending' },
            { path: '/b', order: 'descending' },
          ],
        ],
        spatialIndexes: [{ path: '/place/*', types: ['Point', 'Polygon'] }],
        vectorIndexes: [{ path: '/v', type: 'quantizedFlat' }],
        fullTextIndexes: [{ path: '/text' }],
      },
    };
    await db.containers.create({ id: 'c', ...policies } as ContainerRequest);
    expect((await db.container('c').read()).resource).toMatchObject(policies);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['a key path without slash', { partitionKey: { paths: ['pk'] } }, "failed near position '0'"],
    ['a key path with a wildcard', { partitionKey: { paths: ['/pk/*'] } }, "failed near position '3'"],
    ['a key path with a bad character', { partitionKey: { paths: ['/asdf @'] } }, "failed near position '6'"],
    ['a key without paths', { partitionKey: { paths: [] } }, 'at least one path'],
    ['two paths of a plain key', { partitionKey: { paths: ['/a', '/b'] } }, 'Too many partition key paths'],
    [
      'four paths of a hierarchical key',
      { partitionKey: { paths: ['/a', '/b', '/c', '/d'], kind: 'MultiHash', version: 2 } },
      'Too many partition key paths',
    ],
    ['the same path twice', { partitionKey: { paths: ['/a', '/a'], kind: 'MultiHash' } }, 'must differ'],
    ['an unknown kind of key', { partitionKey: { paths: ['/a'], kind: 'Range' } }, "kind 'Range' is invalid"],
    ['an unknown version of key', { partitionKey: { paths: ['/a'], version: 3 } }, "version '3' is invalid"],
    ['a TTL of zero', { defaultTtl: 0 }, "The input defaultTtl '0' is invalid"],
    ['a TTL that is too long', { defaultTtl: 2 ** 31 }, 'less than or equal to'],
    ['an unknown indexing mode', { indexingPolicy: { indexingMode: 'often' } }, "mode 'often' is invalid"],
    [
      'automatic indexing of nothing',
      { indexingPolicy: { indexingMode: 'none', automatic: true } },
      "mode 'none'",
    ],
    [
      'a policy without root',
      { indexingPolicy: { includedPaths: [{ path: '/a/?' }] } },
      'mandatory indexing path',
    ],
    [
      'a path without mark',
      { indexingPolicy: { includedPaths: [{ path: '/a' }] } },
      "failed near position '2'",
    ],
    [
      'a path in both lists',
      { indexingPolicy: { excludedPaths: [{ path: '/*' }], includedPaths: [{ path: '/*' }] } },
      'both',
    ],
    [
      'a composite index of one',
      { indexingPolicy: { compositeIndexes: [[{ path: '/a' }]] } },
      'at least two paths',
    ],
    [
      'a composite index without direction',
      { indexingPolicy: { compositeIndexes: [[{ path: '/a', order: 'up' }, { path: '/b' }]] } },
      "order 'up' is invalid",
    ],
    [
      'a composite path with a mark',
      { indexingPolicy: { compositeIndexes: [[{ path: '/a/?' }, { path: '/b' }]] } },
      "'/a/?'",
    ],
    [
      'an unknown shape',
      { indexingPolicy: { spatialIndexes: [{ path: '/a/*', types: ['Cube'] }] } },
      "'Cube'",
    ],
    [
      'an unknown vector index',
      { indexingPolicy: { vectorIndexes: [{ path: '/v', type: 'magic' }] } },
      "'magic'",
    ],
    [
      'a vector index without vectors',
      { indexingPolicy: { vectorIndexes: [{ path: '/v', type: 'flat' }] } },
      "path::/v not matching in Embedding's path",
    ],
    [
      'a flat index of long vectors',
      {
        vectorEmbeddingPolicy: vectors(506),
        indexingPolicy: { vectorIndexes: [{ path: '/v', type: 'flat' }] },
      },
      'at most 505 dimensions',
    ],
    ['a vector without end', { vectorEmbeddingPolicy: vectors(4097) }, 'vectorEmbeddingPolicy'],
    [
      'a text index without texts',
      { indexingPolicy: { fullTextIndexes: [{ path: '/text' }] } },
      'Full Text Index /text does not match',
    ],
    ['an unknown language', { fullTextPolicy: { defaultLanguage: 'tlh-KX' } }, 'unsupported language tlh-KX'],
    [
      'texts in an unknown language',
      {
        fullTextPolicy: { defaultLanguage: 'en-US', fullTextPaths: [{ path: '/text', language: 'spoken' }] },
      },
      'unsupported language spoken',
    ],
    [
      'an unknown distance',
      { vectorEmbeddingPolicy: { vectorEmbeddings: [{ path: '/v' }] } },
      'vectorEmbeddingPolicy',
    ],
    ['a unique key without path', { uniqueKeyPolicy: { uniqueKeys: [{ paths: [] }] } }, 'at least one path'],
    ['an unknown conflict mode', { conflictResolutionPolicy: { mode: 'Luck' } }, 'conflictResolutionPolicy'],
    ['an unknown geometry', { geospatialConfig: { type: 'Flat' } }, 'geospatialConfig'],
    ['a retention below zero', { changeFeedPolicy: { retentionDuration: -1 } }, 'changeFeedPolicy'],
    ['computed properties twice', { computedProperties: twice('SELECT VALUE c.a FROM c') }, 'more than once'],
    ['a computed id', { computedProperties: [{ name: 'id', query: 'SELECT VALUE c.a FROM c' }] }, "'id'"],
    ['a computed row', { computedProperties: [{ name: 'x', query: 'SELECT c.a FROM c' }] }, 'SELECT VALUE'],
    [
      'a computed filter',
      { computedProperties: [{ name: 'x', query: 'SELECT VALUE c FROM c WHERE c.a' }] },
      "'x'",
    ],
    [
      'a computed subquery',
      { computedProperties: [{ name: 'x', query: 'SELECT VALUE ARRAY(SELECT 1) FROM c' }] },
      'no subquery',
    ],
    ['computed nonsense', { computedProperties: [{ name: 'x', query: 'SELECT' }] }, 'Syntax error'],
    ['a wrong analytical TTL', { analyticalStorageTtl: -2 }, 'analyticalStorageTtl'],
  ])('refuse %s', async (_, definition, message) => {
    const { emulator } = await setUp();
    const refused = await createRaw(emulator, definition);
    expect(refused.message).toContain(message);
    expect(refused.status).toBe(400);
  });

  it('are replaced under an ETag, but for what is fixed', async () => {
    const { container } = await setUp({ uniqueKeyPolicy: { uniqueKeys: [{ paths: ['/email'] }] } });
    const { resource, etag } = await container.read();
    const body = { ...resource, id: 'items', defaultTtl: 5 };
    const condition = { accessCondition: { type: 'IfMatch', condition: etag } };
    const replaced = await container.replace(body, condition);
    expect(replaced.resource).toMatchObject({ defaultTtl: 5, _rid: resource?._rid });
    expect(replaced.etag).not.toBe(etag);
    expect((await refusal(container.replace(body, condition))).code).toBe(412);
    expect((await refusal(container.delete(condition))).code).toBe(412);
    const { partitionKey: _, ...withoutKey } = body;
    expect((await container.replace(withoutKey)).resource?.partitionKey).toEqual(resource?.partitionKey);
    const changes: Partial<ContainerRequest>[] = [
      { id: 'renamed' },
      { partitionKey: { paths: ['/other'] } },
      { uniqueKeyPolicy: { uniqueKeys: [] } },
      { conflictResolutionPolicy: { mode: 'LastWriterWins', conflictResolutionPath: '/n' } },
    ];
    for (const change of changes) {
      expect((await refusal(container.replace(Object.assign({}, body, change)))).code).toBe(400);
    }
  });

  it('say how much they hold', async () => {
    const { container } = await setUp();
    await container.items.create({ id: '1', pk: 'a', text: 'x'.repeat(2000) });
    await container.items.create({ id: '2', pk: 'a' });
    const { headers } = await container.read({ populateQuotaInfo: true });
    expect(headers['x-ms-resource-usage']).toContain('documentsSize=3;documentsCount=2;');
    expect(headers['x-ms-resource-quota']).toContain('collectionSize=10485760');
    expect(headers['x-ms-documentdb-collection-index-transformation-progress']).toBe('100');
    expect((await container.read()).headers).not.toHaveProperty('x-ms-resource-usage');
  });

  it('are found by resource ids, as are their items', async () => {
    const { client, container } = await setUp();
    await container.items.create({ id: '1', pk: 'a' });
    const self = (await container.read()).resource?._self.split('/') ?? [];
    const byRid = client.database(self[1] ?? '').container(self[3] ?? '');
    expect((await byRid.read()).resource?.id).toBe('items');
    expect((await byRid.item('1', 'a').read()).statusCode).toBe(200);
  });

  it('are named in the answers of what they hold, so that clients send session tokens back', async () => {
    const { emulator, client, container } = await setUp();
    const { _rid = '', _self = '' } = (await container.read()).resource ?? {};
    const { headers } = await container.items.create({ id: '1', pk: 'a' });
    expect(headers).toMatchObject({
      'x-ms-content-path': _rid,
      'x-ms-alt-content-path': 'dbs/db/colls/items',
    });
    const read = await rawRequest(emulator, { method: 'GET', path: `/${_self.slice(0, -1)}` });
    expect(read.headers.get('x-ms-alt-content-path')).toBe('dbs/db');
    expect(read.headers.get('x-ms-schemaversion')).toBe('1.18');
    const sent: string[] = [];
    const { httpClient, ...options } = emulator.clientOptions();
    const watched = new CosmosClient({
      ...options,
      consistencyLevel: ConsistencyLevel.Session,
      httpClient: {
        sendRequest: (request) => {
          sent.push(request.headers.get('x-ms-session-token') ?? '');
          return httpClient.sendRequest(request);
        },
      },
    });
    const items = watched.database('db').container('items');
    const { headers: written } = await items.items.create({ id: '2', pk: 'a' });
    await items.item('2', 'a').read();
    expect(sent.at(-1)).toBe(written['x-ms-session-token']);
    expect((await client.databases.readAll().fetchAll()).resources).toHaveLength(1);
  });

  it('tell that the database is missing', async () => {
    const { client } = await setUp();
    const missing = client.database('none');
    const created = await refusal(missing.containers.create({ id: 'c', partitionKey: onPk }));
    expect(created).toMatchObject({ code: 404, substatus: 1003 });
    expect((await refusal(missing.containers.readAll().fetchAll())).code).toBe(404);
  });
});

function twice(query: string): unknown {
  return [
    { name: 'x', query },
    { name: 'x', query },
  ];
}

describe('offers', () => {
  async function offerOf(owner: Container | Database): Promise<OfferDefinition> {
    const { resource } = await owner.readOffer();
    if (resource === undefined) throw new Error('There is no offer.');
    return resource;
  }

  it('come with throughput, are listed, queried and read, and go with their container', async () => {
    const { client, database: db } = await database();
    const { container, resource } = await db.containers.create({
      id: 'c',
      partitionKey: onPk,
      throughput: 700,
    });
    const { offer, resource: read } = await container.readOffer();
    expect(read).toMatchObject({
      offerVersion: 'V2',
      offerResourceId: resource?._rid,
      resource: resource?._self,
      content: { offerThroughput: 700, offerIsRUPerMinuteThroughputEnabled: false },
    });
    expect((await offer?.read())?.resource).toEqual(read);
    const query = {
      query: 'SELECT * FROM o WHERE o.id = @id',
      parameters: [{ name: '@id', value: offer?.id ?? '' }],
    };
    expect((await client.offers.query(query).fetchAll()).resources).toEqual([read]);
    await container.delete();
    expect((await client.offers.query(query).fetchAll()).resources).toEqual([]);
    expect((await refusal(client.offer(offer?.id ?? '').read())).code).toBe(404);
  });

  it('default to 400, or to what the database shares', async () => {
    const { client, container } = await setUp();
    expect((await offerOf(container)).content?.offerThroughput).toBe(400);
    const { database: shared } = await client.databases.create({ id: 'shared', throughput: 500 });
    const inside = await shared.containers.create({ id: 'c', partitionKey: onPk });
    const own = await shared.containers.create({ id: 'own', partitionKey: onPk, throughput: 600 });
    expect((await offerOf(shared)).content?.offerThroughput).toBe(500);
    expect((await inside.container.readOffer()).resource).toBeUndefined();
    expect((await offerOf(own.container)).content?.offerThroughput).toBe(600);
    expect((await client.database('db').readOffer()).resource).toBeUndefined();
  });

  it('are replaced in steps, under an ETag, and stay what they belong to', async () => {
    const { client, container } = await setUp();
    const before = await offerOf(container);
    const offer = client.offer(before.id ?? '');
    const raised = {
      ...before,
      content: { offerThroughput: 1000, offerIsRUPerMinuteThroughputEnabled: false },
    };
    const replaced = await offer.replace(raised);
    expect(replaced.resource?.content).toMatchObject({
      offerThroughput: 1000,
      offerMinimumThroughputParameters: { maxThroughputEverProvisioned: 1000 },
    });
    const stale = { accessCondition: { type: 'IfMatch', condition: 'stale' } };
    expect((await refusal(offer.replace(raised, stale))).code).toBe(412);
    const wrong: object[] = [
      { ...raised, id: 'other' },
      { ...raised, _rid: 'other' },
      { ...raised, offerResourceId: 'other' },
      { ...raised, content: undefined },
      ...[100, 450, 1_000_100, 'x'].map((offerThroughput) => ({ ...raised, content: { offerThroughput } })),
    ];
    for (const body of wrong) expect((await refusal(offer.replace(body))).code).toBe(400);
    expect((await offerOf(container)).content?.offerThroughput).toBe(1000);
  });

  it('scale by themselves between a tenth and a maximum', async () => {
    const { client, database: db } = await database();
    const autoUpgradePolicy = { throughputPolicy: { incrementPercent: 15 } };
    const { container } = await db.containers.create({
      id: 'c',
      partitionKey: onPk,
      maxThroughput: 4000,
      autoUpgradePolicy,
    });
    const before = await offerOf(container);
    expect(before.content).toMatchObject({
      offerThroughput: 400,
      offerAutopilotSettings: { maxThroughput: 4000, autoUpgradePolicy },
    });
    const offer = client.offer(before.id ?? '');
    const withMaximum = (maxThroughput: number): OfferDefinition =>
      Object.assign({}, before, { content: { offerAutopilotSettings: { maxThroughput } } });
    const { resource } = await offer.replace(withMaximum(6000));
    expect(resource?.content).toMatchObject({
      offerThroughput: 600,
      offerAutopilotSettings: { maxThroughput: 6000 },
    });
    for (const maximum of [500, 1500])
      expect((await refusal(offer.replace(withMaximum(maximum)))).code).toBe(400);
  });

  it('migrate between the two kinds by header alone', async () => {
    const { client, container } = await setUp({ throughput: 1500 });
    const manual = await offerOf(container);
    const offer = client.offer(manual.id ?? '');
    const autoscale = Object.assign({}, manual, {
      content: { offerAutopilotSettings: { maxThroughput: 4000 } },
    });
    expect((await refusal(offer.replace(autoscale))).code).toBe(400);
    const toAutoscale = { initialHeaders: { 'x-ms-cosmos-migrate-offer-to-autopilot': 'true' } };
    const migrated = await offer.replace(manual, toAutoscale);
    expect(migrated.resource?.content).toMatchObject({ offerAutopilotSettings: { maxThroughput: 2000 } });
    const toManual = { initialHeaders: { 'x-ms-cosmos-migrate-offer-to-manual-throughput': 'true' } };
    const back = await offer.replace(migrated.resource ?? {}, toManual);
    expect(back.resource?.content).toMatchObject({ offerThroughput: 2000 });
    expect(back.resource?.content).not.toHaveProperty('offerAutopilotSettings');
  });

  it.each([
    [{ throughput: 450 }, 'between 400 and 1000000 inclusive in increments of 100'],
    [{ maxThroughput: 1500 }, 'between 1000 and 1000000 inclusive in increments of 1000'],
  ])('refuse %j, and then nothing is created', async (throughput, message) => {
    const { client } = await setUp();
    const refused = await refusal(client.databases.create({ id: 'x', ...throughput }));
    expect(refused.code).toBe(400);
    expect(refused.message).toContain(message);
    expect((await refusal(client.database('x').read())).code).toBe(404);
  });
});

describe('users and permissions', () => {
  it('are created, listed, queried, upserted, renamed and deleted', async () => {
    const { database: db } = await database();
    const { user, statusCode } = await db.users.create({ id: 'ann' });
    expect(statusCode).toBe(201);
    expect((await refusal(db.users.create({ id: 'ann' }))).code).toBe(409);
    expect((await db.users.upsert({ id: 'ann' })).statusCode).toBe(200);
    expect((await db.users.upsert({ id: 'bob' })).statusCode).toBe(201);
    await user.permissions.create({
      id: 'p',
      permissionMode: 'read' as never,
      resource: 'dbs/db/colls/items',
    });
    expect((await user.replace({ id: 'anna' })).resource?.id).toBe('anna');
    expect((await refusal(user.read())).code).toBe(404);
    expect((await db.user('anna').permission('p').read()).resource?.resource).toBe('dbs/db/colls/items');
    expect((await refusal(db.user('anna').replace({ id: 'bob' }))).code).toBe(409);
    const query = { query: "SELECT VALUE u.id FROM u WHERE STARTSWITH(u.id, 'a')" };
    expect((await db.users.query(query).fetchAll()).resources).toEqual(['anna']);
    await db.user('anna').delete();
    expect((await db.users.readAll().fetchAll()).resources.map(({ id }) => id)).toEqual(['bob']);
  });

  it('belong together: one permission of a user for one resource', async () => {
    const { database: db } = await database();
    const { user } = await db.users.create({ id: 'ann' });
    const all = { permissionMode: 'all' as never, resource: 'dbs/db/colls/items' };
    const { permission, resource } = await user.permissions.create({ id: 'p', ...all });
    expect(resource?._token).toMatch(/^type=resource&ver=1.0&sig=.+;.+;$/);
    const rid = (await db.container('items').read()).resource?._self ?? '';
    for (const link of [all.resource, rid]) {
      expect((await refusal(user.permissions.create({ id: 'q', ...all, resource: link }))).code).toBe(409);
    }
    const forKey = { ...all, resourcePartitionKey: ['a'] };
    await user.permissions.create({ id: 'for key', ...forKey });
    expect((await refusal(user.permissions.create({ id: 'q', ...forKey }))).code).toBe(409);
    const renamed = await permission.replace({ id: 'r', ...all });
    expect(renamed.resource).toMatchObject({ id: 'r', _rid: resource?._rid });
    const upserted = await user.permissions.upsert({ id: 'r', ...all, permissionMode: 'read' as never });
    expect(upserted.resource).toMatchObject({ permissionMode: 'read' });
    const found = await user.permissions.query({ query: "SELECT * FROM p WHERE p.id = 'r'" }).fetchAll();
    expect(found.resources).toMatchObject([{ id: 'r', permissionMode: 'read' }]);
    await user.permission('r').delete();
    expect((await user.permissions.readAll().fetchAll()).resources.map(({ id }) => id)).toEqual(['for key']);
  });

  it.each<[object, number]>([
    [{ permissionMode: 'Write' }, 400],
    [{ permissionMode: 'Read', resource: undefined }, 400],
    [{ resource: 'dbs/db' }, 400],
    [{ resource: 'dbs/db/colls/none' }, 404],
    [{ resourcePartitionKey: ['a', 'b'] }, 400],
  ])('refuse a permission with %j', async (part, status) => {
    const { database: db } = await database();
    const { user } = await db.users.create({ id: 'ann' });
    const good = { id: 'p', permissionMode: 'Read', resource: 'dbs/db/colls/items' };
    expect((await refusal(user.permissions.create(Object.assign(good, part) as never))).code).toBe(status);
  });

  it('give no token for less than ten seconds or more than a day', async () => {
    const { database: db } = await database();
    const { user } = await db.users.create({ id: 'ann' });
    const permission = { id: 'p', permissionMode: 'read' as never, resource: 'dbs/db/colls/items' };
    for (const resourceTokenExpirySeconds of [9, 86_401]) {
      const refused = await refusal(user.permissions.create(permission, { resourceTokenExpirySeconds }));
      expect(refused.code).toBe(400);
    }
    expect((await user.permissions.readAll().fetchAll()).resources).toEqual([]);
  });
});

describe('a container of the time before partition keys', () => {
  it('is served to clients that know of no keys, and to those that do', async () => {
    const { emulator, client } = await setUp();
    const old = async (method: string, path: string, body?: Record<string, unknown>): Promise<number> => {
      const headers = { 'x-ms-version': '2018-06-18' };
      const sent = body === undefined ? {} : { body };
      return (await rawRequest(emulator, { method, path: `/dbs/db/colls${path}`, headers, ...sent })).status;
    };
    expect(await old('POST', '', { id: 'old' })).toBe(201);
    expect(await old('POST', '/old/docs', { id: '1' })).toBe(201);
    expect(await old('GET', '/old/docs/1')).toBe(200);
    expect(await old('PUT', '/old/docs/1', { id: '1', v: 2 })).toBe(200);
    const container = client.database('db').container('old');
    expect((await container.item('1').read()).resource).toMatchObject({ v: 2 });
    expect((await container.items.create({ id: '2' })).statusCode).toBe(201);
    expect(await old('DELETE', '/old/docs/2')).toBe(204);
    expect((await container.items.readAll().fetchAll()).resources).toHaveLength(1);
  });
});

describe('what else a container and a database have', () => {
  it('has no conflicts', async () => {
    const { container } = await setUp();
    expect((await container.conflicts.readAll().fetchAll()).resources).toEqual([]);
    expect((await container.conflicts.query('SELECT * FROM c').fetchAll()).resources).toEqual([]);
    expect((await refusal(container.conflict('1').read())).code).toBe(404);
    expect((await refusal(container.conflict('1', 'a').delete())).code).toBe(404);
  });

  it('deletes all items of one partition key', async () => {
    const { container } = await setUp({}, { partitions: 3 });
    for (const pk of ['a', 'b']) for (const id of ['1', '2']) await container.items.create({ id, pk });
    expect((await container.deleteAllItemsForPartitionKey('a')).statusCode).toBe(200);
    expect((await container.items.query('SELECT c.pk, c.id FROM c').fetchAll()).resources).toEqual([
      { pk: 'b', id: '1' },
      { pk: 'b', id: '2' },
    ]);
    expect((await container.deleteAllItemsForPartitionKey('none')).statusCode).toBe(200);
  });

  it('keeps wrapped encryption keys', async () => {
    const { emulator } = await setUp();
    const path = '/dbs/db/clientencryptionkeys';
    const body = {
      id: 'key',
      encryptionAlgorithm: 'AEAD_AES_256_CBC_HMAC_SHA256',
      wrappedDataEncryptionKey: 'AAAA',
      keyWrapMetadata: { name: 'k', type: 'test', value: 'v', algorithm: 'RSA-OAEP' },
    };
    const created = await rawRequest(emulator, { method: 'POST', path, body });
    expect(created).toMatchObject({ status: 201, body });
    const one = `${path}/key`;
    const etag = created.headers.get('etag') ?? '';
    const rewrapped = { ...body, wrappedDataEncryptionKey: 'BBBB' };
    const replace = { method: 'PUT', path: one, body: rewrapped, headers: { 'if-match': etag } };
    expect((await rawRequest(emulator, replace)).status).toBe(200);
    expect((await rawRequest(emulator, replace)).status).toBe(412);
    expect((await rawRequest(emulator, { method: 'GET', path: one })).body).toMatchObject(rewrapped);
    expect((await rawRequest(emulator, { method: 'GET', path })).body).toMatchObject({ _count: 1 });
    expect((await rawRequest(emulator, { method: 'POST', path, body: { id: 'x' } })).status).toBe(400);
    expect((await rawRequest(emulator, { method: 'DELETE', path: one })).status).toBe(405);
  });
});

describe('requests that make no sense', () => {
  it.each<[string, string, number]>([
    ['PATCH', '/dbs/db', 405],
    ['PUT', '/dbs/db', 405],
    ['PUT', '/dbs', 405],
    ['DELETE', '/dbs', 405],
    ['POST', '/dbs/db/colls/items', 405],
    ['POST', '/', 405],
    ['OPTIONS', '/dbs', 405],
    ['GET', '/nothing', 404],
    ['GET', '/dbs/db/nothing', 404],
    ['POST', '/dbs/db/colls/items/operations/other', 404],
    ['GET', '/dbs/..', 404],
    ['GET', '/dbs/../../etc/passwd', 404],
    ['GET', '/dbs/db%2Fcolls%2Fitems', 404],
    ['GET', '/dbs/%00', 404],
    ['GET', '/dbs/__proto__', 404],
    ['GET', '/offers/constructor', 404],
  ])('%s %s is refused with %i', async (method, path, status) => {
    const { emulator } = await setUp();
    expect((await rawRequest(emulator, { method, path })).status).toBe(status);
  });

  it('are refused for a path that does not decode, or a body that is no JSON object', async () => {
    const { emulator } = await setUp();
    const broken = await rawRequest(emulator, { method: 'GET', path: '/dbs/%ff', authorization: 'x' });
    expect(broken.status).toBe(400);
    for (const body of ['{', '[]', '7', '']) {
      for (const path of ['/dbs', '/dbs/db/colls', '/dbs/db/users']) {
        expect((await rawRequest(emulator, { method: 'POST', path, body })).status).toBe(400);
      }
    }
  });

  it('do not depend on the version that a client asks for', async () => {
    const { emulator } = await setUp();
    const headers = { 'x-ms-version': '1999-01-01' };
    expect((await rawRequest(emulator, { method: 'GET', path: '/dbs', headers })).status).toBe(200);
  });
});
