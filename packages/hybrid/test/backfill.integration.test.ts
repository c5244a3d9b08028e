import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { CosmosClient, PartitionKeyDefinitionVersion } from '@azure/cosmos';
import { defineEntity, keyText } from '@polyphase/core';
import { compositeIndexesFor, cosmosStore } from '@polyphase/cosmos';
import { CosmosEmulator } from '@polyphase/cosmos-emulator';
import { postgresStore } from '@polyphase/postgres';
import { type FaultProxy, startFaultProxy } from '@polyphase/test-support';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool } from 'pg';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { type BackfillOptions, createBackfill } from '../src/index.ts';
import { Note } from './virtual-world.ts';

/** Notes of which no two in a partition have the same text. */
const Title = defineEntity({
  name: 'titles',
  schema: z.object({ id: z.string(), owner: z.string(), text: z.string() }),
  key: { partition: 'owner', id: 'id' },
  indexes: [{ fields: ['text'], unique: 'partition' }],
});

type Entity = typeof Note | typeof Title;

/** A Cosmos DB account, and a PostgreSQL database behind a wire that breaks. */
class Place {
  readonly emulator = new CosmosEmulator({ partitions: 2 });
  readonly client = new CosmosClient(this.emulator.clientOptions());
  readonly #url: string;
  readonly pool: Pool;
  readonly wire: FaultProxy;
  readonly troubles: string[] = [];

  constructor(options: { readonly url: string; readonly wire: FaultProxy }) {
    this.#url = options.url;
    this.wire = options.wire;
    this.pool = new Pool({ connectionString: options.wire.through(options.url), max: 8 });
    this.pool.on('error', (error) => this.troubles.push(`pool: ${error.message}`));
  }

  get url(): string {
    return this.#url;
  }

  get postgres() {
    return postgresStore({ pool: this.pool, timeoutMs: 3_000 });
  }

  container(entity: Entity) {
    return this.client.database('app').container(entity.name);
  }

  async create(entity: Entity): Promise<void> {
    const { database } = await this.client.databases.createIfNotExists({ id: 'app' });
    await database.containers.createIfNotExists({
      id: entity.name,
      partitionKey: { paths: ['/owner'], version: PartitionKeyDefinitionVersion.V2 },
      indexingPolicy: { compositeIndexes: compositeIndexesFor(entity) },
    });
  }

  /** Puts documents into a container as another program would: a hundred of an owner at a time. */
  async fill(entity: Entity, owners: number): Promise<void> {
    const texts = Array.from({ length: 100 }, (_, i) => `${i}`);
    for (let n = 0; n < owners; n += 1) {
      const owner = `owner-${n}`;
      await this.container(entity).items.batch(
        texts.map((id) => ({ operationType: 'Create', resourceBody: { id, owner, text: `text ${id}` } })),
        owner,
      );
    }
  }

  backfill(entity: Entity, options: Partial<BackfillOptions<readonly []>> = {}) {
    const { postgres } = this;
    const cosmos = cosmosStore({ database: this.client.database('app') });
    const backfill = createBackfill({
      stores: { cosmos, postgres },
      entities: [entity],
      poll: 20,
      lease: '1s',
      ...options,
    });
    backfill.on('trouble', ({ error }) => this.troubles.push(String(error)));
    return backfill;
  }

  async rows(entity: Entity): Promise<number> {
    return this.postgres.records(entity).count();
  }

  async close(): Promise<void> {
    this.wire.heal();
    await this.pool.end();
    await this.wire.close();
    this.client.dispose();
  }
}

/** The same length and no pattern: an index compresses what it stores. */
function scrambled(text: string): string {
  return text.length < 100 ? text : randomBytes(text.length / 2).toString('hex');
}

describeWith('postgres')('a backfill on real engines', { timeout: 120_000 }, () => {
  const engine = testDatabase();
  let place: Place;
  beforeEach(async () => {
    const wire = await startFaultProxy(engine.url);
    place = new Place({ url: engine.url, wire });
    for (const entity of [Note, Title]) await place.create(entity);
  });
  afterEach(async () => {
    await place.pool.query('drop schema if exists polyphase cascade; drop table if exists notes, titles');
    await place.close();
  });
  const isCopying = (backfill: ReturnType<Place['backfill']>, records: number) =>
    vi.waitFor(() => expect(backfill.status('notes').records).toBeGreaterThanOrEqual(records), {
      timeout: 20_000,
      interval: 5,
    });

  test('copies what other programs wrote, counts it, and tells what it took', async () => {
    await place.fill(Note, 12);
    const [plan] = await place.backfill(Note).plan();
    expect(plan).toMatchObject({ records: 1_200, unstamped: 1_200, unmappable: 0 });
    const [progress] = await place.backfill(Note).run();
    expect(progress).toMatchObject({ state: 'done', total: 1_200, applied: 1_200, stamped: 1_200 });
    // What was stamped comes once more, as far as it is read before the end.
    expect(progress?.records).toBeGreaterThanOrEqual(1_200);
    expect(await place.rows(Note)).toBe(1_200);
    const spent = progress?.requestUnits ?? 0;
    const planned = (plan?.requestUnits.reading ?? 0) + (plan?.requestUnits.stamping ?? 0);
    expect(spent).toBeGreaterThan(planned / 2);
    expect(spent).toBeLessThan(planned * 2);
  });

  test('yields to 429, goes on slowly, and finishes', async () => {
    await place.fill(Note, 8);
    const refused = place.emulator.faults.add({
      operation: 'changeFeed',
      status: 429,
      retryAfterMs: 2,
      count: 35,
    });
    const backfill = place.backfill(Note);
    const bounds: number[] = [];
    backfill.on('progress', ({ requestUnitsPerSecond }) => bounds.push(requestUnitsPerSecond ?? Infinity));
    const [progress] = await backfill.run();
    expect(refused.hits).toBe(35);
    expect(progress?.state).toBe('done');
    expect(await place.rows(Note)).toBe(800);
    expect(place.troubles.join()).toContain('less load');
    expect(Math.min(...bounds)).toBeLessThan(1_000);
  });

  test('goes on where it was when partitions are split under it', async () => {
    await place.fill(Note, 14);
    const backfill = place.backfill(Note, { rangesAtOnce: 2, requestUnitsPerSecond: 8_000 });
    const run = backfill.run();
    await isCopying(backfill, 500);
    for (const range of ['0', '1']) place.emulator.split({ database: 'app', container: 'notes', range });
    const [progress] = await run;
    expect(progress?.state).toBe('done');
    expect(await place.rows(Note)).toBe(1_400);
    // Each document twice, as it was and as it was stamped; and a page of each range at most once more.
    expect(progress?.records).toBeLessThanOrEqual(2 * 1_400 + 4 * 500);
    expect(await place.postgres.journal.count('notes')).toEqual({ deadLetters: 0, conflicts: 0 });
  });

  test('says what to do when the container was made anew, and starts over when told to', async () => {
    await place.fill(Note, 2);
    await place.backfill(Note).run();
    await place.container(Note).delete();
    await place.create(Note);
    await place.fill(Note, 3);
    const backfill = place.backfill(Note);
    await expect(backfill.run()).rejects.toMatchObject({
      code: 'store',
      message: expect.stringContaining('startOver'),
    });
    expect(backfill.status('notes').state).toBe('failed');
    await backfill.startOver('notes');
    const [progress] = await place.backfill(Note).run();
    expect(progress?.state).toBe('done');
    expect(await place.rows(Note)).toBe(300);
  });

  test('copies a document of almost 2 MB, and sets aside what PostgreSQL cannot store until it is mended', async () => {
    const { items } = place.container(Note);
    const long = 'x'.repeat(1_900_000);
    await items.create({ id: 'long', owner: 'o', text: 'long', body: long });
    await items.create({ id: 'plain', owner: 'o', text: 'plain' });
    const unfit = { nul: 'a\u0000b', surrogate: 'a\ud800b', 'too long for an index': long.slice(0, 100_000) };
    for (const [id, text] of Object.entries(unfit))
      await items.create({ id, owner: 'o', text: scrambled(text) });
    const [progress] = await place.backfill(Note).run();
    expect(progress?.state).toBe('done');
    // What was stamped comes again, and counts again.
    expect(progress?.setAside).toBeGreaterThanOrEqual(3);
    expect(await place.rows(Note)).toBe(2);
    expect(progress?.bytes).toBeGreaterThan(1_900_000);
    const letters = await place.postgres.journal.list('notes');
    expect(letters.map(({ kind, key }) => `${kind} ${key}`).toSorted()).toEqual(
      Object.keys(unfit)
        .map((id) => `dead-letter ${keyText({ partition: ['o'], id })}`)
        .toSorted(),
    );
    for (const id of Object.keys(unfit)) await items.upsert({ id, owner: 'o', text: 'mended' });
    await place.backfill(Note).run();
    expect(await place.rows(Note)).toBe(5);
    expect(await place.postgres.journal.count('notes')).toEqual({ deadLetters: 0, conflicts: 0 });
  });

  test('copies documents whose unique values clash, which the gate shows until one of them is mended', async () => {
    const { items } = place.container(Title);
    for (const id of ['1', '2', '3'])
      await items.create({ id, owner: 'o', text: id === '3' ? 'other' : 'same' });
    await place.backfill(Title).run();
    expect(await place.rows(Title)).toBe(3);
    const refusals = async () => (await place.postgres.verify(Title)).filter(({ passed }) => !passed);
    expect((await refusals()).length).toBeGreaterThan(0);
    const { resource } = await place.container(Title).item('2', 'o').read<Record<string, unknown>>();
    await items.upsert({ ...resource, text: 'mended' });
    await place.backfill(Title).run();
    expect(await refusals()).toEqual([]);
  });

  test('waits for a PostgreSQL that restarts', async () => {
    await place.fill(Note, 16);
    const backfill = place.backfill(Note, { requestUnitsPerSecond: 12_000 });
    const run = backfill.run();
    await isCopying(backfill, 500);
    place.wire.refuse();
    await vi.waitFor(() => expect(place.troubles.length).toBeGreaterThan(0), { timeout: 20_000 });
    place.wire.heal();
    const [progress] = await run;
    expect(progress?.state).toBe('done');
    expect(await place.rows(Note)).toBe(1_600);
  });

  test('goes on after a worker was killed, and loses nothing', async () => {
    await place.fill(Note, 14);
    await using server = await place.emulator.listen();
    const script = fileURLToPath(new URL('backfill-worker.ts', import.meta.url));
    const worker = spawn(
      process.execPath,
      ['--conditions=@polyphase/source', script, server.url, place.emulator.key, place.url],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    // It tells of its first page; one that cannot is over.
    await Promise.race([once(worker.stdout, 'data'), once(worker, 'exit')]);
    expect(worker.exitCode).toBeNull();
    worker.kill('SIGKILL');
    await once(worker, 'exit');
    const copied = await place.rows(Note);
    expect(copied).toBeGreaterThan(0);
    expect(copied).toBeLessThan(1_400);
    const [progress] = await place.backfill(Note).run();
    expect(progress?.state).toBe('done');
    expect(await place.rows(Note)).toBe(1_400);
    expect(await place.postgres.journal.count('notes')).toEqual({ deadLetters: 0, conflicts: 0 });
  });
});
