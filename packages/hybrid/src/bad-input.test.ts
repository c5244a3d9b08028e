import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ConflictError,
  ConnectionError,
  defineEntity,
  type Entity,
  InvalidDataError,
  InvalidOptionsError,
  type JsonObject,
  type RelationalStore,
} from '@polyphase/core';
import { memoryDocumentStore, memoryRelationalStore } from '@polyphase/core/memory';
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type Fault, FaultPlan } from '../test/faulty-stores.ts';
import { Note, VirtualWorld } from '../test/virtual-world.ts';
import { configFromFile, createHybrid, type HybridStores } from './index.ts';

const stores = () => ({ cosmos: memoryDocumentStore(), postgres: memoryRelationalStore() });
const config = (notes: unknown, revision: unknown = 1) => ({ loaded: { revision, entities: { notes } } });
const good = { policy: 'cosmos-only' };

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const it of open.splice(0)) await it.close();
});

async function start(
  loaded: { readonly loaded: unknown },
  given: HybridStores = stores(),
  processName = 'me',
) {
  const hybrid = await createHybrid<HybridStores, readonly [typeof Note]>({
    stores: given,
    entities: [Note],
    config: loaded,
    protocol: { poll: 5, memberLease: '1s' },
    processName,
  });
  open.push(hybrid);
  return hybrid;
}

describe('a config that cannot be used', () => {
  const bad: readonly (readonly [string, { readonly loaded: unknown }, string])[] = [
    ['an unknown policy', config({ policy: 'mongo' }), 'entities.notes.policy'],
    [
      'cached over cached',
      config({ policy: 'cached', ttl: '1m', over: { policy: 'cached', ttl: '1m', over: good } }),
      'entities.notes.over',
    ],
    ['a negative time to live', config({ policy: 'cached', ttl: -1, over: good }), 'entities.notes.ttl'],
    [
      'a share of reads above all',
      config({ policy: 'dual-write', reads: { postgres: { percent: 120 } } }),
      'entities.notes.reads.postgres.percent',
    ],
    [
      'a partition with other levels than the entity has',
      config({ policy: 'dual-write', reads: { postgres: { partitions: [['a', 'b']] } } }),
      '["a","b"] has not as many levels',
    ],
    ['a revision that is no number', config(good, 'seven'), 'revision'],
    [
      'an entity that is not registered',
      { loaded: { revision: 1, entities: { notes: good, ghosts: good } } },
      'ghosts',
    ],
    ['an entity that is missing', { loaded: { revision: 1, entities: {} } }, 'entities.notes: has no policy'],
    ['no object at all', { loaded: null }, 'config'],
    ['a policy without its cache', config({ policy: 'cached', ttl: '1m', over: good }), 'the cache store'],
  ];

  test.each(bad)(
    '%s is refused at the start, and by configure, which leaves the running one',
    async (_, it, named) => {
      await expect(start(it)).rejects.toThrow(InvalidOptionsError);
      await expect(start(it)).rejects.toThrow(named);
      const hybrid = await start(config(good));
      await expect(hybrid.configure(it)).rejects.toThrow(named);
      expect(hybrid.status('notes')).toMatchObject({ wanted: '0', phase: '0' });
    },
  );

  test('lists every problem', async () => {
    const two = { loaded: { revision: -1, entities: { notes: { policy: 'mongo' } } } };
    await expect(start(two)).rejects.toMatchObject({ problems: { length: 2 } });
  });

  test.each([
    [{ postgres: memoryRelationalStore() }, { policy: 'cosmos-only' }, 'cosmos'],
    [{ postgres: memoryRelationalStore() }, { policy: 'dual-write' }, 'cosmos'],
    [{ cosmos: memoryDocumentStore() }, { policy: 'dual-write' }, 'postgres'],
    [{ cosmos: memoryDocumentStore() }, { policy: 'postgres-primary' }, 'postgres'],
    [
      { cosmos: memoryDocumentStore() },
      { policy: 'cached', ttl: 1, over: { policy: 'dual-write' } },
      'postgres',
    ],
  ])('a policy without its store: %#', async (given, policy, missing) => {
    await expect(start(config(policy), given)).rejects.toThrow(`needs the ${missing} store`);
  });

  test('a policy whose store is missing is refused by configure as well', async () => {
    const hybrid = await start(config(good), { cosmos: memoryDocumentStore() });
    await expect(hybrid.configure(config({ policy: 'dual-write' }, 2))).rejects.toThrow(
      'needs the postgres store',
    );
    expect(hybrid.status('notes').wanted).toBe('0');
  });

  test('a lower revision by configure, and the same with other words at the start as well', async () => {
    const given = stores();
    const first = await start(config(good, 5), given);
    await expect(first.configure(config({ policy: 'dual-write' }, 4))).rejects.toThrow('4 is lower than 5');
    await expect(first.configure(config({ policy: 'dual-write' }, 5))).rejects.toThrow('says something else');
    expect(await first.configure(config(good, 5))).toEqual([]);
    expect(first.status('notes').wanted).toBe('0');
    await first.close();
    await expect(start(config({ policy: 'dual-write' }, 5), given)).rejects.toThrow(InvalidOptionsError);
    await start(config(good, 5), given);
  });

  test('the same revision with other words where there is no control row', async () => {
    const hybrid = await start(config(good, 5), { cosmos: memoryDocumentStore() });
    const other = { ...good, flip: 'auto' };
    await expect(hybrid.configure(config(other, 5))).rejects.toThrow('says something else');
  });

  test('nothing of a config is taken when one control row refuses it', async () => {
    const given = stores();
    const Later = defineEntity({
      name: 'later',
      schema: z.object({ id: z.string(), owner: z.string() }),
      key: { partition: 'owner', id: 'id' },
    });
    const both = (policy: JsonObject, revision: number) => ({
      loaded: { revision, entities: { notes: policy, later: policy } },
    });
    const hybrid = await createHybrid<HybridStores, readonly [typeof Note, typeof Later]>({
      stores: given,
      entities: [Note, Later],
      config: both(good, 1),
    });
    open.push(hybrid);
    await given.postgres.control.submit('later', { phase: '0', flip: 'manual', revision: 9 });
    await expect(hybrid.configure(both({ policy: 'dual-write' }, 5))).rejects.toThrow('not above 9');
    expect((await given.postgres.control.read('notes'))?.wish.revision).toBe(1);
    expect(hybrid.status('notes').wanted).toBe('0');
  });

  test('protocol times that cannot work', async () => {
    const hybrid = createHybrid({
      stores: stores(),
      entities: [Note],
      config: config(good),
      protocol: { lease: '1s', armedLease: '5s', poll: 0, holdCalls: -1 },
    });
    await expect(hybrid).rejects.toMatchObject({ code: 'invalid-options', problems: { length: 3 } });
  });
});

describe('a config file', () => {
  test('that is good, missing, or no JSON', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'config-'));
    try {
      const path = join(folder, 'polyphase.json');
      await expect(configFromFile(path).read()).rejects.toThrow('cannot be read');
      await writeFile(path, '{ "revision": 1');
      await expect(configFromFile(path).read()).rejects.toThrow('is no JSON');
      await writeFile(path, JSON.stringify(config(good).loaded));
      const hybrid = await start(await configFromFile(path).read());
      expect(hybrid.status('notes').wanted).toBe('0');
      await writeFile(path, JSON.stringify(config({ policy: 'mongo' }, 2).loaded));
      await expect(hybrid.configure(await configFromFile(path).read())).rejects.toThrow(InvalidOptionsError);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('a second process', () => {
  test('on the same control row works beside the first, under the same name', async () => {
    const given = stores();
    const first = await start(config(good), given, 'api-1');
    const second = await start(config(good), given, 'api-1');
    const { version } = await first.repository(Note).create({ id: '1', owner: 'a', text: 'x' });
    expect(await second.repository(Note).get({ id: '1', owner: 'a' })).toMatchObject({ version });
  });

  test('with a database that knows nothing of the move is refused', async () => {
    const given = stores();
    const permit = {
      epoch: 9,
      open: false,
      opening: 3,
      term: 2,
      leaseMs: 5_000,
      drainMs: 5_000,
      tombstones: false,
    };
    await given.cosmos.permits.create('notes', permit);
    await expect(start(config(good), given)).rejects.toThrow('connect to the one that does');
  });

  test('without the store that the entity lives in is refused', async () => {
    const given = stores();
    await (await start(config(good), given)).close();
    const alone = start(config({ policy: 'postgres-primary' }, 2), { postgres: given.postgres });
    await expect(alone).rejects.toThrow('give this process the cosmos store');
  });
});

describe('data that cannot be stored', () => {
  const SECRET = 'a-secret-value-that-no-message-may-hold';

  test('is refused with paths, never values, in every phase', async () => {
    const world = new VirtualWorld();
    await world.start();
    for (const policy of ['cosmos-only', 'dual-write', 'postgres-primary']) {
      await world.wish({ policy, flip: 'auto' });
      await world.until(
        'there',
        () => world.hybrid.status('notes').phase === world.hybrid.status('notes').wanted,
      );
      const notes = world.hybrid.repository(Note);
      await notes.upsert({ id: '1', owner: 'a', text: 'kept' });
      // What TypeScript would refuse, as it comes from outside.
      const wrong: { id: string; owner: string; text: string } = JSON.parse(
        JSON.stringify({ id: '1', owner: 'a', text: { [SECRET]: SECRET }, rank: SECRET }),
      );
      const refused = await notes.upsert(wrong).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(refused).toBeInstanceOf(InvalidDataError);
      expect(refused).toMatchObject({ issues: [{ path: ['text'] }, { path: ['rank'] }] });
      expect(JSON.stringify(refused) + String(refused)).not.toContain(SECRET);
      expect((await notes.get({ owner: 'a', id: '1' }))?.value.text).toBe('kept');
    }
    await world.close();
  });

  test.each([
    ['a slash', 'a/b'],
    ['a backslash', 'a\\b'],
    ['NUL', 'a\0b'],
    ['1,024 bytes', 'x'.repeat(1_024)],
    ['1,023 bytes and a half', 'ü'.repeat(512)],
    ['nothing', ''],
    ['a lone surrogate', '\ud800'],
    ['a reserved name', 'hyb:x'],
  ])('an id with %s is refused for reads and writes alike', async (_, id) => {
    const hybrid = await start(config(good));
    const notes = hybrid.repository(Note);
    await expect(notes.create({ id, owner: 'a', text: 'x' })).rejects.toThrow(InvalidDataError);
    await expect(notes.get({ owner: 'a', id })).rejects.toThrow(InvalidDataError);
    await expect(notes.delete({ owner: 'a', id })).rejects.toThrow(InvalidDataError);
  });

  test.each(["it's", '"quoted"', 'x'.repeat(1_023), '日本語', "'; drop table notes; --"])(
    'an id such as %s is stored',
    async (id) => {
      const notes = (await start(config(good))).repository(Note);
      await notes.create({ id, owner: "o'", text: 'x' });
      expect((await notes.get({ owner: "o'", id }))?.value.id).toBe(id);
    },
  );

  test('a stale version is a conflict that changes nothing', async () => {
    const notes = (await start(config(good))).repository(Note);
    const { version } = await notes.create({ id: '1', owner: 'a', text: 'x' });
    await notes.patch({ owner: 'a', id: '1' }, { text: 'y' });
    const stale = notes.replace({ id: '1', owner: 'a', text: 'z' }, { ifVersion: version });
    await expect(stale).rejects.toThrow(ConflictError);
    expect((await notes.get({ owner: 'a', id: '1' }))?.value.text).toBe('y');
  });

  test('an entity that is not registered, or another of the same name', async () => {
    const hybrid = await start(config(good));
    const Twin = defineEntity({
      name: 'notes',
      schema: z.object({ id: z.string(), owner: z.string(), size: z.number() }),
      key: { partition: 'owner', id: 'id' },
    });
    // What TypeScript would refuse, as it comes from JavaScript.
    const untyped = (name: 'repository' | 'status', argument: unknown): unknown =>
      Reflect.apply(Reflect.get(hybrid, name, hybrid), hybrid, [argument]);
    expect(() => untyped('repository', Twin)).toThrow(InvalidOptionsError);
    expect(() => untyped('status', 'ghosts')).toThrow('No entity "ghosts"');
  });
});

describe('a store that is away', () => {
  const down = (call: number): Fault | undefined => (call > 0 ? 'error before' : undefined);

  test('PostgreSQL at the start: entities in Cosmos DB work by the permit, and the walk goes on when it is back', async () => {
    const world = new VirtualWorld();
    await world.start();
    for (const [policy, phase] of [
      ['postgres-primary', '6'],
      ['dual-write', '2'],
    ] as const) {
      await world.wish({ policy, flip: 'auto' });
      await world.until(`phase ${phase}`, () => world.hybrid.status('notes').phase === phase);
    }
    await world.close();
    let isDown = true;
    const plan = new FaultPlan({
      faultAt: (call, name) => (isDown && name.startsWith('postgres') ? down(call) : undefined),
    });
    await world.start(plan);
    const notes = world.hybrid.repository(Note);
    const status = () => world.hybrid.status('notes');
    await notes.create({ id: '1', owner: 'a', text: 'x' });
    expect((await notes.get({ owner: 'a', id: '1' }))?.value.text).toBe('x');
    expect(status()).toMatchObject({ phase: undefined, authority: 'cosmos' });
    // The term is that of the permit, in units of work as well: the row cannot be seen.
    await world.hybrid.transaction((unit) =>
      unit.repository(Note).create({ id: '2', owner: 'a', text: 'x' }),
    );
    expect((await world.cosmos.records(Note).read({ partition: ['a'], id: '2' }))?.version.term).toBe(3);
    expect(status().blockedBy).toMatchObject([{ name: 'control row', passed: false }]);
    await world.wish({ policy: 'postgres-primary', flip: 'auto' });
    await world.clock.advance(3_000);
    isDown = false;
    await world.until('6', () => status().phase === '6');
    expect((await notes.get({ owner: 'a', id: '1' }))?.value.text).toBe('x');
    await world.close();
  });

  test('PostgreSQL at the very first start: nobody knows where anything is', async () => {
    const there = memoryRelationalStore();
    const postgres: RelationalStore = new Proxy(there, {
      get: (_, name) =>
        name === 'records'
          ? (entity: Entity) => there.records(entity)
          : () => Promise.reject(new ConnectionError({ message: 'away' })),
    });
    const hybrid = start(config(good), { cosmos: memoryDocumentStore(), postgres });
    await expect(hybrid).rejects.toThrow(ConnectionError);
  });

  test.each(['0', '2', '3'])('PostgreSQL later, in phase %s: no call fails', async (phase) => {
    const world = new VirtualWorld();
    let isDown = false;
    await world.start(
      new FaultPlan({
        faultAt: (call, name) => (isDown && name.startsWith('postgres') ? down(call) : undefined),
      }),
    );
    const policy =
      phase === '0'
        ? { policy: 'cosmos-only' }
        : { policy: 'dual-write', reads: phase === '3' ? 'postgres' : 'cosmos' };
    await world.wish(policy);
    await world.until(phase, () => world.hybrid.status('notes').phase === phase);
    const notes = world.hybrid.repository(Note);
    isDown = true;
    for (let i = 0; i < 200; i += 1) {
      await notes.upsert({ id: `${i % 5}`, owner: 'a', text: `${i}` });
      expect((await notes.get({ owner: 'a', id: `${i % 5}` }))?.value.text).toBe(`${i}`);
      await world.clock.advance(25);
    }
    isDown = false;
    await world.until('caught up', () => phase === '0' || world.hybrid.status('notes').lagMs < 1_000);
    expect(phase === '0' ? [] : await world.differences()).toEqual([]);
    await world.close();
  });

  test('PostgreSQL later, in phase 6: calls are held, fail as retryable, and go on when it is back', async () => {
    const world = new VirtualWorld();
    let isDown = false;
    await world.start(
      new FaultPlan({
        faultAt: (call, name) => (isDown && name.startsWith('postgres') ? down(call) : undefined),
      }),
    );
    await world.wish({ policy: 'postgres-primary', flip: 'auto' });
    await world.until('6', () => world.hybrid.status('notes').phase === '6');
    const notes = world.hybrid.repository(Note);
    await notes.create({ id: '1', owner: 'a', text: 'x' });
    isDown = true;
    const began = world.clock.monotonic();
    await expect(world.passing(notes.get({ owner: 'a', id: '1' }))).rejects.toMatchObject({
      retryable: true,
    });
    expect(world.clock.monotonic() - began).toBeLessThan(21_000);
    const unit = world.hybrid.transaction((it) => it.repository(Note).delete({ owner: 'a', id: '1' }));
    await expect(unit).rejects.toMatchObject({ code: 'connection' });
    const written = notes.patch({ owner: 'a', id: '1' }, { text: 'y' });
    await world.clock.advance(2_000);
    isDown = false;
    await world.passing(written);
    expect((await notes.get({ owner: 'a', id: '1' }))?.value.text).toBe('y');
    await world.close();
  });

  test("Cosmos DB later: its phases fail as retryable, PostgreSQL's go on", async () => {
    const world = new VirtualWorld();
    let isDown = false;
    await world.start(
      new FaultPlan({
        faultAt: (call, name) => (isDown && name.startsWith('cosmos') ? down(call) : undefined),
      }),
    );
    const notes = world.hybrid.repository(Note);
    await notes.create({ id: '1', owner: 'a', text: 'x' });
    isDown = true;
    await expect(notes.get({ owner: 'a', id: '1' })).rejects.toMatchObject({ code: 'connection' });
    isDown = false;
    await world.wish({ policy: 'postgres-primary', flip: 'auto' });
    await world.until('6', () => world.hybrid.status('notes').phase === '6');
    isDown = true;
    await notes.patch({ owner: 'a', id: '1' }, { text: 'y' });
    await world.clock.advance(5_000);
    expect((await notes.get({ owner: 'a', id: '1' }))?.value.text).toBe('y');
    isDown = false;
    expect(await world.differences()).toEqual([]);
    await world.close();
  });

  test('Cosmos DB at the moment of the commit: PostgreSQL has taken over, and goes on', async () => {
    const world = new VirtualWorld();
    let steps = 0;
    const faultAt = (call: number, name: string) => {
      if (name === 'postgres.control.advance') steps += 1;
      return steps >= 6 && name.startsWith('cosmos') ? down(call) : undefined;
    };
    await world.start(new FaultPlan({ faultAt }));
    const notes = world.hybrid.repository(Note);
    await notes.create({ id: '1', owner: 'a', text: 'x' });
    await world.wish({ policy: 'postgres-primary', flip: 'auto' });
    await world.until('6', () => world.hybrid.status('notes').phase === '6');
    expect(world.hybrid.status('notes').heldMs).toBeLessThan(1_000);
    await notes.patch({ owner: 'a', id: '1' }, { text: 'y' });
    expect((await notes.get({ owner: 'a', id: '1' }))?.value.text).toBe('y');
    await world.close();
  });

  test('a hybrid that was closed refuses calls, held ones too', async () => {
    const world = new VirtualWorld();
    await world.start();
    const notes = world.hybrid.repository(Note);
    await world.close();
    await expect(notes.get({ owner: 'a', id: '1' })).rejects.toMatchObject({ code: 'fenced' });
    const unit = world.hybrid.transaction((it) =>
      it.repository(Note).create({ id: '1', owner: 'a', text: 'x' }),
    );
    await expect(unit).rejects.toMatchObject({ code: 'fenced' });
  });

  test('closing in the middle of a seal takes it back', async () => {
    const world = new VirtualWorld();
    await world.start();
    await world.hybrid.repository(Note).create({ id: '1', owner: 'a', text: 'x' });
    await world.wish({ policy: 'postgres-primary', flip: 'auto' });
    await world.until('5', () => world.hybrid.status('notes').phase === '5');
    await world.close();
    expect((await world.postgres.control.read('notes'))?.phase).toBe('4');
    expect((await world.cosmos.permits.read('notes'))?.open).toBe(true);
  });
});
