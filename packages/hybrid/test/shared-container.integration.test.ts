import { type Container, CosmosClient, PartitionKeyDefinitionVersion } from '@azure/cosmos';
import { defineEntity, type JsonObject, UnknownOutcomeError } from '@polyphase/core';
import { compositeIndexesFor, cosmosStore } from '@polyphase/cosmos';
import { CosmosEmulator } from '@polyphase/cosmos-emulator';
import { postgresStore } from '@polyphase/postgres';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool } from 'pg';
import { afterAll, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { createHybrid, type HybridStores } from '../src/index.ts';
import { protocol } from './virtual-world.ts';

const key = { partition: 'tenantId', id: 'id' } as const;
const Account = defineEntity({
  name: 'accounts',
  schema: z.object({ id: z.string(), tenantId: z.string(), type: z.literal('account'), email: z.string() }),
  key,
  indexes: [{ fields: ['email'], unique: 'global' }],
});
const Session = defineEntity({
  name: 'sessions',
  schema: z.object({ id: z.string(), tenantId: z.string(), n: z.number() }),
  key,
});

const policies: { readonly [phase in string]: JsonObject } = {
  '0': { policy: 'cosmos-only', flip: 'auto' },
  '2': { policy: 'dual-write', flip: 'auto' },
  '6': { policy: 'postgres-primary', flip: 'auto' },
};

// Written by the raw SDK alone: accounts, sessions, and orders that stay with their own program.
async function oldContainer(client: CosmosClient): Promise<Container> {
  const { database } = await client.databases.create({ id: 'app' });
  const { container } = await database.containers.create({
    id: 'app',
    partitionKey: { paths: ['/tenantId'], version: PartitionKeyDefinitionVersion.V2 },
    indexingPolicy: { compositeIndexes: [...compositeIndexesFor(Account), ...compositeIndexesFor(Session)] },
  });
  for (let i = 0; i < 12; i += 1) {
    const tenantId = `t${i % 3}`;
    await container.items.create({
      id: `a${i}`,
      tenantId,
      type: 'account',
      email: `${i}@x`,
      old: { kept: i },
    });
    await container.items.create({ id: `s${i}`, tenantId, type: 'session', n: i });
    await container.items.create({ id: `o${i}`, tenantId, type: 'order', total: 0 });
  }
  return container;
}

const rawOf = async (container: Container, type: string): Promise<readonly Record<string, unknown>[]> => {
  const query = {
    query: 'SELECT * FROM c WHERE c.type = @type ORDER BY c.id',
    parameters: [{ name: '@type', value: type }],
  };
  return (await container.items.query<Record<string, unknown>>(query).fetchAll()).resources;
};

describeWith('postgres')('a container of three types that other programs go on using', () => {
  const database = testDatabase();
  const pool = new Pool({ connectionString: database.url, max: 8 });
  afterAll(() => pool.end());

  test('goes to PostgreSQL and back, type by type: nothing is lost, and what is not ours stays as it is', async () => {
    const client = new CosmosClient(new CosmosEmulator({ partitions: 3 }).clientOptions());
    const container = await oldContainer(client);
    const stores: HybridStores = {
      cosmos: cosmosStore({
        database: container.database,
        map: {
          accounts: { container: 'app', discriminator: { type: 'account' }, otherReaders: 'acknowledged' },
          sessions: { container: 'app', discriminator: { type: 'session' }, otherReaders: 'acknowledged' },
        },
      }),
      postgres: postgresStore({ pool, timeoutMs: 5_000 }),
    };
    const troubles: string[] = [];
    let revision = 0;
    const config = (accounts: string, sessions: string) => {
      revision += 1;
      const entities = { accounts: policies[accounts], sessions: policies[sessions] };
      return { loaded: { revision, entities } };
    };
    await using hybrid = await createHybrid<HybridStores, readonly [typeof Account, typeof Session]>({
      stores,
      entities: [Account, Session],
      config: config('0', '0'),
      protocol: { ...protocol, hold: '5s' },
    });
    hybrid.on('trouble', ({ where, error }) => troubles.push(`${where}: ${String(error)}`));
    hybrid.on('blocked', ({ to, answers }) => troubles.push(`blocked ${to}: ${JSON.stringify(answers)}`));
    const reach = async (accounts: string, sessions: string): Promise<void> => {
      await hybrid.configure(config(accounts, sessions));
      await vi.waitFor(
        () => {
          const at = [hybrid.status('accounts').phase, hybrid.status('sessions').phase];
          expect([at, troubles.slice(-3)]).toEqual([[accounts, sessions], expect.anything()]);
        },
        { timeout: 60_000, interval: 20 },
      );
    };

    // Our service writes sessions; another program its orders, and counts them as it always has.
    const over = new AbortController();
    const sessions = hybrid.repository(Session);
    let written = 0;
    const service = async (): Promise<void> => {
      while (!over.signal.aborted) {
        const n = written + 1;
        const operationId = `w${n}`;
        const write = () => sessions.upsert({ id: 'live', tenantId: 't1', n }, { operationId });
        await write().catch(async (error: unknown) => {
          if (!UnknownOutcomeError.isInstance(error)) throw error;
          await write();
        });
        written = n;
        expect((await sessions.get({ tenantId: 't1', id: 'live' }))?.value.n).toBe(n);
      }
    };
    const totals = new Map<string, number>();
    const neighbour = async (): Promise<void> => {
      for (let i = 0; !over.signal.aborted; i += 1) {
        const id = `o${i % 12}`;
        await container.items.upsert({ id, tenantId: `t${(i % 12) % 3}`, type: 'order', total: i });
        totals.set(id, i);
        expect(await rawOf(container, 'order')).toHaveLength(12);
      }
    };
    const work = Promise.all([service(), neighbour()]);

    await reach('0', '2');
    await reach('2', '6');
    expect(hybrid.status('accounts').authority).toBe('cosmos');

    // Two accounts of different partitions take one address, which Cosmos DB allows: the way to PostgreSQL is closed until they part.
    const twin = { id: 'a0', tenantId: 't0', type: 'account', old: { kept: 0 } };
    await container.items.upsert({ ...twin, email: '1@x' });
    await hybrid.configure(config('6', '6'));
    const blocked = () => hybrid.status('accounts').blockedBy;
    await vi.waitFor(() => expect(blocked().map((it) => it.name)).toContain('postgres-unique'), {
      timeout: 60_000,
    });
    expect(blocked().find((it) => it.name === 'postgres-unique')?.seen).toContain('1 records share');
    await container.items.upsert({ ...twin, email: '0@x' });
    await reach('6', '6');
    const accounts = hybrid.repository(Account);
    await expect(
      accounts.create({ id: 'twin', tenantId: 't2', type: 'account', email: '0@x' }),
    ).rejects.toMatchObject({ code: 'already-exists' });
    await accounts.patch({ tenantId: 't0', id: 'a0' }, { email: 'new@x' });
    await accounts.delete({ tenantId: 't1', id: 'a1' });

    await reach('2', '0');
    await reach('0', '0');
    over.abort();
    await work;

    // Beside the canary, which is a tombstone.
    const { rows } = await pool.query("select count(*)::int as n from accounts where id not like 'hyb:%'");
    expect(rows[0].n).toBe(12);
    const raw = await rawOf(container, 'account');
    const live = raw.filter((document) => document['old'] !== undefined);
    expect(live.map(({ id, email, old }) => [id, email, old])).toEqual(
      Array.from({ length: 12 }, (_, i) => i)
        .filter((i) => i !== 1)
        .toSorted((a, b) => (`a${a}` < `a${b}` ? -1 : 1))
        .map((i) => [`a${i}`, i === 0 ? 'new@x' : `${i}@x`, { kept: i }]),
    );
    expect((await sessions.get({ tenantId: 't1', id: 'live' }))?.value.n).toBe(written);
    const orders = await rawOf(container, 'order');
    expect(orders.map((order) => [order['id'], order['total']])).toEqual(
      [...totals].toSorted(([a], [b]) => (a < b ? -1 : 1)),
    );
    expect(orders.filter((order) => '_h' in order)).toEqual([]);
    for (const name of ['accounts', 'sessions'])
      expect(await stores.postgres?.journal.count(name)).toEqual({ deadLetters: 0, conflicts: 0 });
    client.dispose();
  }, 180_000);
});
