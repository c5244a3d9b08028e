// A worker of a backfill in a process of its own, which tells how many records it has copied: to be killed.
import { CosmosClient } from '@azure/cosmos';
import { cosmosStore } from '@polyphase/cosmos';
import { postgresStore } from '@polyphase/postgres';
import { Pool } from 'pg';
import { createBackfill } from '../src/index.ts';
import { Note } from './virtual-world.ts';

const [endpoint = '', key = '', url] = process.argv.slice(2);
const client = new CosmosClient({ endpoint, key });
const backfill = createBackfill({
  stores: {
    cosmos: cosmosStore({ database: client.database('app') }),
    postgres: postgresStore({ pool: new Pool({ connectionString: url }) }),
  },
  entities: [Note],
  requestUnitsPerSecond: 4_000,
  poll: 5,
  lease: '1s',
});
backfill.on('progress', ({ records }) => {
  if (records > 0) process.stdout.write(`${records}\n`);
});
await backfill.run();
