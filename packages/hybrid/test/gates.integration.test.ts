import { CosmosClient, PartitionKeyDefinitionVersion } from '@azure/cosmos';
import { defineEntity, type JsonObject, planQuery, RESERVED_ID_PREFIX } from '@polyphase/core';
import { type CosmosMap, compositeIndexesFor, cosmosStore } from '@polyphase/cosmos';
import { CosmosEmulator } from '@polyphase/cosmos-emulator';
import { postgresStore } from '@polyphase/postgres';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool } from 'pg';
import { afterAll, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { createHybrid, type HybridStores } from '../src/index.ts';
import { protocol } from './virtual-world.ts';

// A partition that is a number: the canary's is text, as no record's can be.
const Reading = defineEntity({
  name: 'readings',
  schema: z.object({ id: z.string(), site: z.number(), label: z.string() }),
  key: { partition: 'site', id: 'id' },
  indexes: [{ fields: ['label'], unique: 'partition' }],
});
const READS: JsonObject = { policy: 'dual-write', reads: 'postgres', flip: 'manual' };
const PRIMARY: JsonObject = { policy: 'postgres-primary', flip: 'manual' };

describeWith('postgres')('gates on real engines', () => {
  const pool = new Pool({ connectionString: testDatabase().url, max: 6 });
  afterAll(() => pool.end());

  const client = new CosmosClient(new CosmosEmulator({ partitions: 2 }).clientOptions());
  const storesOf = (map: CosmosMap = {}) => ({
    cosmos: cosmosStore({ database: client.database('app'), map }),
    postgres: postgresStore({ pool, timeoutMs: 5_000 }),
  });
  let revision = 0;
  const open = async (stores: HybridStores, policy: JsonObject) => {
    revision += 1;
    return createHybrid<HybridStores, readonly [typeof Reading]>({
      stores,
      entities: [Reading],
      config: { loaded: { revision, entities: { readings: policy } } },
      protocol,
    });
  };

  test('other readers are asked about, and a canary goes there and back where nobody sees it', async () => {
    const { database } = await client.databases.create({ id: 'app' });
    const { container } = await database.containers.create({
      id: 'readings',
      partitionKey: { paths: ['/site'], version: PartitionKeyDefinitionVersion.V2 },
      indexingPolicy: { compositeIndexes: compositeIndexesFor(Reading) },
      uniqueKeyPolicy: { uniqueKeys: [{ paths: ['/label'] }] },
    });
    await container.items.create({ id: '1', site: 7, label: 'old' });
    await using before = await open(storesOf(), READS);
    await vi.waitFor(
      () =>
        expect(before.status('readings').blockedBy).toMatchObject([{ name: 'other readers', passed: false }]),
      { timeout: 10_000 },
    );
    const plan = await before.plan('readings');
    expect(plan.steps.map(({ to }) => to)).toEqual(['1', '2', '3']);
    expect(plan.copy).toMatchObject({ records: 1, unstamped: 1 });
    const { resources } = await container.items.readAll().fetchAll();
    const document = resources.find(({ id }) => id === '1');
    expect(document).not.toHaveProperty('_h');
    await before.close();

    const stores = storesOf({ readings: { otherReaders: 'acknowledged' } });
    await using hybrid = await open(stores, PRIMARY);
    await vi.waitFor(() => expect(hybrid.status('readings').phase).toBe('4'), { timeout: 20_000 });

    const canary = { partition: ['hyb:polyphase'], id: 'hyb:canary:readings' };
    const seen = await Promise.all(
      [stores.cosmos, stores.postgres].map((it) => it.records(Reading).read(canary)),
    );
    expect(seen[0]?.version).toEqual(seen[1]?.version);
    expect(seen.map((record) => record?.value)).toEqual([undefined, undefined]);
    for (const store of [stores.cosmos, stores.postgres]) {
      const records = store.records(Reading);
      expect(await records.count()).toBe(1);
      expect((await records.query(planQuery(Reading, {}).plan)).map(({ key }) => key.id)).toEqual(['1']);
    }
    const feed = stores.cosmos.changes(Reading);
    const told: string[] = [];
    for (const range of await feed.ranges())
      for (const change of (await feed.read(range, undefined)).changes)
        told.push(change.kind === 'record' ? change.record.key.id : change.label);
    expect(told).toEqual(['1']);
    expect(told.filter((id) => id.startsWith(RESERVED_ID_PREFIX))).toEqual([]);
  }, 40_000);
});
