// One process of the fleet: the product over real engines. It ends when whoever started it ends, or ends it.
import { CosmosClient } from '@azure/cosmos';
import { isPolyphaseError } from '@polyphase/core';
import { cosmosStore } from '@polyphase/cosmos';
import { createHybrid, type HybridStores } from '@polyphase/hybrid';
import { postgresStore } from '@polyphase/postgres';
import { Pool } from 'pg';
import { perform } from '../simulation/client.ts';
import { Note } from '../simulation/note.ts';
import type { Opened } from '../simulation/simulated-process.ts';
import { CANNOT_OPEN, type FromMember, type MemberOrder, PROTOCOL, type ToMember } from './messages.ts';

const order = JSON.parse(process.argv[2] ?? '{}') as MemberOrder;

function say(message: FromMember): void {
  if (process.connected) process.send?.(message);
}

function storesOf({ postgresUrl, cosmos }: MemberOrder): HybridStores {
  const { endpoint, key, database } = cosmos;
  const client = new CosmosClient({ endpoint, key, connectionPolicy: { requestTimeout: 3_000 } });
  const documents = cosmosStore({
    database: client.database(database),
    map: { notes: { otherReaders: 'acknowledged' } },
  });
  if (postgresUrl === undefined) return { cosmos: documents };
  const pool = new Pool({ connectionString: postgresUrl, max: 6, connectionTimeoutMillis: 2_000 });
  pool.on('error', (error) => say({ kind: 'told', what: `pool: ${error.message}` }));
  return { cosmos: documents, postgres: postgresStore({ pool, timeoutMs: 3_000 }) };
}

async function open(): Promise<Opened> {
  const { name: processName, roles, config } = order;
  const hybrid = await createHybrid<HybridStores, readonly [typeof Note]>({
    stores: storesOf(order),
    entities: [Note],
    config: { loaded: config },
    protocol: PROTOCOL,
    roles,
    processName,
  });
  hybrid.on('phase', ({ from, to, term }) =>
    say({ kind: 'told', what: `phase ${from} -> ${to}, term ${term}` }),
  );
  hybrid.on('blocked', ({ to, answers }) =>
    say({ kind: 'told', what: `blocked before ${to}: ${JSON.stringify(answers)}` }),
  );
  hybrid.on('trouble', ({ where, error }) =>
    say({ kind: 'told', what: `trouble in ${where}: ${String(error)}` }),
  );
  return hybrid;
}

async function answer(hybrid: Opened, message: ToMember): Promise<void> {
  const { call } = message;
  try {
    const isCall = message.kind === 'perform';
    if (!isCall) await hybrid.configure({ loaded: message.config });
    say({ kind: 'done', call, result: isCall ? await perform(message.draft, hybrid) : {} });
  } catch (error) {
    if (!isPolyphaseError(error)) throw error;
    say({ kind: 'failed', call, code: error.code, message: error.message });
  }
}

process.on('disconnect', () => process.exit());
try {
  const hybrid = await open();
  process.on('message', (message: ToMember) => void answer(hybrid, message));
  say({ kind: 'open' });
} catch (error) {
  if (!isPolyphaseError(error)) throw error;
  say({ kind: 'told', what: `could not open: ${error.message}` });
  // As a service would that cannot begin: whoever watches over it starts another.
  process.disconnect();
  process.exitCode = CANNOT_OPEN;
  setImmediate(() => process.exit());
}
