import { CosmosClient } from '@azure/cosmos';
import {
  defineEntity,
  type RecordKey,
  type RequestCost,
  ThrottledError,
  UnknownOutcomeError,
  type WriteIntent,
  type WriteResult,
} from '@polyphase/core';
import type { Fault, InProcessHttpClient } from '@polyphase/cosmos-emulator';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type CosmosStore, cosmosStore } from '../src/index.ts';
import { type CosmosSetup, liveEndpoint, setUpCosmos } from './cosmos-setup.ts';

const Account = defineEntity({
  name: 'accounts',
  schema: z.object({ id: z.string(), tenantId: z.string(), n: z.number().optional() }),
  key: { partition: 'tenantId', id: 'id' },
});
const key: RecordKey = { partition: ['t'], id: 'a' };
const value = (n: number) => ({ id: 'a', tenantId: 't', n });

const intents = {
  create: { kind: 'create', key, operationId: 'mine', value: value(2) },
  replace: { kind: 'replace', key, operationId: 'mine', value: value(2) },
  delete: { kind: 'delete', key, operationId: 'mine' },
} as const satisfies Record<string, WriteIntent>;

let setups: CosmosSetup[] = [];
afterEach(async () => {
  for (const setup of setups) await setup.close();
  setups = [];
});

async function setUp(options: Parameters<typeof setUpCosmos>[1] = {}): Promise<CosmosSetup> {
  const setup = await setUpCosmos([Account], options);
  setups.push(setup);
  return setup;
}

function add(
  { emulator }: CosmosSetup,
  fault: Fault,
): ReturnType<NonNullable<typeof emulator>['faults']['add']> {
  if (!emulator) throw new Error('Faults need the embedded emulator.');
  return emulator.faults.add(fault);
}

async function write(store: CosmosStore, intent: WriteIntent, signal?: AbortSignal): Promise<WriteResult> {
  return store.records(Account).write(intent, { term: 1, signal });
}

async function seed(store: CosmosStore): Promise<void> {
  await write(store, { kind: 'create', key, operationId: 'seed', value: value(1) });
}

// Every way in which an answer to a write goes missing: before the effect, or after it.
const losses: readonly Fault[] = [
  { reset: 'before' },
  { reset: 'after' },
  ...([408, 410, 449, 500, 503] as const).map((status) => ({ status })),
];

describe.skipIf(liveEndpoint !== undefined)(
  'a write whose answer is lost (needs the emulator’s faults)',
  () => {
    for (const loss of losses)
      for (const kind of ['create', 'replace', 'delete'] as const)
        it(`takes effect once: ${kind}, ${JSON.stringify(loss)}`, async () => {
          const setup = await setUp();
          if (kind !== 'create') await seed(setup.store);
          const fault = add(setup, { ...loss, operation: kind === 'create' ? 'create' : 'replace' });
          const before = await setup.store.records(Account).read(key);
          const result = await write(setup.store, intents[kind]);
          expect(fault.hits).toBe(1);
          const after = await setup.store.records(Account).read(key);
          expect(after?.value).toEqual(kind === 'delete' ? undefined : value(2));
          expect(after?.operations.filter((mark) => mark.id === 'mine')).toHaveLength(1);
          expect(result.record.version).toEqual(after?.version);
          expect(after?.version.counter).toBe(
            before ? before.version.counter + 1 : result.record.version.counter,
          );
          expect(result.repeated).toBe(loss.reset === 'after');
        });

    it('is an unknown outcome with its operation id when no answer ever comes', async () => {
      const setup = await setUp();
      add(setup, { operation: 'create', reset: 'before', count: 1_000 });
      const outcome = await write(setup.store, intents.create).catch((error: unknown) => error);
      expect(UnknownOutcomeError.isInstance(outcome) && outcome.operationId).toBe('mine');
      setup.emulator?.faults.clear();
      expect((await write(setup.store, intents.create)).repeated).toBe(false);
    });

    it('is an unknown outcome when the store cannot be read afterwards', async () => {
      let setup: CosmosSetup | undefined;
      const between = brokenReplace(true, async () => {
        if (setup) add(setup, { operation: 'read', resource: 'items', status: 500 });
      });
      setup = await setUp({ between });
      await seed(setup.store);
      await expect(write(setup.store, intents.replace)).rejects.toMatchObject({ code: 'unknown-outcome' });
      expect((await write(setup.store, intents.replace)).repeated).toBe(true);
    });

    it('is an unknown outcome when its signal aborts after it was sent', async () => {
      const setup = await setUp();
      await seed(setup.store);
      const abort = new AbortController();
      const gate = Promise.withResolvers<void>();
      const fault = add(setup, { operation: 'replace', gate: gate.promise });
      const outcome = write(setup.store, intents.replace, abort.signal).catch((error: unknown) => error);
      await expect.poll(() => fault.hits).toBe(1);
      abort.abort();
      gate.resolve();
      expect(UnknownOutcomeError.isInstance(await outcome)).toBe(true);
    });

    it('is nothing at all when its signal aborted before', async () => {
      const setup = await setUp();
      const reason = new Error('enough');
      await expect(write(setup.store, intents.create, AbortSignal.abort(reason))).rejects.toBe(reason);
      expect(await setup.store.records(Account).read(key)).toBeUndefined();
    });
  },
);

describe.skipIf(liveEndpoint !== undefined)('a store that refuses (needs the emulator’s faults)', () => {
  it('asks for patience when throttled past the driver’s own retries', async () => {
    const setup = await setUp();
    add(setup, { operation: 'create', status: 429, retryAfterMs: 3, count: 1_000 });
    const error = await write(setup.store, intents.create).catch((reason: unknown) => reason);
    expect(ThrottledError.isInstance(error) && error.retryAfterMs).toBe(3);
  });

  it('tells a meter what the feed and copies took, and how often they were put off', async () => {
    const setup = await setUp();
    await seed(setup.store);
    const costs: RequestCost[] = [];
    const meter = (cost: RequestCost) => costs.push(cost);
    const feed = setup.store.changes(Account);
    const sum = (field: keyof RequestCost) => costs.reduce((total, cost) => total + cost[field], 0);
    for (const range of await feed.ranges()) await feed.read(range, undefined, { meter });
    expect([sum('requestUnits') > 0, sum('throttled')]).toEqual([true, 0]);

    const record = await setup.store.records(Account).read(key);
    const newer = record && { ...record, version: { term: 1, counter: record.version.counter + 1 } };
    add(setup, { operation: 'replace', status: 429, retryAfterMs: 1, count: 2 });
    costs.length = 0;
    if (newer) await setup.store.records(Account).apply([{ record: newer }], { meter });
    expect([sum('requestUnits') > 5, sum('throttled')]).toEqual([true, 2]);

    add(setup, { operation: 'query', status: 429, retryAfterMs: 1, count: 1_000 });
    costs.length = 0;
    await expect(setup.store.records(Account).count({ meter })).rejects.toMatchObject({ code: 'throttled' });
    expect(sum('throttled')).toBeGreaterThan(9);
  });

  it('names credentials that are wrong', async () => {
    const { emulator, database } = await setUp();
    const client = new CosmosClient({ ...emulator?.clientOptions(), key: btoa('another key') });
    const store = cosmosStore({ database: client.database(database.id) });
    await expect(store.records(Account).read(key)).rejects.toMatchObject({ code: 'invalid-options' });
    client.dispose();
  });

  it('names a container that is not there', async () => {
    const { database } = await setUp();
    const store = cosmosStore({ database, map: { accounts: { container: 'nowhere' } } });
    await expect(store.prepare([Account])).rejects.toThrow(/does not exist/);
  });
});

/** Strikes one replacement: does it or not, lets others do something, and breaks the connection. */
function brokenReplace(
  effect: boolean,
  others: () => Promise<void>,
): (inner: InProcessHttpClient) => InProcessHttpClient {
  let armed = true;
  const isMine = (request: Parameters<InProcessHttpClient['sendRequest']>[0]): boolean =>
    request.method === 'PUT' && typeof request.body === 'string' && request.body.includes('"mine"');
  return (inner) => ({
    async sendRequest(request) {
      if (!armed || !isMine(request)) return inner.sendRequest(request);
      armed = false;
      if (effect) await inner.sendRequest(request);
      await others();
      throw Object.assign(new Error('socket hang up'), { name: 'RestError', code: 'ECONNRESET' });
    },
  });
}

describe.skipIf(liveEndpoint !== undefined)(
  'a lost write beside others’ writes (needs the emulator’s faults)',
  () => {
    async function race(
      effect: boolean,
      others: (store: CosmosStore) => Promise<void>,
    ): Promise<CosmosSetup> {
      let store: CosmosStore | undefined;
      const between = brokenReplace(effect, async () => {
        if (store) await others(store);
      });
      const setup = await setUp({ between });
      store = setup.store;
      await seed(store);
      return setup;
    }

    const patches = (count: number) => async (store: CosmosStore) => {
      for (let i = 0; i < count; i += 1)
        await write(store, { kind: 'patch', key, operationId: `other-${i}`, patch: { [`x${i}`]: i } });
    };

    it('is found by its mark, under the version that it made', async () => {
      const { store } = await race(true, patches(3));
      const first = await store.records(Account).read(key);
      const result = await write(store, intents.replace);
      expect(result.repeated).toBe(true);
      expect(result.record.version.counter).toBe((first?.version.counter ?? 0) + 1);
      expect((await store.records(Account).read(key))?.version.counter).toBe(
        (first?.version.counter ?? 0) + 4,
      );
    });

    it('is decided again where another took its place', async () => {
      const { store } = await race(false, patches(3));
      expect((await write(store, intents.replace)).repeated).toBe(false);
      const after = await store.records(Account).read(key);
      expect(after?.operations.map((mark) => mark.id)).toEqual([
        'mine',
        'other-2',
        'other-1',
        'other-0',
        'seed',
      ]);
      expect(after?.value).toMatchObject({ n: 2, x2: 2 });
    });

    it.each([
      ['did', true],
      ['did not', false],
    ])(
      'is unknown when so many followed that its mark would be forgotten, and it %s take effect',
      async (_, effect) => {
        const { store } = await race(effect, patches(9));
        await expect(write(store, intents.replace)).rejects.toMatchObject({ code: 'unknown-outcome' });
      },
    );

    it('is unknown when another program replaced the document, marks and all', async () => {
      const { store } = await race(true, async (other) => {
        await other.container(Account).items.upsert({ ...value(77) });
      });
      await expect(write(store, intents.replace)).rejects.toMatchObject({ code: 'unknown-outcome' });
      expect((await store.records(Account).read(key))?.value).toEqual(value(77));
    });
  },
);
