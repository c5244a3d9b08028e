import { CosmosClient, PartitionKeyDefinitionVersion } from '@azure/cosmos';
import type { JsonObject } from '@polyphase/core';
import { compositeIndexesFor, cosmosStore } from '@polyphase/cosmos';
import { CosmosEmulator } from '@polyphase/cosmos-emulator';
import { postgresStore } from '@polyphase/postgres';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool } from 'pg';
import { afterAll, expect, test, vi } from 'vitest';
import { createHybrid, type HybridStores } from '../src/index.ts';
import { Note, protocol } from './virtual-world.ts';

const POLICIES: { readonly [phase in string]: JsonObject } = {
  '0': { policy: 'cosmos-only' },
  '2': { policy: 'dual-write', flip: 'auto' },
  '6': { policy: 'postgres-primary', flip: 'auto' },
};

// Relays, the controller, callers and units of work all ask for the one connection, and none may hold it while it asks for another.
describeWith('postgres')('a hybrid on a pool of one connection', () => {
  const pool = new Pool({ connectionString: testDatabase().url, max: 1 });
  afterAll(() => pool.end());

  test('goes 0 → 6 → 2 under writes and units of work', async () => {
    const client = new CosmosClient(new CosmosEmulator({ partitions: 2 }).clientOptions());
    const { database: app } = await client.databases.createIfNotExists({ id: 'app' });
    await app.containers.createIfNotExists({
      id: 'notes',
      partitionKey: { paths: ['/owner'], version: PartitionKeyDefinitionVersion.V2 },
      indexingPolicy: { compositeIndexes: compositeIndexesFor(Note) },
    });
    let revision = 0;
    const config = (phase: string) => {
      revision += 1;
      return { loaded: { revision, entities: { notes: POLICIES[phase] } } };
    };
    await using hybrid = await createHybrid<HybridStores, readonly [typeof Note]>({
      stores: {
        cosmos: cosmosStore({ database: app }),
        postgres: postgresStore({ pool, timeoutMs: 5_000 }),
      },
      entities: [Note],
      config: config('0'),
      protocol: { ...protocol, hold: '5s' },
    });
    const notes = hybrid.repository(Note);
    const acknowledged = new Set<string>();
    let number = 0;
    const write = async (): Promise<void> => {
      const [one, two, three, four] = Array.from({ length: 4 }, () => `${(number += 1)}`);
      await hybrid.transaction(async (unit) => {
        const inside = unit.repository(Note);
        await inside.create({ id: `${one}`, owner: 'a', text: 'unit' });
        expect((await inside.get({ owner: 'a', id: `${one}` }))?.value.text).toBe('unit');
        await inside.create({ id: `${two}`, owner: 'a', text: 'unit' });
      });
      const alone = [three, four].map((id) => notes.create({ id: `${id}`, owner: `o${id}`, text: 'alone' }));
      await Promise.all(alone);
      for (const id of [one, two, three, four]) acknowledged.add(`${id}`);
    };
    for (const phase of ['0', '2', '6', '2']) {
      if (phase !== '0') await hybrid.configure(config(phase));
      await vi.waitFor(
        async () => {
          // One that a flip refuses is tried again by the next round.
          await write();
          expect(hybrid.status('notes').phase).toBe(phase);
        },
        { timeout: 30_000, interval: 20 },
      );
      await write();
    }
    for await (const { value } of notes.iterate({})) acknowledged.delete(value.id);
    expect([...acknowledged]).toEqual([]);
  }, 120_000);
});
