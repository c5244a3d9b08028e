import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { CosmosClient, PartitionKeyDefinitionVersion } from '@azure/cosmos';
import { defineEntity } from '@polyphase/core';
import { compositeIndexesFor, cosmosStore } from '@polyphase/cosmos';
import { createHybrid, type Hybrid, type HybridStores, type Role } from '@polyphase/hybrid';
import { postgresStore } from '@polyphase/postgres';
import { Pool } from 'pg';
import { z } from 'zod';

const schema = z.object({ id: z.string(), owner: z.string(), text: z.string(), n: z.number() });
const key = { partition: 'owner', id: 'id' } as const;

/** Stays in Cosmos DB. */
export const Alone = defineEntity({ name: 'alone', schema, key });
/** Lives in both stores, and moves. */
export const Both = defineEntity({ name: 'both', schema, key });
const entities = [Alone, Both] as const;

/** Where the two databases are. */
export interface Ground {
  readonly endpoint: string;
  readonly key: string;
  readonly postgres: string;
}

/** A hybrid over both databases. */
export interface Opened {
  readonly hybrid: Hybrid<HybridStores, typeof entities>;
  readonly pool: Pool;
  readonly client: CosmosClient;
  readonly close: () => Promise<void>;
}

/** Starts Cosmos DB in a thread, with a container for each entity. */
export async function startCosmos(): Promise<
  Omit<Ground, 'postgres'> & { readonly stop: () => Promise<unknown> }
> {
  const thread = new Worker(new URL('emulator-thread.ts', import.meta.url));
  const [found] = await once(thread, 'message');
  const { endpoint, key: secret } = z.object({ endpoint: z.string(), key: z.string() }).parse(found);
  const client = new CosmosClient({ endpoint, key: secret });
  const { database } = await client.databases.create({ id: 'bench' });
  for (const entity of entities)
    await database.containers.create({
      id: entity.name,
      partitionKey: { paths: ['/owner'], version: PartitionKeyDefinitionVersion.V2 },
      indexingPolicy: { compositeIndexes: compositeIndexesFor(entity) },
    });
  client.dispose();
  return { endpoint, key: secret, stop: () => thread.terminate() };
}

/** Opens a process of the fleet: what wants `policy` of the entity that moves. */
export async function open(
  ground: Ground,
  roles: readonly Role[],
  policy: object,
  revision = 1,
): Promise<Opened> {
  const client = new CosmosClient({ endpoint: ground.endpoint, key: ground.key });
  const pool = new Pool({ connectionString: ground.postgres, max: 10 });
  const hybrid = await createHybrid<HybridStores, typeof entities>({
    stores: {
      cosmos: cosmosStore({
        database: client.database('bench'),
        map: { alone: { otherReaders: 'acknowledged' }, both: { otherReaders: 'acknowledged' } },
      }),
      postgres: postgresStore({ pool }),
    },
    entities,
    config: configOf(policy, revision),
    roles,
    protocol: { lease: '5s', shadowWindow: '5s' }, // all else as by default
  });
  const close = async (): Promise<void> => {
    await hybrid.close();
    await pool.end();
    client.dispose();
  };
  return { hybrid, pool, client, close };
}

/** A config in which the entity that moves has this policy. */
export function configOf(policy: object, revision: number) {
  return { loaded: { revision, entities: { alone: { policy: 'cosmos-only' }, both: { ...policy } } } };
}
