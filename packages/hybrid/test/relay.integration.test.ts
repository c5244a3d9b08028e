import { CosmosClient, PartitionKeyDefinitionVersion } from '@azure/cosmos';
import { compositeIndexesFor, cosmosStore } from '@polyphase/cosmos';
import { CosmosEmulator } from '@polyphase/cosmos-emulator';
import { postgresStore } from '@polyphase/postgres';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool } from 'pg';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createHybrid, type HybridOptions, type HybridStores, type StalledRange } from '../src/index.ts';
import { FaultPlan, faultyStores } from './faulty-stores.ts';
import { Note, protocol } from './virtual-world.ts';

type Roles = HybridOptions<HybridStores, readonly [typeof Note]>['roles'];

const DUAL = { policy: 'dual-write' } as const;
const POSTGRES = { policy: 'postgres-primary', flip: 'auto' } as const;
const LONG = { timeout: 30_000, interval: 20 };

/** Processes of one fleet over a container that is split, and a PostgreSQL. */
class SplitFleet {
  readonly #emulator = new CosmosEmulator({ partitions: 2 });
  readonly #client = new CosmosClient(this.#emulator.clientOptions());
  readonly #pool: Pool;
  readonly #closing: (() => Promise<void>)[] = [];

  constructor(url: string) {
    this.#pool = new Pool({ connectionString: url, max: 12 });
  }

  get postgres() {
    return postgresStore({ pool: this.#pool });
  }

  async open(): Promise<void> {
    const { database } = await this.#client.databases.create({ id: 'app' });
    await database.containers.create({
      id: 'notes',
      partitionKey: { paths: ['/owner'], version: PartitionKeyDefinitionVersion.V2 },
      indexingPolicy: { compositeIndexes: compositeIndexesFor(Note) },
    });
  }

  async join(roles: Roles, plan = new FaultPlan()) {
    const cosmos = cosmosStore({ database: this.#client.database('app') });
    const stores = faultyStores({ cosmos, postgres: this.postgres }, plan);
    const hybrid = await createHybrid({
      stores,
      entities: [Note],
      config: { revision: 1, entities: { notes: DUAL } },
      protocol: { ...protocol, memberLease: '1s' },
      ...(roles && { roles }),
    });
    this.#closing.push(() => hybrid.close({ drainMs: 0 }));
    return hybrid;
  }

  /** Splits every partition. */
  split(): void {
    for (const range of ['0', '1']) this.#emulator.split({ database: 'app', container: 'notes', range });
  }

  /** How many ranges each process has, by its name in leases. */
  async shares(): Promise<readonly number[]> {
    const held = await this.postgres.leases.list('feed:notes:range:');
    const counts = new Map<string, number>();
    for (const { holder } of held.values()) counts.set(holder, (counts.get(holder) ?? 0) + 1);
    return [...counts.values()].toSorted((a, b) => a - b);
  }

  async close(): Promise<void> {
    for (const close of this.#closing) await close();
    await this.#pool.query('drop schema if exists polyphase cascade; drop table if exists notes');
    await this.#pool.end();
    this.#client.dispose();
  }
}

describeWith('postgres')('relays of one fleet on real engines', { timeout: 60_000 }, () => {
  const engine = testDatabase();
  let fleet: SplitFleet;
  beforeEach(async () => {
    fleet = new SplitFleet(engine.url);
    await fleet.open();
  });
  afterEach(() => fleet.close());

  test('share the ranges of a container, go on with the halves of those that are split, and take over from one that dies', async () => {
    const service = await fleet.join(['serve', 'controller']);
    const notes = service.repository(Note);
    const dying = new FaultPlan();
    const relays = [await fleet.join(['relay'], dying), await fleet.join(['relay'])];
    const stalls: StalledRange[] = [];
    for (const it of [service, ...relays]) it.on('stalled', (stalled) => stalls.push(stalled));
    const status = () => service.status('notes');
    const write = async (from: number, to: number): Promise<void> => {
      for (let i = from; i < to; i += 1) await notes.create({ id: `${i}`, owner: `${i}`, text: 'x' });
    };
    const sharesAre = (...shares: readonly number[]) =>
      vi.waitFor(async () => expect(await fleet.shares()).toEqual(shares), LONG);

    await vi.waitFor(() => expect(status().phase).toBe('2'), LONG);
    await sharesAre(1, 1);
    await write(0, 60);
    fleet.split();
    await write(60, 120);
    await sharesAre(2, 2);
    await vi.waitFor(() => {
      const read = relays.map((relay) => relay.status('notes').copied.read);
      expect(Math.min(...read)).toBeGreaterThan(0);
    }, LONG);
    dying.kill();
    await write(120, 180);
    await service.configure({ revision: 2, entities: { notes: POSTGRES } });
    await vi.waitFor(() => expect(status().phase).toBe('6'), LONG);
    expect(await fleet.postgres.records(Note).count()).toBe(180);
    await sharesAre(4);
    await vi.waitFor(() => expect(status()).toMatchObject({ lagChanges: 0, stalled: [] }), LONG);
    expect(stalls).toEqual([]);
  });
});
