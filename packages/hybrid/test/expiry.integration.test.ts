import { type Container, CosmosClient, PartitionKeyDefinitionVersion } from '@azure/cosmos';
import {
  defineEntity,
  type JsonObject,
  keyText,
  type RecordStore,
  UnknownOutcomeError,
} from '@polyphase/core';
import { compositeIndexesFor, cosmosStore } from '@polyphase/cosmos';
import { CosmosEmulator } from '@polyphase/cosmos-emulator';
import { postgresStore } from '@polyphase/postgres';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool } from 'pg';
import { afterAll, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { createHybrid, type HybridStores } from '../src/index.ts';
import { protocol } from './virtual-world.ts';

const Session = defineEntity({
  name: 'sessions',
  schema: z.object({ id: z.string(), t: z.string(), n: z.number(), badge: z.string().optional() }),
  key: { partition: 't', id: 'id' },
  indexes: [{ fields: ['badge'], unique: 'global' }],
  ttl: '1h',
});

const POLICIES: { readonly [phase in string]: JsonObject } = {
  '0': { policy: 'cosmos-only', flip: 'auto' },
  '2': { policy: 'dual-write', flip: 'auto' },
  '3': { policy: 'dual-write', reads: 'postgres', flip: 'auto' },
  '6': { policy: 'postgres-primary', flip: 'auto' },
  '7': { policy: 'postgres-primary', reverseSync: false, flip: 'auto' },
};
// Whole seconds of dates, and of the tolerance between the stores.
const SECOND = 1_000;
const PATIENCE = { timeout: 60_000, interval: 20 };

// Made and filled by the raw SDK alone, by a team that has documents expire: by the container's default, by their own, or never.
const LIFETIMES: { readonly [id in string]: number | undefined } = {
  default: undefined,
  own: 1_800,
  never: -1,
  'short-1': 9,
  'short-2': 14,
};

async function oldContainer(client: CosmosClient): Promise<Container> {
  const { database } = await client.databases.create({ id: 'app' });
  const { container } = await database.containers.create({
    id: 'sessions',
    partitionKey: { paths: ['/t'], version: PartitionKeyDefinitionVersion.V2 },
    indexingPolicy: { compositeIndexes: [...compositeIndexesFor(Session)] },
    defaultTtl: 3_600,
  });
  for (const [id, ttl] of Object.entries(LIFETIMES))
    await container.items.create({
      id,
      t: 't',
      n: 1,
      badge: id,
      old: true,
      ...(ttl === undefined ? {} : { ttl }),
    });
  return container;
}

interface RawDocument {
  readonly id: string;
  readonly _ts: number;
  readonly ttl?: number;
}

// When the service removes each document.
async function rawMoments(container: Container): Promise<ReadonlyMap<string, number>> {
  const { resources } = await container.items
    .query<RawDocument>('SELECT * FROM c WHERE NOT STARTSWITH(c.id, "hyb:") AND NOT IS_DEFINED(c._h.x)')
    .fetchAll();
  return new Map(
    resources.map(({ id, _ts, ttl = 3_600 }) => [
      id,
      ttl === -1 ? Number.POSITIVE_INFINITY : (_ts + ttl) * SECOND,
    ]),
  );
}

async function digestsOf(records: RecordStore): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for await (const page of records.scan())
    for (const { key, version, digest } of page)
      if ((await records.read(key))?.value !== undefined)
        found.set(keyText(key), `${version.term}.${version.counter} ${digest}`);
  return found;
}

// On a busy machine a lease as short as the test's may run out under a write. Its caller does what the error says.
async function settled(write: (operationId: string) => Promise<unknown>): Promise<void> {
  const operationId = crypto.randomUUID();
  for (;;) {
    try {
      await write(operationId);
      return;
    } catch (error) {
      if (!UnknownOutcomeError.isInstance(error)) throw error;
    }
  }
}

describeWith('postgres')('records that expire', () => {
  const database = testDatabase();
  const pool = new Pool({ connectionString: database.url, max: 8 });
  afterAll(() => pool.end());

  test('do so at one moment in both stores, on the way to PostgreSQL and back, and none comes back', async () => {
    const client = new CosmosClient(new CosmosEmulator({ partitions: 2 }).clientOptions());
    const container = await oldContainer(client);
    const before = await rawMoments(container);
    const stores = {
      cosmos: cosmosStore({
        database: container.database,
        map: { sessions: { otherReaders: 'acknowledged' } },
      }),
      postgres: postgresStore({ pool, timeoutMs: 5_000 }),
    };
    const troubles: string[] = [];
    let revision = 0;
    const config = (phase: string) => {
      revision += 1;
      return { loaded: { revision, entities: { sessions: POLICIES[phase] } } };
    };
    await using hybrid = await createHybrid<HybridStores, readonly [typeof Session]>({
      stores,
      entities: [Session],
      config: config('0'),
      protocol: { ...protocol, hold: '5s' },
    });
    hybrid.on('trouble', ({ where, error }) => troubles.push(`${where}: ${String(error)}`));
    const reach = async (phase: string): Promise<void> => {
      await hybrid.configure(config(phase));
      await vi.waitFor(() => {
        const at = [hybrid.status('sessions').phase, troubles.slice(-3), hybrid.status('sessions').blockedBy];
        expect(at).toEqual([phase, expect.anything(), expect.anything()]);
      }, PATIENCE);
    };
    const sessions = hybrid.repository(Session);
    const inPostgres = stores.postgres.records(Session);
    const inCosmos = stores.cosmos.records(Session);

    // Each is made with a lifetime of two seconds, and is looked for in every way until it is gone in all of them.
    const gone: string[] = [];
    const expires = async (id: string): Promise<void> => {
      await settled((operationId) =>
        sessions.create({ id, t: 't', n: 0, badge: id }, { ttl: '2s', operationId }),
      );
      const made = await sessions.get({ t: 't', id });
      const moment = made?.expiresAt?.getTime() ?? Number.NaN;
      expect(Math.abs(moment - Date.now() - 2 * SECOND)).toBeLessThan(2 * SECOND);
      const key = { partition: ['t'], id };
      const ways: { readonly [way in string]: () => Promise<unknown> } = {
        repository: () => sessions.get({ t: 't', id }),
        cosmos: async () => (await inCosmos.read(key))?.value,
        postgres: async () => (await inPostgres.read(key).catch(() => undefined))?.value,
      };
      await Promise.all(
        Object.entries(ways).map(async ([way, look]) => {
          let last = 0;
          await vi.waitFor(
            async () => {
              const startedAt = Date.now();
              const there = await look();
              if (there !== undefined) last = startedAt;
              expect([way, startedAt > moment, there]).toEqual([way, true, undefined]);
            },
            { timeout: 20_000, interval: 20 },
          );
          expect(last - moment).toBeLessThanOrEqual(1.2 * SECOND);
        }),
      );
      gone.push(id);
    };

    for (const [step, phase] of ['0', '2', '3', '6', '7', '6', '2', '0'].entries()) {
      await reach(phase);
      await expires(`e${step}-${phase}`);
    }

    // A unique value that an expired record had is free, whichever store is asked.
    for (const id of gone)
      await settled((operationId) =>
        sessions.create({ id: `${id}-next`, t: 't', n: 1, badge: id }, { operationId }),
      );

    await vi.waitFor(async () => expect((await rawMoments(container)).has('short-2')).toBe(false), PATIENCE);
    const after = await rawMoments(container);
    const kept = [...before].filter(([id]) => !id.startsWith('short'));
    for (const [id, moment] of kept) {
      const now = after.get(id) ?? Number.NaN;
      expect([id, now === moment || Math.abs(now - moment) <= SECOND]).toEqual([id, true]);
      expect((await sessions.get({ t: 't', id }))?.value).toMatchObject({
        old: true,
        ...(LIFETIMES[id] === undefined ? {} : { ttl: LIFETIMES[id] }),
      });
    }
    expect([...after.keys()].filter((id) => id.startsWith('short'))).toEqual([]);
    for (const id of gone) expect(await sessions.get({ t: 't', id })).toBeUndefined();
    expect(await stores.postgres.journal.count('sessions')).toEqual({ deadLetters: 0, conflicts: 0 });
    client.dispose();
  }, 180_000);

  test('hold the same digests at rest, and the gate sees a default that changes underway', async () => {
    await pool.query('drop schema if exists polyphase cascade; drop table if exists sessions');
    const client = new CosmosClient(new CosmosEmulator({ partitions: 2 }).clientOptions());
    const container = await oldContainer(client);
    const stores = {
      cosmos: cosmosStore({
        database: container.database,
        map: { sessions: { otherReaders: 'acknowledged' } },
      }),
      postgres: postgresStore({ pool, timeoutMs: 5_000 }),
    };
    let revision = 0;
    const config = (phase: string) => {
      revision += 1;
      return { loaded: { revision, entities: { sessions: POLICIES[phase] } } };
    };
    await using hybrid = await createHybrid<HybridStores, readonly [typeof Session]>({
      stores,
      entities: [Session],
      config: config('2'),
      protocol: { ...protocol, hold: '5s' },
    });
    const at = (phase: string) =>
      vi.waitFor(() => expect(hybrid.status('sessions').phase).toBe(phase), PATIENCE);
    const same = () =>
      vi.waitFor(async () => {
        const [one, other] = [stores.cosmos.records(Session), stores.postgres.records(Session)];
        expect(await digestsOf(other)).toEqual(await digestsOf(one));
        expect((await digestsOf(one)).size).toBeGreaterThan(2);
      }, PATIENCE);
    await at('2');
    await same();
    const { resource } = await container.read();
    if (!resource) throw new Error('no container');
    await container.replace({ ...resource, defaultTtl: 60 });
    await hybrid.configure(config('6'));
    await vi.waitFor(() => {
      const blocked = hybrid.status('sessions').blockedBy.find(({ passed }) => !passed);
      expect(blocked).toMatchObject({ name: 'time to live', seen: 'defaultTtl 60' });
    }, PATIENCE);
    await container.replace({ ...resource, defaultTtl: 3_600 });
    await at('6');
    const sessions = hybrid.repository(Session);
    await settled((operationId) =>
      sessions.patch({ t: 't', id: 'own' }, { n: 2 }, { ttl: null, operationId }),
    );
    await settled((operationId) =>
      sessions.patch({ t: 't', id: 'never' }, { n: 2 }, { ttl: 90_000, operationId }),
    );
    await same();
    await vi.waitFor(async () => {
      const moments = await rawMoments(container);
      expect(moments.get('own')).toBe(Number.POSITIVE_INFINITY);
      const moment = (await sessions.get({ t: 't', id: 'never' }))?.expiresAt?.getTime() ?? 0;
      expect(Math.abs((moments.get('never') ?? 0) - moment)).toBeLessThanOrEqual(SECOND);
    }, PATIENCE);
    client.dispose();
  }, 120_000);
});
