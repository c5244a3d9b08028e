import { type Container, CosmosClient } from '@azure/cosmos';
import { type CosmosMap, compositeIndexesFor, cosmosStore } from '@polyphase/cosmos';
import { CosmosEmulator } from '@polyphase/cosmos-emulator';
import { postgresStore } from '@polyphase/postgres';
import { startPostgres } from '@polyphase/test-support';
import { Pool } from 'pg';
import { Account } from './account-service.ts';

/** Starts an embedded Cosmos DB with a container that is in use, and a PostgreSQL that is empty. */
export async function startEngines() {
  const emulator = new CosmosEmulator({ partitions: 2 });
  const client = new CosmosClient(emulator.clientOptions());
  const engine = await startPostgres({ onlyInstalled: true });
  const pool = new Pool({ connectionString: engine.url, max: 5 });
  const container = await oldContainer(client);
  // The neighbours that read the container have been told what they will see.
  const map: CosmosMap = {
    accounts: { container: 'app', discriminator: { type: 'account' }, otherReaders: 'acknowledged' },
  };
  return {
    container,
    stores: { cosmos: cosmosStore({ database: container.database, map }), postgres: postgresStore({ pool }) },
    async [Symbol.asyncDispose]() {
      await pool.end();
      await engine.stop();
      client.dispose();
      await emulator.close();
    },
  };
}

/** As other programs made and filled it: no stamp, no version, three types. */
async function oldContainer(client: CosmosClient): Promise<Container> {
  const { database } = await client.databases.create({ id: 'shop' });
  const { container } = await database.containers.create({
    id: 'app',
    partitionKey: '/tenantId',
    indexingPolicy: { compositeIndexes: compositeIndexesFor(Account) }, // the gate prints this for a container without it
  });
  for (let n = 0; n < 300; n++) {
    const tenantId = `t${n % 3}`;
    const account = { id: `account-${n}`, tenantId, type: 'account', email: `${n}@example.com`, openedAt: n };
    await container.items.create({ ...account, plan: { name: 'old', seats: n } });
    await container.items.create({ id: `session-${n}`, tenantId, type: 'session', account: account.id });
  }
  return container;
}
