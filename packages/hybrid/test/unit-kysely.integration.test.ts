import { CosmosClient, PartitionKeyDefinitionVersion } from '@azure/cosmos';
import type { Duration, JsonObject } from '@polyphase/core';
import { compositeIndexesFor, cosmosStore } from '@polyphase/cosmos';
import { CosmosEmulator } from '@polyphase/cosmos-emulator';
import { postgresStore } from '@polyphase/postgres';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool } from 'pg';
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createHybrid, type HybridUnit, SealedError, UnsupportedError } from '../src/index.ts';
import { Note, Other, protocol } from './virtual-world.ts';

interface Tables {
  audit: { id: string };
  notes: { id: string; owner: string; text: string | null; rank: number | null };
}

const POLICIES: { readonly [phase in string]: JsonObject } = {
  '0': { policy: 'cosmos-only' },
  '2': { policy: 'dual-write' },
  '3': { policy: 'dual-write', reads: 'postgres' },
  '4': { policy: 'postgres-primary', flip: 'manual' },
  '6': { policy: 'postgres-primary' },
  '7': { policy: 'postgres-primary', reverseSync: false },
};

// Phases that nobody asks for: where the walk to them begins, and what keeps it from going past the first.
const START: { readonly [phase in string]: string } = { '1': '0', '4': '3' };
const HOLD_GATES = `insert into polyphase.journal (digest, kind, entity, key, reason, issues)
  values ('hold', 'dead-letter', 'notes', 'hold', 'a test', '[]')`;

describeWith('postgres')('unit.kysely', () => {
  const database = testDatabase();
  const pool = new Pool({ connectionString: database.url, max: 6 });
  const closing: (() => Promise<void>)[] = [];
  beforeEach(async () => {
    await pool.query('drop schema if exists polyphase cascade; drop table if exists notes, others, audit');
    await pool.query('create table audit (id text primary key)');
  });
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });
  afterAll(() => pool.end());

  async function inPhase(phase: string, otherPhase = phase, sealTimeout: Duration = protocol.sealTimeout) {
    const emulator = new CosmosEmulator();
    const client = new CosmosClient(emulator.clientOptions());
    const { database: app } = await client.databases.createIfNotExists({ id: 'app' });
    const containers = [Note, Other].map((entity) =>
      app.containers.createIfNotExists({
        id: entity.name,
        partitionKey: { paths: ['/owner'], version: PartitionKeyDefinitionVersion.V2 },
        indexingPolicy: { compositeIndexes: compositeIndexesFor(entity) },
      }),
    );
    const [made] = await Promise.all(containers);
    const container = made?.container;
    if (!container) throw new Error('no container');
    let revision = 0;
    const config = (wanted: string, other: string) => {
      revision += 1;
      const of = (name: string): JsonObject => ({ flip: 'auto', ...POLICIES[name] });
      return { loaded: { revision, entities: { notes: of(wanted), others: of(other) } } };
    };
    const store = postgresStore<Tables>({ pool, timeoutMs: 5_000 });
    let begun = 0;
    const runUnit: typeof store.runUnit = async (work, options) => {
      begun += 1;
      return store.runUnit(work, options);
    };
    const postgres = { ...store, runUnit };
    const hybrid = await createHybrid({
      stores: { cosmos: cosmosStore({ database: app }), postgres },
      entities: [Note, Other],
      config: config(phase, otherPhase),
      protocol: { ...protocol, hold: '3s', sealTimeout },
    });
    closing.push(async () => {
      await hybrid.close({ drainMs: 100 });
      client.dispose();
    });
    const reached = (wanted: string, name: 'notes' | 'others' = 'notes') =>
      vi.waitFor(() => expect(hybrid.status(name).phase).toBe(wanted), { timeout: 30_000, interval: 5 });
    await reached(phase);
    await reached(otherPhase, 'others');
    const ask = (wanted: string, other = otherPhase) => hybrid.configure(config(wanted, other));
    return { hybrid, notes: hybrid.repository(Note), container, ask, reached, units: () => begun };
  }
  const turns = async (count: number): Promise<void> => {
    for (let turn = 0; turn < count; turn += 1) await Promise.resolve();
  };
  const audits = async (): Promise<unknown[]> =>
    (await pool.query('select id from audit order by id')).rows.map(({ id }) => id);
  type Unit = HybridUnit<{ readonly postgres: ReturnType<typeof postgresStore<Tables>> }>;
  const audit = (unit: Unit, id: string) => unit.kysely.insertInto('audit').values({ id }).execute();

  test.each(['6', '7'])(
    'in phase %s it commits with what repositories write, and rolls back with it',
    async (phase) => {
      const { hybrid, notes } = await inPhase(phase);
      const key = { owner: 'a', id: '1' };
      const seen = await hybrid.transaction(async (unit) => {
        await audit(unit, 'before');
        await unit.repository(Note).create({ ...key, text: 'old' });
        await unit.kysely.updateTable('notes').set({ rank: 3 }).where('id', '=', '1').execute();
        return (await unit.repository(Note).get(key))?.value;
      });
      expect(seen).toEqual({ ...key, text: 'old', rank: 3 });
      expect((await notes.get(key))?.value).toEqual(seen);
      const failure = new Error('no');
      const failed = hybrid.transaction(async (unit) => {
        await unit.repository(Note).patch(key, { text: 'never' });
        await audit(unit, 'never');
        throw failure;
      });
      await expect(failed).rejects.toBe(failure);
      const doomed = hybrid.transaction(async (unit) => {
        await unit.repository(Note).patch(key, { text: 'never' });
        await audit(unit, 'before').catch(() => undefined);
      });
      await expect(doomed).rejects.toMatchObject({ code: 'already-exists' });
      expect((await notes.get(key))?.value).toEqual(seen);
      expect(await audits()).toEqual(['before']);
    },
    60_000,
  );

  test('in phase 6 what it changes reaches Cosmos DB, and a record that the unit had read must be read once more', async () => {
    const { hybrid, notes, container } = await inPhase('6');
    const key = { owner: 'a', id: '1' };
    await notes.create({ ...key, text: 'old' });
    await hybrid.transaction(async (unit) => {
      const inside = unit.repository(Note);
      const stored = await inside.get(key);
      await unit.kysely.updateTable('notes').set({ rank: 3 }).where('id', '=', '1').execute();
      const stale = inside.replace({ ...key, text: 'new' });
      await expect(stale).rejects.toMatchObject({ code: 'conflict', retryable: false });
      await expect(inside.patch(key, { text: 'new' }, { ifVersion: stored?.version })).rejects.toMatchObject({
        code: 'conflict',
      });
      await inside.get(key);
      await inside.patch(key, { text: 'new' });
      await unit.kysely.insertInto('notes').values({ id: '2', owner: 'a', text: 'raw' }).execute();
    });
    await vi.waitFor(
      async () => {
        const { resources } = await container.items
          .query<JsonObject>('select c.id, c.text, c["rank"] from c where is_defined(c.text) order by c.id')
          .fetchAll();
        expect(resources).toEqual([
          { id: '1', text: 'new', rank: 3 },
          { id: '2', text: 'raw' },
        ]);
      },
      { timeout: 10_000 },
    );
  }, 60_000);

  test.each(['0', '1', '2', '3', '4'])(
    'in phase %s it is refused before any request, unless the unit is for PostgreSQL alone',
    async (phase) => {
      const { hybrid, notes, reached, ask, units } = await inPhase(START[phase] ?? phase);
      if (phase === '1') await pool.query(HOLD_GATES);
      if (phase in START) {
        await ask(phase === '1' ? '2' : phase);
        await reached(phase);
      }
      await notes.create({ owner: 'a', id: '1', text: 'x' });
      const refused = hybrid.transaction((unit) => audit(unit, 'refused'));
      await expect(refused).rejects.toMatchObject({
        code: 'unsupported',
        message: expect.stringContaining('postgresOnly'),
      });
      expect(units()).toBe(0);
      // A unit that began in Cosmos DB goes on there.
      await hybrid.transaction(async (unit) => {
        await unit.repository(Note).patch({ owner: 'a', id: '1' }, { text: 'y' });
        await expect(audit(unit, 'mixed')).rejects.toBeInstanceOf(UnsupportedError);
      });
      expect((await notes.get({ owner: 'a', id: '1' }))?.value.text).toBe('y');
      await hybrid.transaction(
        async (unit) => {
          await audit(unit, 'alone');
          const joins = unit.repository(Note).get({ owner: 'a', id: '1' });
          await expect(joins).rejects.toBeInstanceOf(UnsupportedError);
        },
        { postgresOnly: true },
      );
      expect(await audits()).toEqual(['alone']);
      expect(units()).toBe(1);
    },
    60_000,
  );

  test('one entity that has not moved is enough to ask for postgresOnly', async () => {
    const { hybrid } = await inPhase('6', '0');
    const work = async (unit: Unit) => {
      await unit.repository(Note).create({ owner: 'a', id: '1', text: 'x' });
      await audit(unit, '1');
    };
    await expect(hybrid.transaction(work)).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('others'),
    });
    await hybrid.transaction(work, { postgresOnly: true });
    expect(await audits()).toEqual(['1']);
  }, 60_000);

  test('in phase 5 it is refused before any request, as Cosmos DB is the authority until the flip; after it, it goes', async () => {
    const { hybrid, ask, reached, units } = await inPhase('2', '6', '30s');
    let finish: () => void = () => undefined;
    const waiting = new Promise<void>((resolve) => {
      finish = resolve;
    });
    let joined: () => void = () => undefined;
    const under = new Promise<void>((resolve) => {
      joined = resolve;
    });
    // The seal waits for what is under way.
    const early = hybrid.transaction(async (unit) => {
      await unit.repository(Note).get({ owner: 'a', id: '1' });
      joined();
      await waiting;
    });
    await under;
    await ask('6');
    await reached('5');
    const refused = hybrid.transaction((unit) => audit(unit, 'refused'));
    await expect(refused).rejects.toMatchObject({ code: 'unsupported' });
    expect([units(), hybrid.status('notes').phase]).toEqual([0, '5']);
    finish();
    await early;
    await reached('6');
    await hybrid.transaction((unit) => audit(unit, 'late'));
    expect(await audits()).toEqual(['late']);
  }, 60_000);

  test('while the authority moves back it is held, and then told where things live; nothing is written', async () => {
    const { hybrid, notes, ask, reached } = await inPhase('6');
    let finish: () => void = () => undefined;
    const waiting = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const early = hybrid.transaction(async (unit) => {
      await audit(unit, 'early');
      await waiting;
      await unit.repository(Note).create({ owner: 'a', id: '1', text: 'early' });
    });
    await vi.waitFor(async () =>
      expect(
        (await pool.query("select from pg_locks where locktype = 'advisory' and mode = 'ShareLock'"))
          .rowCount,
      ).toBe(2),
    );
    await ask('2');
    // The gate closes before the row says so, and the step waits for the unit, which holds the group's lock.
    const late = hybrid.transaction((unit) => audit(unit, 'late'));
    late.catch(() => undefined);
    finish();
    await early;
    await reached('2');
    await late.then(
      () => undefined,
      (error: unknown) =>
        expect(UnsupportedError.isInstance(error) || SealedError.isInstance(error)).toBe(true),
    );
    expect(await audits()).toContain('early');
    expect((await notes.get({ owner: 'a', id: '1' }))?.value.text).toBe('early');
  }, 60_000);

  test('is refused once the unit has ended, and begins none then', async () => {
    const { hybrid } = await inPhase('7');
    const escaped = await hybrid.transaction(async (unit) => unit);
    await expect(audit(escaped, 'late')).rejects.toMatchObject({ code: 'invalid-options' });
    expect(await audits()).toEqual([]);
    // Whenever a call comes that nobody waited for, it is part of the unit or refused; none is left open.
    const ends: unknown[] = [];
    for (let late = 0; late < 40; late += 1) {
      let running: Promise<unknown> = Promise.resolve();
      await hybrid.transaction(async (unit) => {
        running = turns(late).then(() => audit(unit, `${late}`));
        running.catch(() => undefined);
      });
      ends.push(await running.catch((error: unknown) => error));
    }
    const refused = ends.filter((end) => end instanceof Error);
    expect(refused).toEqual(refused.map(() => expect.objectContaining({ code: 'invalid-options' })));
    expect(await audits()).toHaveLength(ends.length - refused.length);
    expect(
      (await pool.query("select from pg_stat_activity where state = 'idle in transaction'")).rowCount,
    ).toBe(0);
  }, 60_000);
});
