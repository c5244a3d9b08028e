// A drill in a process of its own, which tells the phases it reaches: to be killed.
import { CosmosClient } from '@azure/cosmos';
import { cosmosStore } from '@polyphase/cosmos';
import { postgresStore } from '@polyphase/postgres';
import { Pool } from 'pg';
import { drill } from '../src/index.ts';
import { Note, protocol } from './virtual-world.ts';

const [endpoint = '', key = '', realUrl, scratchUrl, container = ''] = process.argv.slice(2);
const database = new CosmosClient({ endpoint, key }).database('app');
await drill({
  entities: [Note],
  stores: {
    cosmos: cosmosStore({ database }),
    postgres: postgresStore({ pool: new Pool({ connectionString: realUrl }) }),
  },
  scratch: {
    cosmos: cosmosStore({ database, map: { notes: { container } } }),
    postgres: postgresStore({ pool: new Pool({ connectionString: scratchUrl }) }),
  },
  sample: 10,
  protocol,
  onPhase: (phase) => process.stdout.write(`${phase}\n`),
});
