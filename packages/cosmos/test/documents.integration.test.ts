import {
  canonicalJson,
  defineEntity,
  type Entity,
  encodeVersion,
  isJsonObject,
  type JsonObject,
  planQuery,
  type RecordKey,
  recordDigest,
  UNSTAMPED,
} from '@polyphase/core';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { compositeIndexesFor, cosmosStore } from '../src/index.ts';
import { toPartitionKey } from '../src/partition-key.ts';
import { type CosmosSetup, createContainer, setUpCosmos } from './cosmos-setup.ts';

const Account = defineEntity({
  name: 'accounts',
  schema: z.object({ id: z.string(), tenantId: z.string(), email: z.string().optional() }),
  key: { partition: 'tenantId', id: 'id' },
  indexes: [{ fields: ['email'], unique: 'partition' }],
});
const Loose = defineEntity({
  name: 'loose',
  schema: z.object({ id: z.string(), kind: z.string() }),
  key: { partition: 'kind', id: 'id' },
  loose: true,
});
const Reading = defineEntity({
  name: 'readings',
  schema: z.object({
    id: z.string(),
    site: z.string(),
    line: z.object({ no: z.number() }),
    year: z.number(),
  }),
  key: { partition: ['site', 'line.no', 'year'], id: 'id' },
});

let setup: CosmosSetup | undefined;
afterEach(async () => {
  await setup?.close();
  setup = undefined;
});

async function setUp(entities: readonly Entity[], partitions = 1): Promise<CosmosSetup> {
  setup = await setUpCosmos(entities, { emulator: { partitions } });
  return setup;
}

// What stands in the container, as any other client sees it.
async function raw({ store }: CosmosSetup, entity: Entity, key: RecordKey): Promise<JsonObject> {
  const { resource } = await store.container(entity).item(key.id, toPartitionKey(key.partition)).read();
  const document: unknown = resource;
  if (!isJsonObject(document)) throw new Error('There is no such document.');
  return document;
}

const account = (id: string, email: string): JsonObject => ({ id, tenantId: 't', email });
const accountKey = (id: string): RecordKey => ({ partition: ['t'], id });

describe('a stored document', () => {
  it('is the value itself with one reserved field', async () => {
    const cosmos = await setUp([Account]);
    const value = account('a', 'a@example.org');
    await cosmos.store
      .records(Account)
      .write({ kind: 'create', key: accountKey('a'), operationId: 'op', value }, { term: 3 });
    const { _h, _rid, _self, _etag, _ts, _attachments, ...rest } = await raw(
      cosmos,
      Account,
      accountKey('a'),
    );
    expect(rest).toEqual(value);
    expect(_h).toEqual({
      t: 3,
      c: expect.any(Number),
      o: [['op', 3, expect.any(Number)]],
      d: recordDigest(value),
      b: expect.any(Number),
    });
    expect([_rid, _self, _etag, _ts, _attachments].every((field) => field !== undefined)).toBe(true);
  });

  it('keeps id and partition alone as a tombstone, and takes no unique value with it', async () => {
    const cosmos = await setUp([Account]);
    const records = cosmos.store.records(Account);
    for (const id of ['a', 'b', 'c']) {
      await records.write(
        {
          kind: 'create',
          key: accountKey(id),
          operationId: `c-${id}`,
          value: account(id, 'one@example.org'),
        },
        { term: 1 },
      );
      // Three tombstones in one partition, and the address is free each time.
      await records.write({ kind: 'delete', key: accountKey(id), operationId: `d-${id}` }, { term: 1 });
    }
    const document = await raw(cosmos, Account, accountKey('b'));
    expect(Object.keys(document).filter((name) => !name.startsWith('_'))).toEqual(
      expect.arrayContaining(['id', 'tenantId', 'email', 'ttl']),
    );
    expect(document).toMatchObject({ id: 'b', tenantId: 't', email: 'b', ttl: -1, _h: { x: true } });
    expect((await records.read(accountKey('b')))?.value).toBeUndefined();
  });

  it('is the digest of its body, whatever its stamp says', async () => {
    const cosmos = await setUp([Account]);
    const records = cosmos.store.records(Account);
    const { record } = await records.write(
      { kind: 'create', key: accountKey('a'), operationId: 'op', value: account('a', 'x') },
      { term: 1 },
    );
    const document = await raw(cosmos, Account, accountKey('a'));
    await cosmos.store.container(Account).items.upsert({ ...document, email: 'changed' });
    const after = await records.read(accountKey('a'));
    expect(after?.version).toEqual(record.version);
    expect(after?.digest).toBe(recordDigest(account('a', 'changed')));
  });
});

describe('a document that another program wrote', () => {
  it('has no version of its own, and is changed under its ETag', async () => {
    const cosmos = await setUp([Account]);
    const records = cosmos.store.records(Account);
    await cosmos.store.container(Account).items.create({ ...account('a', 'x'), more: [1] });
    const record = await records.read(accountKey('a'));
    expect(record?.version).toEqual(UNSTAMPED);
    expect(record?.value).toEqual({ ...account('a', 'x'), more: [1] });
    const ifVersion = encodeVersion(UNSTAMPED, record?.etag);
    const change = { kind: 'patch', key: accountKey('a'), patch: { email: 'y' }, ifVersion } as const;
    await cosmos.store.container(Account).items.upsert({ ...account('a', 'z') });
    await expect(records.write({ ...change, operationId: 'late' }, { term: 1 })).rejects.toMatchObject({
      code: 'conflict',
    });
    const fresh = await records.read(accountKey('a'));
    const { record: stamped } = await records.write(
      { ...change, operationId: 'op', ifVersion: encodeVersion(UNSTAMPED, fresh?.etag) },
      { term: 1 },
    );
    expect(stamped.version.term).toBe(1);
    expect(stamped.version.counter).toBeGreaterThan(1_000_000_000_000);
  });

  it('may lack its partition value', async () => {
    const cosmos = await setUp([Loose, Reading]);
    await cosmos.store.container(Loose).items.create({ id: 'a', note: 'no kind' });
    await cosmos.store.container(Reading).items.create({ id: 'b', site: 's', year: 7 });
    const plan = (entity: Entity) => planQuery(entity, {}).plan;
    expect((await cosmos.store.records(Loose).query(plan(Loose))).map((record) => record.key)).toEqual([
      { partition: [undefined], id: 'a' },
    ]);
    const [reading] = await cosmos.store.records(Reading).query(plan(Reading));
    expect(reading?.key).toEqual({ partition: ['s', undefined, 7], id: 'b' });
    const read = await cosmos.store.records(Reading).read({ partition: ['s', undefined, 7], id: 'b' });
    expect(read).toMatchObject({ key: reading?.key, value: reading?.value });
    expect(await cosmos.store.records(Reading).read({ partition: ['s', null, 7], id: 'b' })).toBeUndefined();
    await cosmos.store
      .records(Loose)
      .write({ kind: 'delete', key: { partition: [undefined], id: 'a' }, operationId: 'op' }, { term: 1 });
    expect(await cosmos.store.records(Loose).count()).toBe(0);
  });

  it('is left alone when it uses the reserved field for something else', async () => {
    const cosmos = await setUp([Account]);
    const document = { ...account('a', 'x'), _h: 'mine' };
    await cosmos.store.container(Account).items.create(document);
    const intent = {
      kind: 'upsert',
      key: accountKey('a'),
      operationId: 'op',
      value: account('a', 'y'),
    } as const;
    await expect(cosmos.store.records(Account).write(intent, { term: 1 })).rejects.toMatchObject({
      code: 'invalid-data',
    });
    expect(await raw(cosmos, Account, accountKey('a'))).toMatchObject(document);
  });

  it('is hidden like our own when its id is reserved', async () => {
    const cosmos = await setUp([Account], 2);
    const records = cosmos.store.records(Account);
    await cosmos.store.container(Account).items.create(account('hyb:mine', 'x'));
    await records.write(
      { kind: 'create', key: accountKey('a'), operationId: 'op', value: account('a', 'y') },
      { term: 1 },
    );
    expect(await records.count()).toBe(1);
    expect((await records.query(planQuery(Account, {}).plan)).map((record) => record.key.id)).toEqual(['a']);
    const scanned = [];
    for await (const page of records.scan()) scanned.push(...page);
    expect(scanned.map((summary) => summary.key.id)).toEqual(['a']);
  });
});

describe('property: document, store, document', () => {
  // A name that ends with a backslash is refused: JSON.parse of Node 24 misreads other names once it has seen one.
  const name = fc
    .oneof(
      fc.constantFrom(
        '__proto__',
        'constructor',
        'toString',
        '',
        'a.b',
        '"',
        '\\a',
        'ttl',
        'type',
        '$',
        '/',
        ' ',
        'é',
        '😀',
        '\u0001',
        'nested',
      ),
      fc.string({ unit: 'grapheme' }),
    )
    .filter((text) => !text.endsWith('\\'));
  // Numbers as JSON carries them: finite, and no negative zero.
  const number = fc
    .oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }))
    .map((n) => n + 0);
  const scalar = fc.oneof(
    fc.constantFrom<null | boolean>(null, true, false),
    number,
    fc.string({ unit: 'binary' }),
    fc.constantFrom('', '\u2028', '\uffff', '\u{10ffff}', '2026-01-01T00:00:00+05:30'),
  );
  const { value: json } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      scalar,
      fc.array(tie('value'), { maxLength: 4 }),
      fc.array(fc.tuple(name, tie('value')), { maxLength: 4 }).map((entries) => Object.fromEntries(entries)),
    ),
  }));
  const system = new Set([
    '_h',
    '_rid',
    '_self',
    '_etag',
    '_ts',
    '_attachments',
    '_lsn',
    '_metadata',
    'id',
    'kind',
    'ttl',
  ]);
  const document = fc
    .array(fc.tuple(name, json), { maxLength: 6 })
    .map((entries) => Object.fromEntries(entries.filter(([field]) => !system.has(field))));

  it('is the identity, whether we or others wrote it: read, queried and fed', async () => {
    const cosmos = await setUp([Loose]);
    const records = cosmos.store.records(Loose);
    const feed = cosmos.store.changes(Loose);
    const [range] = await feed.ranges();
    if (!range) throw new Error('There is no range.');
    let position: string | undefined;
    let run = 0;
    await fc.assert(
      fc.asyncProperty(document, fc.boolean(), async (fields, ours) => {
        run += 1;
        const key: RecordKey = { partition: [`k${run}`], id: 'it' };
        const value: JsonObject = { ...fields, id: 'it', kind: `k${run}` };
        if (ours) await records.write({ kind: 'create', key, operationId: 'op', value }, { term: 1 });
        else await cosmos.store.container(Loose).items.create({ ...value });
        const same = (found: JsonObject | undefined): void => {
          expect(canonicalJson(found ?? null)).toBe(canonicalJson(value));
        };
        same((await records.read(key))?.value);
        const plan = planQuery(Loose, { where: { kind: `k${run}` } }).plan;
        same((await records.query(plan))[0]?.value);
        const page = await feed.read(range, position);
        const change = page.changes.at(-1);
        // What PostgreSQL cannot hold (a lone surrogate, NUL) is unmappable; the rest is a record.
        same(change?.kind === 'record' ? change.record.value : value);
        expect(change?.kind === 'unmappable' ? change.issues : [change]).not.toHaveLength(0);
        position = page.position;
      }),
      { numRuns: 200 },
    );
  });
});

describe('prepare and verify', () => {
  it('refuse an id field of another name', async () => {
    const { database } = await setUp([]);
    const Named = defineEntity({
      name: 'named',
      schema: z.object({ code: z.string(), t: z.string() }),
      key: { partition: 't', id: 'code' },
    });
    await expect(cosmosStore({ database }).prepare([Named])).rejects.toThrow(/name the field "id"/);
  });

  it('refuse another partition key', async () => {
    const { database } = await setUp([Account]);
    await expect(
      cosmosStore({ database, map: { loose: { container: 'accounts' } } }).prepare([Loose]),
    ).rejects.toThrow(/partitioned by \/tenantId, the entity by \/kind/);
  });

  it('pass a container that was made with what the entity needs', async () => {
    const { store } = await setUp([Account, Reading]);
    for (const entity of [Account, Reading])
      expect((await store.verify(entity)).filter((answer) => !answer.passed)).toEqual([]);
  });

  it('tell exactly what a bare container lacks', async () => {
    const { database, store } = await setUp([]);
    await database.containers.create({
      id: 'accounts',
      partitionKey: { paths: ['/tenantId'] },
      defaultTtl: 60,
    });
    const failed = (await store.verify(Account)).filter((answer) => !answer.passed);
    expect(failed.map((answer) => answer.name)).toEqual([
      'composite index /tenantId, /id',
      'composite index /email, /tenantId, /id',
      'unique key /email',
      'time to live',
    ]);
    expect(failed.at(-1)?.wanted).toBe('declare in entity "accounts" what the container says: ttl: "60s"');
    for (const [i, index] of compositeIndexesFor(Account).entries())
      expect(failed[i]?.wanted).toContain(JSON.stringify(index));
  });

  it('say which index is missing when a query meets a container without it', async () => {
    const { database, store } = await setUp([]);
    await database.containers.create({ id: 'accounts', partitionKey: { paths: ['/tenantId'] } });
    await expect(store.records(Account).query(planQuery(Account, {}).plan)).rejects.toThrow(
      /composite index/,
    );
  });

  it('name the container of leases when entities are in several', async () => {
    const { store } = await setUp([Account, Loose]);
    await expect(store.leases.acquire('x', 'me', 1_000)).rejects.toThrow(/control/);
  });
});

describe('request charges', () => {
  it('are added up by entity and operation', async () => {
    const cosmos = await setUp([Account, Loose]);
    await cosmos.store.records(Account).read(accountKey('a'));
    await cosmos.store.records(Account).read(accountKey('a'));
    await cosmos.store.records(Loose).count();
    const charges = cosmos.store.requestCharges();
    expect(charges.find((sum) => sum.entity === 'accounts' && sum.operation === 'read')).toMatchObject({
      requests: 2,
    });
    expect(
      charges.find((sum) => sum.entity === 'loose' && sum.operation === 'count')?.requestUnits,
    ).toBeGreaterThan(0);
  });

  it('know a container by the entity, not by its own name', async () => {
    const { database } = await setUp([]);
    await createContainer(database, Account, 'elsewhere');
    const store = cosmosStore({ database, map: { accounts: { container: 'elsewhere' } } });
    await store.prepare([Account]);
    expect(store.requestCharges().map((sum) => sum.entity)).toEqual(['accounts']);
  });
});
