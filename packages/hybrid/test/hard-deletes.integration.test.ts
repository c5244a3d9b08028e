import { CosmosClient, PartitionKeyDefinitionVersion } from '@azure/cosmos';
import { compositeIndexesFor, cosmosStore } from '@polyphase/cosmos';
import { CosmosEmulator } from '@polyphase/cosmos-emulator';
import { postgresStore } from '@polyphase/postgres';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool } from 'pg';
import { afterAll, expect, test, vi } from 'vitest';
import { createHybrid, type HybridStores } from '../src/index.ts';
import { Note, protocol } from './virtual-world.ts';

describeWith('postgres')('deletes: "hard"', () => {
  const engine = testDatabase();
  const pool = new Pool({ connectionString: engine.url, max: 6 });
  const client = new CosmosClient(new CosmosEmulator().clientOptions());
  afterAll(async () => {
    await pool.end();
    client.dispose();
  });

  test('removes in phase 0 and holds the gate; without it, and in later phases in spite of it, deletes leave tombstones', async () => {
    const { database } = await client.databases.create({ id: 'app' });
    const { container } = await database.containers.create({
      id: 'notes',
      partitionKey: { paths: ['/owner'], version: PartitionKeyDefinitionVersion.V2 },
      indexingPolicy: { compositeIndexes: compositeIndexesFor(Note) },
    });
    let revision = 0;
    const open = async (hard: boolean, policy: string) => {
      revision += 1;
      const hybrid = await createHybrid<HybridStores, readonly [typeof Note]>({
        stores: {
          cosmos: cosmosStore({ database, ...(hard ? { map: { notes: { deletes: 'hard' } } } : {}) }),
          postgres: postgresStore({ pool, timeoutMs: 5_000 }),
        },
        entities: [Note],
        config: { loaded: { revision, entities: { notes: { policy, flip: 'auto' } } } },
        protocol,
      });
      const notes = hybrid.repository(Note);
      const make = (id: string) => notes.create({ id, owner: 'a', text: id });
      const remove = (id: string) => notes.delete({ id, owner: 'a' });
      return { hybrid, make, remove };
    };
    const raw = async () =>
      (
        await container.items
          .query<string>('SELECT VALUE c.id FROM c WHERE c.owner = "a" AND NOT STARTSWITH(c.id, "hyb:")')
          .fetchAll()
      ).resources;
    const phaseIs = (hybrid: Awaited<ReturnType<typeof open>>['hybrid'], phase: string) =>
      vi.waitFor(() => expect(hybrid.status('notes').phase).toBe(phase), { timeout: 20_000 });

    const first = await open(true, 'dual-write');
    await phaseIs(first.hybrid, '0');
    for (const id of ['1', '2', '3', '4']) await first.make(id);
    await first.remove('1');
    await first.hybrid.transaction(async (unit) => {
      await unit.repository(Note).delete({ id: '2', owner: 'a' });
    });
    expect(await raw()).toEqual(['3', '4']);
    await vi.waitFor(
      () =>
        expect(first.hybrid.status('notes').blockedBy).toMatchObject([
          { name: 'deletes leave tombstones', wanted: expect.stringContaining('map["notes"]') },
        ]),
      { timeout: 20_000 },
    );
    await first.hybrid.close();

    const second = await open(false, 'dual-write');
    await phaseIs(second.hybrid, '2');
    await second.remove('3');
    await second.hybrid.close();
    expect(await raw()).toEqual(['3', '4']);

    // Put back by mistake: PostgreSQL follows, so that it must hear of every delete.
    await using third = (await open(true, 'dual-write')).hybrid;
    await phaseIs(third, '2');
    await third.repository(Note).delete({ id: '4', owner: 'a' });
    expect(await raw()).toEqual(['3', '4']);

    // A process that was given no PostgreSQL knows it by its lease.
    await using alone = await createHybrid<HybridStores, readonly [typeof Note]>({
      stores: { cosmos: cosmosStore({ database, map: { notes: { deletes: 'hard' } } }) },
      entities: [Note],
      config: { loaded: { revision: 1, entities: { notes: { policy: 'cosmos-only' } } } },
      protocol,
    });
    await alone.repository(Note).create({ id: '5', owner: 'a', text: '5' });
    await alone.repository(Note).delete({ id: '5', owner: 'a' });
    expect(await raw()).toEqual(['3', '4', '5']);
    await vi.waitFor(
      async () => {
        const { rows } = await pool.query('select id from notes where not hyb_deleted');
        expect(rows).toEqual([]);
      },
      { timeout: 20_000 },
    );
  }, 90_000);
});
