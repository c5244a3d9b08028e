import { CosmosClient, PartitionKeyDefinitionVersion } from '@azure/cosmos';
import type { GateAnswer, JsonObject } from '@polyphase/core';
import { compositeIndexesFor, cosmosStore } from '@polyphase/cosmos';
import { CosmosEmulator } from '@polyphase/cosmos-emulator';
import { postgresStore } from '@polyphase/postgres';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool } from 'pg';
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createHybrid, type HybridStores } from '../src/index.ts';
import { Note, protocol } from './virtual-world.ts';

const POLICIES: { readonly [phase in string]: JsonObject } = {
  '2': { policy: 'dual-write', flip: 'auto' },
  '6': { policy: 'postgres-primary', flip: 'auto' },
  '7': { policy: 'postgres-primary', reverseSync: false, flip: 'auto' },
};
const map = { notes: { schema: 'crm', table: 'note', columns: { owner: 'owned_by', rank: 'note_rank' } } };

describeWith('postgres')('SQL of others, while records move', () => {
  const database = testDatabase();
  const pool = new Pool({ connectionString: database.url, max: 6 });
  const closing: (() => Promise<void>)[] = [];
  beforeEach(() => pool.query('drop schema if exists polyphase cascade; drop schema if exists crm cascade'));
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });
  afterAll(() => pool.end());

  async function arrive(first: string) {
    const emulator = new CosmosEmulator({ partitions: 3 });
    const client = new CosmosClient(emulator.clientOptions());
    const { database: app } = await client.databases.createIfNotExists({ id: 'app' });
    const { container } = await app.containers.createIfNotExists({
      id: 'notes',
      partitionKey: { paths: ['/owner'], version: PartitionKeyDefinitionVersion.V2 },
      indexingPolicy: { compositeIndexes: compositeIndexesFor(Note) },
    });
    let revision = 0;
    const config = (phase: string) => {
      revision += 1;
      return { loaded: { revision, entities: { notes: POLICIES[phase] } } };
    };
    const hybrid = await createHybrid<HybridStores, readonly [typeof Note]>({
      stores: { cosmos: cosmosStore({ database: app }), postgres: postgresStore({ pool, map }) },
      entities: [Note],
      config: config(first),
      protocol: { ...protocol, hold: '3s' },
    });
    closing.push(async () => {
      await hybrid.close({ drainMs: 100 });
      client.dispose();
    });
    const blocked: GateAnswer[] = [];
    hybrid.on('blocked', ({ answers }) => blocked.push(...answers.filter(({ passed }) => !passed)));
    const reached = (phase: string) =>
      vi.waitFor(
        () => {
          const at = hybrid.status('notes').phase;
          if (at !== phase)
            throw new Error(`in ${at ?? '-'}, not ${phase}: ${JSON.stringify(blocked.at(-1))}`);
        },
        { timeout: 30_000, interval: 20 },
      );
    await reached(first);
    const ask = (phase: string) => hybrid.configure(config(phase));
    const move = async (phase: string): Promise<void> => {
      await ask(phase);
      await reached(phase);
    };
    const documents = async () => {
      const { resources } = await container.items
        .query<JsonObject>(
          'select c.id, c.text, c["rank"] from c where not is_defined(c._h) or not is_defined(c._h.deleted) order by c.id',
        )
        .fetchAll();
      return resources.filter(({ text }) => text !== undefined);
    };
    const lagMs = () => hybrid.status('notes').lagMs;
    return { notes: hybrid.repository(Note), move, ask, reached, blocked, documents, lagMs };
  }

  test('in phase 6 nothing of it is lost: it reaches Cosmos DB, and stays when the authority goes back', async () => {
    const { notes, move, documents } = await arrive('6');
    for (const id of ['1', '2', '3']) await notes.create({ id, owner: 'a', text: 'old' });
    await pool.query(`update crm.note set note_rank = 7, text = 'raw' where id = '1'`);
    await pool.query(`delete from crm.note where id = '2'`);
    await pool.query(`insert into crm.note (id, owned_by, text) values ('4', 'a', 'new')`);
    const left = [
      { id: '1', text: 'raw', rank: 7 },
      { id: '3', text: 'old' },
      { id: '4', text: 'new' },
    ];
    await vi.waitFor(async () => expect(await documents()).toEqual(left), { timeout: 10_000 });
    // The SDK sees it as a version of its own.
    const [one, gone] = await notes.getMany(['1', '2'].map((id) => ({ owner: 'a', id })));
    expect([one?.value.text, gone]).toEqual(['raw', undefined]);
    await notes.replace({ id: '1', owner: 'a', text: 'sdk' }, { ifVersion: one?.version });
    await pool.query(`update crm.note set text = 'last' where id = '3'`);
    await move('2');
    const found = await notes.getMany(['1', '2', '3', '4'].map((id) => ({ owner: 'a', id })));
    expect(found.map((it) => it?.value.text)).toEqual(['sdk', undefined, 'last', 'new']);
  }, 60_000);

  test('what is written in phase 7 comes along when the way back is prepared', async () => {
    const { notes, move, documents } = await arrive('7');
    await notes.create({ id: '1', owner: 'a', text: 'old' });
    await pool.query(`update crm.note set text = 'raw'`);
    await pool.query(`insert into crm.note (id, owned_by, text) values ('2', 'a', 'new')`);
    await move('6');
    await vi.waitFor(
      async () => expect((await documents()).map(({ text }) => text)).toEqual(['raw', 'new']),
      { timeout: 10_000 },
    );
  }, 60_000);

  test.each([
    ['a change', `update crm.note set text = 'raw' where id = '1'`],
    ['an insert', `insert into crm.note (id, owned_by, text) values ('9', 'a', 'raw')`],
    ['a deletion', `delete from crm.note where id = '1'`],
  ])(
    'in phase 2, %s is drift: callers read Cosmos DB, and the gates let nothing go on',
    async (_, statement) => {
      const { notes, ask, reached, blocked, documents, lagMs } = await arrive('2');
      for (const id of ['1', '2']) await notes.create({ id, owner: 'a', text: 'old' });
      // A change that the feed brings afterwards mends the row: drift is what comes when it has brought them all.
      const written = performance.now();
      await vi.waitFor(() => expect(lagMs()).toBeLessThan(performance.now() - written), { timeout: 20_000 });
      await pool.query(statement);
      const open = await pool.query(
        "select from polyphase.journal where kind = 'dead-letter' and resolved_at is null",
      );
      expect(open.rowCount).toBe(1);
      await ask('6');
      await vi.waitFor(() => expect(blocked.map(({ name }) => name)).toContain('no dead letters'), {
        timeout: 20_000,
      });
      expect((await documents()).map(({ text }) => text)).toEqual(['old', 'old']);
      expect((await notes.get({ owner: 'a', id: '1' }))?.value.text).toBe('old');
      // What is written over it mends it, and the walk goes on.
      await notes.upsert({ id: '1', owner: 'a', text: 'again' });
      if (statement.startsWith('insert')) await notes.upsert({ id: '9', owner: 'a', text: 'again' });
      await reached('6');
      expect((await notes.get({ owner: 'a', id: '1' }))?.value.text).toBe('again');
    },
    60_000,
  );
});
