import { randomUUID } from 'node:crypto';
import { Agent } from 'node:https';
import {
  type Container,
  CosmosClient,
  type CosmosClientOptions,
  type Database,
  PartitionKeyDefinitionVersion,
  PartitionKeyKind,
} from '@azure/cosmos';
import type { Entity, JsonObject, RecordKey } from '@polyphase/core';
import type { ForeignWriter } from '@polyphase/core/testing';
import {
  CosmosEmulator,
  type CosmosEmulatorOptions,
  type InProcessHttpClient,
} from '@polyphase/cosmos-emulator';
import { type CosmosStore, type CosmosStoreOptions, compositeIndexesFor, cosmosStore } from '../src/index.ts';
import { toPartitionKey } from '../src/partition-key.ts';

/** Whether the tests are told to use a live account, or another emulator, instead of the embedded one. */
export const liveEndpoint = process.env['COSMOS_ENDPOINT'];

/** An account to test on, with a store of it. */
export interface CosmosSetup {
  /** Absent on a live account. */
  readonly emulator: CosmosEmulator | undefined;
  readonly client: CosmosClient;
  readonly database: Database;
  readonly store: CosmosStore;
  readonly close: () => Promise<void>;
}

/** Makes a fresh database with a container for each entity, and a store of it. */
export async function setUpCosmos(
  entities: readonly Entity[],
  options: {
    readonly store?: Partial<CosmosStoreOptions>;
    readonly emulator?: CosmosEmulatorOptions;
    /** Comes between the client and the emulator. */
    readonly between?: (inner: InProcessHttpClient) => InProcessHttpClient;
    /** Reach the emulator through a server with TLS, and not inside the process. @default false */
    readonly tls?: boolean;
    /** Who works with the store instead of the key, which then makes the containers alone. */
    readonly credential?: (endpoint: string) => NonNullable<CosmosClientOptions['aadCredentials']>;
  } = {},
): Promise<CosmosSetup> {
  const key = process.env['COSMOS_KEY'];
  const isLive = liveEndpoint !== undefined && key !== undefined;
  const emulator = isLive ? undefined : new CosmosEmulator(options.emulator ?? {});
  const agent = new Agent({ keepAlive: true });
  const access = emulator
    ? await reach(emulator, agent, options)
    : { endpoint: liveEndpoint ?? '', key: key ?? '' };
  const client = new CosmosClient(access);
  const { database } = await client.databases.create({ id: `polyphase-${randomUUID()}` });
  for (const entity of entities) await createContainer(database, entity);
  const { key: _, ...withoutKey } = access;
  const aadCredentials = options.credential?.(access.endpoint ?? '');
  const own = aadCredentials ? new CosmosClient({ ...withoutKey, aadCredentials }) : client;
  const store = cosmosStore({ database: own.database(database.id), ...options.store });
  await store.prepare(entities);
  return {
    emulator,
    client,
    database,
    store,
    close: async () => {
      if (!emulator) await database.delete();
      client.dispose();
      own.dispose();
      agent.destroy();
      await emulator?.close();
    },
  };
}

// Inside the process unless the test asks for the network.
async function reach(
  emulator: CosmosEmulator,
  agent: Agent,
  options: NonNullable<Parameters<typeof setUpCosmos>[1]>,
): Promise<CosmosClientOptions> {
  const inner = emulator.clientOptions();
  if (options.tls !== true)
    return { ...inner, httpClient: options.between?.(inner.httpClient) ?? inner.httpClient };
  const { url, certificate } = await emulator.listen({ tls: true });
  agent.options.ca = certificate;
  return { endpoint: url, key: inner.key, agent };
}

/** Makes the container of an entity as an application would. */
export async function createContainer(
  database: Database,
  entity: Entity,
  name = entity.name,
): Promise<Container> {
  const paths = entity.key.partition.map((path) => `/${path.replaceAll('.', '/')}`);
  const unique = entity.indexes.filter((index) => index.unique === 'partition');
  const { container } = await database.containers.create({
    id: name,
    partitionKey: {
      paths,
      kind: paths.length > 1 ? PartitionKeyKind.MultiHash : PartitionKeyKind.Hash,
      version: PartitionKeyDefinitionVersion.V2,
    },
    indexingPolicy: { compositeIndexes: compositeIndexesFor(entity) },
    ...(entity.ttl === undefined ? {} : { defaultTtl: entity.ttl ?? -1 }),
    uniqueKeyPolicy: {
      uniqueKeys: unique.map((index) => ({ paths: index.fields.map((field) => `/${field}`) })),
    },
  });
  return container;
}

/** The way around the store. */
export function foreignWriter(
  store: CosmosStore,
  fieldsOf: (entity: Entity) => JsonObject = () => ({}),
): ForeignWriter {
  return {
    put: async (entity: Entity, value: JsonObject) => {
      await store.container(entity).items.upsert({ ...value, ...fieldsOf(entity) });
    },
    remove: async (entity: Entity, key: RecordKey) => {
      await store.container(entity).item(key.id, toPartitionKey(key.partition)).delete();
    },
  };
}
