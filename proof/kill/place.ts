import { type Container, CosmosClient, PartitionKeyDefinitionVersion } from '@azure/cosmos';
import type { DocumentStore, RelationalStore } from '@polyphase/core';
import { compositeIndexesFor, cosmosStore } from '@polyphase/cosmos';
import { postgresStore } from '@polyphase/postgres';
import { createDatabase, type Engine } from '@polyphase/test-support';
import { Pool } from 'pg';
import { Note } from '../simulation/note.ts';
import type { Account } from './account.ts';
import { CONTAINER, type MemberOrder } from './messages.ts';

/** A database on both engines, for one round, with ways into them that no fault touches. */
export interface Place {
  readonly postgresUrl: string;
  readonly account: MemberOrder['cosmos'];
  readonly pool: Pool;
  readonly container: Container;
  readonly cosmos: DocumentStore;
  readonly postgres: RelationalStore;
  close(): Promise<void>;
}

/** Makes a place of that name. */
export async function openPlace(name: string, engine: Engine, account: Account): Promise<Place> {
  const rows = await createDatabase(engine.url);
  const pool = new Pool({ connectionString: rows.url, max: 3 });
  // A restart of the server is nothing to whoever looks again.
  pool.on('error', () => undefined);
  const client = new CosmosClient({ endpoint: account.url, key: account.key });
  const { database } = await client.databases.create({ id: name });
  const { container } = await database.containers.create({
    id: CONTAINER,
    partitionKey: { paths: ['/owner'], version: PartitionKeyDefinitionVersion.V2 },
    indexingPolicy: { compositeIndexes: compositeIndexesFor(Note) },
  });
  return {
    postgresUrl: rows.url,
    account: { endpoint: account.url, key: account.key, database: name },
    pool,
    container,
    cosmos: cosmosStore({ database }),
    postgres: postgresStore({ pool }),
    close: async () => {
      await pool.end();
      await rows.drop();
      await database.delete();
      client.dispose();
    },
  };
}
