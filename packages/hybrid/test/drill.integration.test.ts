import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { CosmosClient, PartitionKeyDefinitionVersion } from '@azure/cosmos';
import { compositeIndexesFor, cosmosStore } from '@polyphase/cosmos';
import { CosmosEmulator, type Listener } from '@polyphase/cosmos-emulator';
import { postgresStore } from '@polyphase/postgres';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { drill } from '../src/index.ts';
import { Note, protocol } from './virtual-world.ts';

const RECEIPTS = "select position from polyphase.checkpoint where name = 'drill:notes'";

describeWith('postgres')('a drill on real engines', { timeout: 60_000 }, () => {
  const real = testDatabase();
  const spare = testDatabase();
  const other = testDatabase();
  const emulator = new CosmosEmulator({ partitions: 2 });
  const pools: Pool[] = [];
  let server: Listener;
  let client: CosmosClient;

  const rows = (url: string, schema = 'public') => {
    const pool = new Pool({ connectionString: url, max: 8 });
    pools.push(pool);
    return postgresStore({ pool, schema });
  };
  const documents = async (container: string) => {
    const { database } = await client.databases.createIfNotExists({ id: 'app' });
    await database.containers.createIfNotExists({
      id: container,
      partitionKey: { paths: ['/owner'], version: PartitionKeyDefinitionVersion.V2 },
      indexingPolicy: { compositeIndexes: compositeIndexesFor(Note) },
    });
    return cosmosStore({ database, map: { notes: { container } } });
  };
  const stores = async () => ({ cosmos: await documents('notes'), postgres: rows(real.url) });

  beforeAll(async () => {
    server = await emulator.listen();
    client = new CosmosClient({ endpoint: server.url, key: emulator.key });
    await documents('notes');
    for (let i = 0; i < 60; i += 1)
      await client
        .database('app')
        .container('notes')
        .items.create({
          id: `${i}`,
          owner: `o${i % 7}`,
          text: i === 0 ? null : 'old',
          unknown: { kept: [i] },
        });
  });
  beforeEach(async () => {
    const pool = new Pool({ connectionString: real.url });
    await pool.query('drop schema if exists polyphase cascade');
    await pool.end();
  });
  afterAll(async () => {
    for (const pool of pools) await pool.end();
    client.dispose();
    await server.close();
  });

  test('walks forward and back over HTTP, and keeps its receipt beside the control row alone', async () => {
    const result = await drill({
      entities: [Note],
      stores: await stores(),
      scratch: { cosmos: await documents('notes-drill'), postgres: rows(spare.url) },
      sample: 10,
      protocol,
    });
    if (!result.passed) throw new Error(result.wrongs.join('\n'));
    const [receipt] = result.receipts;
    expect(receipt?.walked.map(({ phase }) => phase).join(' ')).toMatch(/^0 1 2 3 4 5 .*7 7r 6 .*5'$/);
    expect(receipt).toMatchObject({ sampled: 10 });
    expect(receipt?.acknowledged).toBeGreaterThan(10 * 14);
    const pool = new Pool({ connectionString: real.url });
    pools.push(pool);
    expect((await pool.query(RECEIPTS)).rows).toEqual([{ position: JSON.stringify(receipt) }]);
    expect((await pool.query('select 1 from polyphase.control')).rows).toEqual([]);
    const kept = await client.database('app').container('notes').items.readAll().fetchAll();
    expect(kept.resources.filter((it) => '_h' in it || String(it.id).startsWith('hyb:'))).toEqual([]);
  });

  test('refuses another schema of the same database, and the container itself', async () => {
    const given = await stores();
    const postgres = rows(real.url, 'scratch');
    await expect(
      drill({
        entities: [Note],
        stores: given,
        scratch: { cosmos: await documents('empty'), postgres },
        protocol,
      }),
    ).rejects.toThrow('share the PostgreSQL database of the real ones');
    await expect(
      drill({
        entities: [Note],
        stores: given,
        scratch: { cosmos: await documents('notes'), postgres: rows(other.url) },
        protocol,
      }),
    ).rejects.toThrow('hold documents of it');
    await expect(
      drill({
        entities: [Note],
        stores: given,
        scratch: {
          cosmos: cosmosStore({
            database: client.database('app'),
            map: { notes: { container: 'nowhere' } },
          }),
          postgres: rows(other.url),
        },
        protocol,
      }),
    ).rejects.toMatchObject({ code: 'invalid-options' });
  });

  test('leaves no receipt when its process is killed half way, and is refused on what that left', async () => {
    const script = fileURLToPath(new URL('drill-process.ts', import.meta.url));
    await documents('killed');
    const child = spawn(
      process.execPath,
      ['--conditions=@polyphase/source', script, server.url, emulator.key, real.url, other.url, 'killed'],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    // It tells each phase; one that cannot is over.
    for await (const phase of child.stdout) if (String(phase).includes('6')) break;
    expect(child.exitCode).toBeNull();
    child.kill('SIGKILL');
    await once(child, 'exit');
    const given = await stores();
    expect((await given.postgres.checkpoints.list('drill:')).size).toBe(0);
    const scratch = { cosmos: await documents('killed'), postgres: rows(other.url) };
    await expect(drill({ entities: [Note], stores: given, scratch, protocol })).rejects.toThrow(
      'have a control row of it',
    );
  });
});
