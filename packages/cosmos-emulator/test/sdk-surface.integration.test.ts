import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type ContainerRequest,
  CosmosClient,
  type Database,
  VectorEmbeddingDataType,
  VectorEmbeddingDistanceFunction,
  VectorIndexType,
} from '@azure/cosmos';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CosmosEmulator } from '../src/index.ts';
import { refusal } from './refusal.ts';

const cli = fileURLToPath(new URL('../src/cli.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'cosmos-emulator-sdk-'));
const cert = join(folder, 'cert.pem');
const args = ['--conditions=@polyphase/source', cli, '--port', '0', '--tls', '--cert', cert];
const command = spawn(process.execPath, args);
let agent: Agent;
let client: CosmosClient;
let db: Database;

beforeAll(async () => {
  let printed = '';
  while (!printed.includes(' ready at ')) printed += String(await once(command.stdout, 'data'));
  agent = new Agent({ ca: readFileSync(cert), keepAlive: true });
  const endpoint = / ready at (\S+)/.exec(printed)?.[1] ?? '';
  client = new CosmosClient({ endpoint, key: new CosmosEmulator().key, agent });
  db = (await client.databases.create({ id: 'db' })).database;
}, 30_000);

afterAll(async () => {
  client.dispose();
  agent.destroy();
  command.kill('SIGTERM');
  await once(command, 'close');
  rmSync(folder, { recursive: true });
});

let made = 0;
async function container(definition: Partial<ContainerRequest> = {}) {
  const id = `c${made++}`;
  return (await db.containers.create({ id, partitionKey: '/pk', ...definition })).container;
}

async function rangesOf(definition: Partial<ContainerRequest>): Promise<number> {
  return (await (await container(definition)).readPartitionKeyRanges().fetchAll()).resources.length;
}

describe('containers', () => {
  it('have physical partitions by the throughput that they are created with', async () => {
    expect(await rangesOf({})).toBe(1);
    expect(await rangesOf({ throughput: 6000 })).toBe(1);
    expect(await rangesOf({ throughput: 10_100 })).toBe(2);
    expect(await rangesOf({ throughput: 25_100 })).toBe(5);
    expect(await rangesOf({ maxThroughput: 10_000 })).toBe(1);
    expect(await rangesOf({ maxThroughput: 25_000 })).toBe(3);
  });

  it('share the throughput of their database in one partition', async () => {
    const { database } = await client.databases.create({ id: 'shared', throughput: 20_000 });
    const shared = (await database.containers.create({ id: 'c', partitionKey: '/pk' })).container;
    expect((await shared.readPartitionKeyRanges().fetchAll()).resources).toHaveLength(1);
  });

  it('index everything where both lists of paths are empty', async () => {
    const empty = await container({ indexingPolicy: { includedPaths: [], excludedPaths: [] } });
    expect((await empty.read()).resource?.indexingPolicy).toMatchObject({
      includedPaths: [{ path: '/*' }],
      excludedPaths: [{ path: '/"_etag"/?' }],
    });
  });

  it('keep the vectors that they are created with', async () => {
    const vectorEmbeddingPolicy = {
      vectorEmbeddings: [
        {
          path: '/v',
          dataType: VectorEmbeddingDataType.Float32,
          dimensions: 3,
          distanceFunction: VectorEmbeddingDistanceFunction.Cosine,
        },
      ],
    };
    const indexingPolicy = { vectorIndexes: [{ path: '/v', type: VectorIndexType.Flat }] };
    const vectors = await container({ vectorEmbeddingPolicy, indexingPolicy });
    const { resource } = await vectors.read();
    const definition = { id: vectors.id, partitionKey: { paths: ['/pk'] } };
    const replace = async (policies: object): Promise<string | undefined> =>
      (await refusal(vectors.replace({ ...definition, ...policies }))).message;
    expect(await replace({ vectorEmbeddingPolicy })).toContain('Vector Indexing Policy cannot be changed');
    expect(await replace({})).toContain('Vector Indexing Policy cannot be changed');
    expect(await replace({ indexingPolicy })).toContain("path::/v not matching in Embedding's path");
    expect((await vectors.replace({ ...definition, ...resource, defaultTtl: 5 })).statusCode).toBe(200);
    const unindexed = await container({ vectorEmbeddingPolicy });
    const dropped = refusal(unindexed.replace({ ...definition, id: unindexed.id }));
    expect((await dropped).message).toContain('Vector Embedding Policy cannot be changed');
  });
});

describe('queries', () => {
  it('without FROM give one row, whatever the container holds and however it is cut', async () => {
    for (const throughput of [400, 25_100]) {
      const cut = await container({ throughput });
      const rows = async (query: string): Promise<unknown[]> =>
        (await cut.items.query(query).fetchAll()).resources;
      expect(await rows('SELECT VALUE ABS(-1)')).toEqual([1]);
      for (let at = 0; at < 5; at++) await cut.items.create({ pk: `p${at}` });
      expect(await rows('SELECT ABS(-1) AS a, 2')).toEqual([{ a: 1, $1: 2 }]);
      expect(await rows('SELECT VALUE COUNT(1)')).toEqual([1]);
      expect(await rows('SELECT VALUE 1 FROM c')).toHaveLength(5);
    }
  });
});
