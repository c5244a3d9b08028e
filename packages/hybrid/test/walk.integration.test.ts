import { CosmosClient, PartitionKeyDefinitionVersion } from '@azure/cosmos';
import {
  ConnectionError,
  InvalidOptionsError,
  isPolyphaseError,
  type JsonObject,
  type RecordStore,
  UnknownOutcomeError,
} from '@polyphase/core';
import { compositeIndexesFor, cosmosStore } from '@polyphase/cosmos';
import { CosmosEmulator } from '@polyphase/cosmos-emulator';
import { postgresStore } from '@polyphase/postgres';
import { type FaultProxy, startFaultProxy } from '@polyphase/test-support';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool } from 'pg';
import { afterEach, expect, test, vi } from 'vitest';
import { createHybrid, type HybridStores } from '../src/index.ts';
import { Note, protocol } from './virtual-world.ts';

const POLICIES: { readonly [phase in string]: JsonObject } = {
  '0': { policy: 'cosmos-only', flip: 'auto' },
  '2': { policy: 'dual-write', flip: 'auto' },
  '3': { policy: 'dual-write', reads: 'postgres', flip: 'auto' },
  '6': { policy: 'postgres-primary', flip: 'auto' },
  '7': { policy: 'postgres-primary', reverseSync: false, flip: 'auto' },
};

/** A Cosmos DB account, a PostgreSQL database behind a wire that breaks, and one process after the other between them. */
class Place {
  readonly emulator = new CosmosEmulator({ partitions: 3 });
  readonly #client = new CosmosClient(this.emulator.clientOptions());
  readonly #url: string;
  readonly troubles: string[] = [];
  #wire: FaultProxy | undefined;
  #pools: Pool[] = [];
  #opened: { close(options: { drainMs: number }): Promise<void> }[] = [];
  #revision = 0;

  constructor(url: string) {
    this.#url = url;
  }

  get wire(): FaultProxy {
    if (!this.#wire) throw new Error('No wire yet');
    return this.#wire;
  }

  get container() {
    return this.#client.database('app').container('notes');
  }

  async prepare(): Promise<void> {
    this.#wire = await startFaultProxy(this.#url);
    const { database } = await this.#client.databases.createIfNotExists({ id: 'app' });
    await database.containers.createIfNotExists({
      id: 'notes',
      partitionKey: { paths: ['/owner'], version: PartitionKeyDefinitionVersion.V2 },
      indexingPolicy: { compositeIndexes: compositeIndexesFor(Note) },
    });
  }

  pool(url = this.wire.through(this.#url)): Pool {
    const pool = new Pool({ connectionString: url, max: 6, connectionTimeoutMillis: 1_000 });
    pool.on('error', (error) => this.troubles.push(`pool: ${error.message}`));
    this.#pools.push(pool);
    return pool;
  }

  stores(pool = this.pool()) {
    return {
      cosmos: cosmosStore({
        database: this.#client.database('app'),
        map: { notes: { otherReaders: 'acknowledged' } },
      }),
      postgres: postgresStore({ pool, timeoutMs: 2_000 }),
    };
  }

  config(phase: string) {
    this.#revision += 1;
    return { loaded: { revision: this.#revision, entities: { notes: POLICIES[phase] } } };
  }

  async open(phase: string, stores: HybridStores = this.stores()) {
    const hybrid = await createHybrid<HybridStores, readonly [typeof Note]>({
      stores,
      entities: [Note],
      config: this.config(phase),
      protocol: { ...protocol, hold: '3s' },
    });
    this.#opened.push(hybrid);
    hybrid.on('trouble', ({ where, error }) => this.troubles.push(`${where}: ${String(error)}`));
    hybrid.on('blocked', ({ to, answers }) =>
      this.troubles.push(`blocked ${to}: ${JSON.stringify(answers)}`),
    );
    const reached = (wanted: string) =>
      vi.waitFor(
        () => {
          const at = hybrid.status('notes').phase;
          if (at !== wanted)
            throw new Error(`in ${at ?? '-'}, not ${wanted}; ${this.troubles.slice(-5).join('; ')}`);
        },
        { timeout: 20_000, interval: 20 },
      );
    const move = async (wanted: string): Promise<void> => {
      await hybrid.configure(this.config(wanted));
      await reached(wanted);
    };
    return { hybrid, notes: hybrid.repository(Note), reached, move };
  }

  async close(): Promise<void> {
    for (const hybrid of this.#opened) await hybrid.close({ drainMs: 100 });
    for (const pool of this.#pools) if (!pool.ended) await pool.end();
    await this.#wire?.close();
    this.#client.dispose();
  }
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

/** Live records of a store, with version and digest. */
async function liveIn(records: RecordStore): Promise<readonly string[]> {
  const live: string[] = [];
  for await (const page of records.scan())
    for (const { key, version, digest } of page) {
      const record = await records.read(key);
      if (record?.value)
        live.push(`${String(key.partition[0])}/${key.id} ${version.term}.${version.counter} ${digest}`);
    }
  return live.toSorted();
}

describeWith('postgres')('a walk on real engines', () => {
  const database = testDatabase();
  const open: Place[] = [];
  afterEach(async () => {
    for (const place of open.splice(0)) await place.close();
  });

  async function arrive(): Promise<Place> {
    const admin = new Pool({ connectionString: database.url });
    await admin.query('drop schema if exists polyphase cascade; drop table if exists notes');
    await admin.end();
    const place = new Place(database.url);
    open.push(place);
    await place.prepare();
    return place;
  }

  test('forward, let go, take back, and home again, while records are written: both stores end the same', async () => {
    const place = await arrive();
    for (let i = 0; i < 40; i += 1)
      await place.container.items.create({
        id: `${i}`,
        owner: `o${i % 7}`,
        text: 'old',
        unknown: { kept: [i] },
      });
    const stores = place.stores();
    const { notes, move } = await place.open('0', stores);
    const acknowledged = new Map<string, string>();
    const wrongs: string[] = [];
    const over = new AbortController();
    const writer = async (owner: string): Promise<void> => {
      for (let i = 0; !over.signal.aborted; i += 1) {
        const id = i % 3 === 0 ? `once-${i}` : `k${i % 4}`;
        await settled((operationId) => notes.upsert({ id, owner, text: `${i}` }, { operationId }));
        acknowledged.set(`${owner}/${id}`, `${i}`);
        const seen = await notes.get({ owner, id });
        if (seen?.value.text !== `${i}`)
          wrongs.push(`${owner}/${id}: ${seen?.value.text ?? 'nothing'}, not ${i}`);
      }
    };
    const writers = ['ada', 'bob'].map((owner) => writer(owner));
    for (const phase of ['2', '6', '7', '6', '2']) await move(phase);
    over.abort();
    await Promise.all(writers);
    expect(wrongs).toEqual([]);
    await vi.waitFor(
      async () =>
        expect(await liveIn(stores.postgres.records(Note))).toEqual(
          await liveIn(stores.cosmos.records(Note)),
        ),
      { timeout: 10_000 },
    );
    for (const [key, text] of acknowledged) {
      const [owner = '', id = ''] = key.split('/');
      expect([key, (await notes.get({ owner, id }))?.value.text]).toEqual([key, text]);
    }
    expect((await notes.get({ owner: 'o3', id: '3' }))?.value).toMatchObject({ unknown: { kept: [3] } });
  }, 60_000);

  test('PostgreSQL is away at the start: records in Cosmos DB are served; when it is back the walk goes on', async () => {
    const place = await arrive();
    const first = await place.open('2');
    await first.reached('2');
    await first.hybrid.close();
    place.wire.refuse();
    const { notes, hybrid, reached } = await place.open('6');
    await notes.create({ id: '1', owner: 'a', text: 'x' });
    expect((await notes.get({ owner: 'a', id: '1' }))?.value.text).toBe('x');
    expect(hybrid.status('notes')).toMatchObject({ phase: undefined, authority: 'cosmos' });
    place.wire.heal();
    await reached('6');
    expect((await notes.get({ owner: 'a', id: '1' }))?.value.text).toBe('x');
  }, 40_000);

  test.each(['0', '2', '3'])(
    'PostgreSQL is lost in phase %s: no call fails',
    async (phase) => {
      const place = await arrive();
      const stores = place.stores();
      const { notes, reached } = await place.open(phase, stores);
      await reached(phase);
      for (let round = 0; round < 3; round += 1) {
        if (round === 1) place.wire.refuse();
        if (round === 2) place.wire.heal();
        for (let i = 0; i < 60; i += 1) {
          await notes.upsert({ id: `${i % 5}`, owner: 'a', text: `${round}-${i}` });
          expect((await notes.get({ owner: 'a', id: `${i % 5}` }))?.value.text).toBe(`${round}-${i}`);
        }
      }
      const inBoth = async () => [
        await liveIn(stores.cosmos.records(Note)),
        await liveIn(stores.postgres.records(Note)),
      ];
      await vi.waitFor(
        async () => {
          const [cosmos, postgres] = await inBoth();
          expect(phase === '0' ? [] : postgres).toEqual(phase === '0' ? [] : cosmos);
        },
        { timeout: 15_000 },
      );
    },
    40_000,
  );

  test('PostgreSQL is lost in phase 6: calls are held, end as retryable, and go on when it is back', async () => {
    const place = await arrive();
    const { notes, reached } = await place.open('6');
    await reached('6');
    await notes.create({ id: '1', owner: 'a', text: 'x' });
    place.wire.refuse();
    const began = performance.now();
    const failed = await notes.get({ owner: 'a', id: '1' }).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(isPolyphaseError(failed) && failed.retryable).toBe(true);
    expect(performance.now() - began).toBeLessThan(9_000);
    const written = notes.patch({ owner: 'a', id: '1' }, { text: 'y' }, { operationId: 'op' });
    place.wire.heal();
    await written;
    expect((await notes.get({ owner: 'a', id: '1' }))?.value.text).toBe('y');
  }, 40_000);

  test('Cosmos DB is lost: its phases say so, and PostgreSQL goes on without it', async () => {
    const place = await arrive();
    const { notes, reached, move } = await place.open('2');
    await reached('2');
    await notes.create({ id: '1', owner: 'a', text: 'x' });
    const lost = place.emulator.faults.add({ reset: 'before', count: 1_000_000 });
    await expect(notes.get({ owner: 'a', id: '1' })).rejects.toMatchObject({ retryable: true });
    lost.remove();
    await move('6');
    const again = place.emulator.faults.add({ reset: 'before', count: 1_000_000 });
    await notes.patch({ owner: 'a', id: '1' }, { text: 'y' });
    expect((await notes.get({ owner: 'a', id: '1' }))?.value.text).toBe('y');
    again.remove();
    await move('2');
    expect((await notes.get({ owner: 'a', id: '1' }))?.value.text).toBe('y');
  }, 40_000);

  test('Cosmos DB is away at the start: calls say so, and go on when it is back', async () => {
    const place = await arrive();
    const first = await place.open('2');
    await first.reached('2');
    await first.hybrid.close();
    const lost = place.emulator.faults.add({ reset: 'before', count: 1_000_000 });
    const { notes } = await place.open('2');
    await expect(notes.get({ owner: 'a', id: '1' })).rejects.toThrow(ConnectionError);
    lost.remove();
    await vi.waitFor(() => notes.upsert({ id: '1', owner: 'a', text: 'x' }), { timeout: 10_000 });
  }, 40_000);

  test('a wrong password is told at the start, with what to do', async () => {
    const place = await arrive();
    const url = new URL(database.url);
    // A server of one's own may trust everybody; nobody of that name gets in there either.
    if (url.password === '') url.username = 'nobody_of_that_name';
    url.password = 'not-the-password';
    const opening = place.open('0', place.stores(place.pool(url.href)));
    await expect(opening).rejects.toThrow(InvalidOptionsError);
    await expect(opening).rejects.toThrow('correct the pool’s credentials');
    await expect(opening).rejects.not.toThrow('not-the-password');
  });

  test('a closed pool: the phases of Cosmos DB go on, those of PostgreSQL say what to do', async () => {
    const place = await arrive();
    const pool = place.pool();
    const { notes, reached, move } = await place.open('3', place.stores(pool));
    await reached('3');
    await notes.create({ id: '1', owner: 'a', text: 'x' });
    await pool.end();
    expect((await notes.get({ owner: 'a', id: '1' }))?.value.text).toBe('x');
    await notes.patch({ owner: 'a', id: '1' }, { text: 'y' });
    expect((await notes.get({ owner: 'a', id: '1' }))?.value.text).toBe('y');
    await expect(move('6')).rejects.toThrow('The pool was closed');
  }, 40_000);

  test('two processes on one control row walk it together, and one goes on when the other ends', async () => {
    const place = await arrive();
    const first = await place.open('2');
    const second = await place.open('2');
    const { version } = await first.notes.create({ id: '1', owner: 'a', text: 'x' });
    expect(await second.notes.get({ id: '1', owner: 'a' })).toMatchObject({ version });
    await second.move('6');
    await first.reached('6');
    await first.notes.patch({ id: '1', owner: 'a' }, { text: 'y' });
    expect((await second.notes.get({ id: '1', owner: 'a' }))?.value.text).toBe('y');
    await first.hybrid.close();
    await second.move('2');
    await second.reached('2');
    expect((await second.notes.get({ id: '1', owner: 'a' }))?.value.text).toBe('y');
  }, 40_000);

  test('a container that does not fit is told at the start', async () => {
    const place = await arrive();
    await place.container.delete();
    await place.container.database.containers.create({ id: 'notes', partitionKey: { paths: ['/tenant'] } });
    await expect(place.open('0')).rejects.toThrow(InvalidOptionsError);
  });
});
