import { randomUUID } from 'node:crypto';
import { CosmosClient, PartitionKeyDefinitionVersion } from '@azure/cosmos';
import {
  defineEntity,
  type Entity,
  InvalidOptionsError,
  type JsonObject,
  keyOfValue,
  planQuery,
  repositoryIn,
  type StoredRecord,
} from '@polyphase/core';
import { CosmosEmulator } from '@polyphase/cosmos-emulator';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type CosmosMap, type CosmosStore, compositeIndexesFor, cosmosStore } from '../src/index.ts';
import { setUpCosmos } from './cosmos-setup.ts';

// The schema names the field that tells accounts apart; of sessions it is the mapping's alone.
const Account = defineEntity({
  name: 'accounts',
  schema: z.object({
    id: z.string(),
    tenantId: z.string(),
    type: z.literal('account'),
    n: z.number().optional(),
  }),
  key: { partition: 'tenantId', id: 'id' },
  indexes: [{ fields: ['n'] }],
});
const Session = defineEntity({
  name: 'sessions',
  schema: z.object({ id: z.string(), tenantId: z.string(), n: z.number().optional() }),
  key: { partition: 'tenantId', id: 'id' },
  indexes: [{ fields: ['n'] }],
});
const map: CosmosMap = {
  accounts: { container: 'app', discriminator: { type: 'account' } },
  sessions: { container: 'app', discriminator: { type: 'session', v: 2 } },
};

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function setUp(partitions = 1): Promise<CosmosStore> {
  const { store, database, close } = await setUpCosmos([], { emulator: { partitions }, store: { map } });
  closing.push(close);
  await database.containers.create({
    id: 'app',
    partitionKey: { paths: ['/tenantId'], version: PartitionKeyDefinitionVersion.V2 },
    indexingPolicy: { compositeIndexes: compositeIndexesFor(Account) },
    defaultTtl: -1,
  });
  await store.prepare([Account, Session]);
  return store;
}

const account = (id: string, fields: JsonObject = {}): JsonObject => ({
  id,
  tenantId: 't',
  type: 'account',
  ...fields,
});
const session = (id: string, fields: JsonObject = {}): JsonObject => ({ id, tenantId: 't', ...fields });

async function create(store: CosmosStore, entity: Entity, value: JsonObject): Promise<StoredRecord> {
  const key = keyOfValue(entity, value);
  const intent = { kind: 'create', key, operationId: randomUUID(), value } as const;
  return (await store.records(entity).write(intent, { term: 1 })).record;
}

const raw = async (store: CosmosStore, id: string): Promise<unknown> =>
  (await store.container(Account).item(id, 't').read()).resource;

const failure = async (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => undefined,
    (error: unknown) => error,
  );

async function idsIn(store: CosmosStore, entity: Entity): Promise<readonly string[]> {
  const ids: string[] = [];
  for await (const page of store.records(entity).scan()) ids.push(...page.map((that) => that.key.id));
  return ids.toSorted();
}

describe('entities that share a container', () => {
  it('see their own documents only, in queries, counts, scans and feeds', async () => {
    const store = await setUp();
    const { items } = store.container(Account);
    await create(store, Account, account('a'));
    await create(store, Session, session('s'));
    // Unstamped ones: of each entity, of another type, of none, and one that is a session of another version.
    for (const type of ['account', 'session', 'order', undefined])
      await items.create({ id: `raw-${type}`, tenantId: 't', type, v: 2 });
    await items.create({ id: 'v1', tenantId: 't', type: 'session', v: 1 });
    for (const [entity, ids] of [
      [Account, ['a', 'raw-account']],
      [Session, ['raw-session', 's']],
    ] as const) {
      const records = store.records(entity);
      expect(await records.count()).toBe(2);
      expect((await records.query(planQuery(entity, {}).plan)).map((that) => that.key.id)).toEqual(ids);
      expect(await idsIn(store, entity)).toEqual(ids);
      const [range] = await store.changes(entity).ranges();
      const page = range && (await store.changes(entity).read(range, undefined));
      expect(page?.changes.map((that) => that.kind === 'record' && that.record.key.id).toSorted()).toEqual(
        ids,
      );
    }
    expect(await raw(store, 'raw-order')).not.toHaveProperty('_h');
  });

  it('keep a field of the mapping out of values, in every document and tombstone', async () => {
    const store = await setUp();
    const { value } = await create(store, Session, session('s'));
    expect(value).toEqual(session('s'));
    expect((await store.records(Session).read({ partition: ['t'], id: 's' }))?.value).toEqual(session('s'));
    expect(await raw(store, 's')).toMatchObject({ type: 'session', v: 2 });
    const key = { partition: ['t'], id: 's' };
    await store.records(Session).write({ kind: 'delete', key, operationId: 'd' }, { term: 1 });
    expect(await raw(store, 's')).toMatchObject({ type: 'session', v: 2, _h: { x: true } });
    expect(await idsIn(store, Session)).toEqual(['s']);
  });

  it('keep a field of the schema in values, where it must be what tells them apart', async () => {
    const store = await setUp();
    await create(store, Account, account('a'));
    expect((await store.records(Account).read({ partition: ['t'], id: 'a' }))?.value).toEqual(account('a'));
    const wrong = await failure(create(store, Account, { ...account('b'), type: 'session' }));
    expect(wrong).toMatchObject({ code: 'invalid-data', issues: [{ path: ['type'] }] });
    expect(await raw(store, 'b')).toBeUndefined();
  });

  it('lose no field of a value whose name the mapping took', async () => {
    const store = await setUp();
    const value = session('s', { type: { of: 'mine' }, v: null });
    const { digest } = await create(store, Session, value);
    const records = store.records(Session);
    expect(await records.read({ partition: ['t'], id: 's' })).toMatchObject({ value, digest });
    expect(await raw(store, 's')).toMatchObject({ type: 'session', v: 2 });
    const found = async (where: object) =>
      (await records.query(planQuery(Session, { where }).plan)).map((that) => that.key.id);
    await create(store, Session, session('t'));
    expect(await found({ 'type.of': 'mine' })).toEqual(['s']);
    expect(await found({ type: 'session' })).toEqual([]);
    expect(await found({ not: { type: { exists: true } } })).toEqual(['t']);
  });

  it('say so when an id is taken by a document of another type, in writes and copies, and leave it alone', async () => {
    const store = await setUp();
    await create(store, Account, account('x'));
    const before = await raw(store, 'x');
    const records = store.records(Session);
    const key = { partition: ['t'], id: 'x' };
    const value = session('x');
    const writes = [
      { kind: 'create', key, operationId: '1', value },
      { kind: 'upsert', key, operationId: '2', value },
      { kind: 'delete', key, operationId: '3' },
    ] as const;
    for (const intent of writes)
      expect(await failure(records.write(intent, { term: 1 }))).toMatchObject({
        code: 'already-exists',
        message: expect.stringContaining('not of sessions has this id in this partition'),
      });
    const replace = { kind: 'replace', key, operationId: '4', value } as const;
    expect(await failure(records.write(replace, { term: 1 }))).toMatchObject({ code: 'not-found' });
    const version = { term: 2, counter: 1 };
    const copy = { record: { key, version, value, digest: 'd', operations: [] } };
    expect(await failure(records.apply([copy]))).toMatchObject({ code: 'already-exists' });
    expect(await records.read(key)).toBeUndefined();
    expect(await raw(store, 'x')).toEqual(before);
  });

  it('commit together in one unit of work, reads inside seeing each other’s place', async () => {
    const store = await setUp();
    await create(store, Account, account('a'));
    const options = { operationId: 'unit', fenceOf: () => ({ term: 1 }) };
    const unit = (id: string) =>
      store.runUnit(async (work) => {
        const write = (entity: Entity, value: JsonObject) =>
          work
            .records(entity)
            .write({ kind: 'upsert', key: keyOfValue(entity, value), operationId: 'unit', value });
        await write(Account, account('a', { n: 1 }));
        await write(Session, session(id, { n: 1 }));
        return (await work.records(Session).query(planQuery(Session, {}).plan)).map((that) => that.key.id);
      }, options);
    // An id that the unit itself gives to a record of the other type.
    expect(await failure(unit('a'))).toMatchObject({ code: 'already-exists' });
    expect(await raw(store, 'a')).not.toHaveProperty('n');
    const { result, written } = await unit('s');
    expect(result).toEqual(['s']);
    expect(written.map((that) => that.entity.name)).toEqual(['accounts', 'sessions']);
    expect([await raw(store, 'a'), await raw(store, 's')]).toMatchObject([
      { n: 1 },
      { n: 1, type: 'session' },
    ]);
  });

  it('fail a unit as one when an id is taken meanwhile by another type', async () => {
    const store = await setUp();
    const outcome = await failure(
      store.runUnit(
        async (work) => {
          const write = (entity: Entity, value: JsonObject) =>
            work
              .records(entity)
              .write({ kind: 'create', key: keyOfValue(entity, value), operationId: 'u', value });
          await write(Account, account('a'));
          await write(Session, session('s'));
          await store.container(Account).items.create({ id: 's', tenantId: 't', type: 'order' });
        },
        { operationId: 'u', fenceOf: () => ({ term: 1 }) },
      ),
    );
    expect(outcome).toMatchObject({
      code: 'already-exists',
      message: expect.stringContaining('not of sessions'),
    });
    expect(await raw(store, 'a')).toBeUndefined();
  });

  it('have permits, leases, markers and checkpoints of their own', async () => {
    const store = await setUp();
    const permit = {
      epoch: 1,
      open: true,
      opening: 1,
      term: 1,
      leaseMs: 30_000,
      drainMs: 30_000,
      tombstones: false,
    };
    await store.permits.create('accounts', permit);
    expect(await store.permits.read('sessions')).toBeUndefined();
    await store.permits.create('sessions', { ...permit, open: false });
    expect(await store.permits.renew('accounts', 'me')).toMatchObject({ term: 1 });
    expect(await store.permits.renew('sessions', 'me')).toBeUndefined();
    await store.checkpoints.advance({ name: 'feed:accounts:x', expected: 0, position: 'p' });
    expect((await store.checkpoints.list('feed:sessions:')).size).toBe(0);
    // Both are sent into one range: each comes out for whoever sent it.
    await create(store, Account, account('a'));
    await create(store, Session, session('s'));
    for (const entity of [Account, Session, Account]) {
      const feed = store.changes(entity);
      const [range] = await feed.ranges();
      if (!range) throw new Error('no range');
      const marker = await feed.mark(range);
      const { position, changes } = await feed.read(range, undefined);
      expect([feed.passed(undefined, marker), feed.passed(position, marker)]).toEqual([false, true]);
      expect(changes).toHaveLength(1);
    }
    expect(await store.records(Account).count()).toBe(1);
  });

  it('are repositories like any other', async () => {
    const store = await setUp();
    const sessions = repositoryIn(store, Session);
    await sessions.create({ id: 's', tenantId: 't', n: 1 });
    const stored = await sessions.get({ tenantId: 't', id: 's' });
    expect(stored?.value).toEqual({ id: 's', tenantId: 't', n: 1 });
    await sessions.patch({ tenantId: 't', id: 's' }, { n: 2 });
    expect(await raw(store, 's')).toMatchObject({ type: 'session', n: 2 });
  });
});

describe('a map', () => {
  const { database } = new CosmosClient(new CosmosEmulator().clientOptions()).database('app').container('x');
  const problemsOf = (entries: object): readonly string[] => {
    try {
      cosmosStore({ database, map: { ...entries } });
      return [];
    } catch (error) {
      return InvalidOptionsError.isInstance(error) ? error.problems : [];
    }
  };

  it('is refused with every problem', () => {
    expect(
      problemsOf({
        a: { container: '' },
        b: { discriminator: {} },
        c: { discriminator: { type: ['x'], id: 'x', _h: 1 } },
        d: 'app',
        f: { deletes: 'soft' },
        e: { containers: 'x' },
      }),
    ).toEqual([
      'map.a.container must be the name of a container',
      'map.b.discriminator must name at least one field with its value',
      'map.c.discriminator.type must be text, a finite number, a boolean or null',
      'map.c.discriminator.id has a meaning of its own in every document',
      'map.c.discriminator._h has a meaning of its own in every document',
      'map.d must be an object with container, discriminator, deletes or otherReaders',
      'map.f.deletes must be "hard", or left out',
      'map.e.containers is no option of a map',
    ]);
  });

  it.each([
    ['no discriminator at all', {}, {}, false],
    ['one without', {}, { type: 'a' }, false],
    ['different fields', { type: 'a' }, { kind: 'b' }, false],
    ['the same value', { type: 'a' }, { type: 'a', v: 1 }, false],
    ['another value', { type: 'a' }, { type: 'b' }, true],
    ['another type of value', { type: 1 }, { type: '1' }, true],
    ['null and a value', { type: null }, { type: 'a' }, true],
  ])('tells whether two entities exclude each other: %s', async (_, one, other, excludes) => {
    const place = (fields: object) => ({
      container: 'app',
      ...(Object.keys(fields).length === 0 ? {} : { discriminator: { ...fields } }),
    });
    const store = cosmosStore({ database, map: { accounts: place(one), sessions: place(other) } });
    store.container(Account);
    const problems = (): readonly string[] => {
      try {
        store.container(Session);
        return [];
      } catch (error) {
        return InvalidOptionsError.isInstance(error) ? error.problems : ['something else'];
      }
    };
    const overlap = expect.stringContaining('a document could be of both');
    expect(problems()).toEqual(excludes ? [] : [overlap]);
  });

  it('refuses entities that overlap with a line for each pair, before any request', async () => {
    const Other = defineEntity({
      name: 'others',
      schema: z.object({ id: z.string(), tenantId: z.string() }),
      key: { partition: 'tenantId', id: 'id' },
    });
    const place = { container: 'app' };
    const store = cosmosStore({ database, map: { accounts: place, sessions: place, others: place } });
    const refused = await failure(store.prepare([Account, Session, Other]));
    expect(refused).toMatchObject({ code: 'invalid-options' });
    expect(refused).toHaveProperty('problems.length', 3);
  });
});

describe('verify', () => {
  it('counts a unique key that the discriminator is part of, and names one that the entity does not declare', async () => {
    const Member = defineEntity({
      name: 'members',
      schema: z.object({ id: z.string(), tenantId: z.string(), email: z.string(), nick: z.string() }),
      key: { partition: 'tenantId', id: 'id' },
      indexes: [{ fields: ['email'], unique: 'partition' }],
    });
    const { store, database, close } = await setUpCosmos([], {
      store: { map: { members: { discriminator: { type: 'member' } } } },
    });
    closing.push(close);
    await database.containers.create({
      id: 'members',
      partitionKey: { paths: ['/tenantId'] },
      indexingPolicy: { compositeIndexes: compositeIndexesFor(Member) },
      uniqueKeyPolicy: { uniqueKeys: [{ paths: ['/type', '/email'] }, { paths: ['/nick'] }] },
    });
    const answers = await store.verify(Member);
    expect(answers.find((that) => that.name === 'unique key /email')?.passed).toBe(true);
    const failed = answers.filter((that) => !that.passed);
    expect(failed.map((that) => that.name)).toEqual(['unique key /nick of the container']);
    expect(failed[0]?.wanted).toContain('{ fields: ["nick"], unique: "partition" }');
    // Tombstones clash on neither.
    for (const id of ['a', 'b']) {
      const member = { id, tenantId: 't', email: `${id}@x`, nick: id };
      await create(store, Member, member);
      const intent = { kind: 'delete', key: keyOfValue(Member, member), operationId: `d-${id}` } as const;
      await store.records(Member).write(intent, { term: 1 });
    }
    expect(await store.records(Member).count()).toBe(0);
  });
});

describe('a hierarchical partition key', () => {
  const Reading = defineEntity({
    name: 'readings',
    schema: z.object({ id: z.string(), site: z.string(), line: z.object({ no: z.number() }) }),
    key: { partition: ['site', 'line.no'], id: 'id' },
  });

  it('is asked only where the first levels of a query lie', async () => {
    const asked: string[] = [];
    const { store, close } = await setUpCosmos([Reading], {
      emulator: { partitions: 8 },
      between: (inner) => ({
        ...inner,
        sendRequest: async (request) => {
          const range = new Headers([...request.headers]).get('x-ms-documentdb-partitionkeyrangeid');
          if (range !== null) asked.push(range);
          return inner.sendRequest(request);
        },
      }),
    });
    closing.push(close);
    for (let i = 0; i < 40; i += 1)
      await create(store, Reading, { id: `${i}`, site: `s${i % 4}`, line: { no: i } });
    const records = store.records(Reading);
    const under = async (where: object) => {
      asked.length = 0;
      const found = await records.query(planQuery(Reading, { where }).plan);
      return { ids: found.map((that) => that.key.id).toSorted(), ranges: new Set(asked).size };
    };
    expect((await under({})).ranges).toBe(8);
    const expected = Array.from({ length: 40 }, (_, i) => i).filter((i) => i % 4 === 1);
    for (let again = 0; again < 2; again += 1)
      expect(await under({ site: 's1' })).toEqual({ ids: expected.map(String).toSorted(), ranges: 1 });
    expect((await under({ site: { in: ['s1'] }, or: [{ 'line.no': 5 }, { 'line.no': 9 }] })).ids).toEqual([
      '5',
      '9',
    ]);
    // The second level alone says nothing of the place.
    expect(await under({ 'line.no': 5 })).toEqual({ ids: ['5'], ranges: 8 });
    expect(await under({ site: 'nowhere' })).toMatchObject({ ids: [], ranges: 1 });
  });

  it('is found again after the partitions were split', async () => {
    const { store, emulator, close, database } = await setUpCosmos([Reading], {
      emulator: { partitions: 2 },
    });
    closing.push(close);
    for (let i = 0; i < 20; i += 1) await create(store, Reading, { id: `${i}`, site: 's', line: { no: i } });
    const records = store.records(Reading);
    const { plan } = planQuery(Reading, { where: { site: 's' } });
    expect(await records.query(plan)).toHaveLength(20);
    if (!emulator) return;
    emulator.split({ database: database.id, container: 'readings' });
    expect(await records.query(plan)).toHaveLength(20);
  });
});
