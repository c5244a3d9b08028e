// A service in a process of its own, which writes when it is told to: to be stopped and killed in the middle of it.
import { CosmosClient } from '@azure/cosmos';
import { isPolyphaseError } from '@polyphase/core';
import { cosmosStore } from '@polyphase/cosmos';
import { postgresStore } from '@polyphase/postgres';
import { Pool } from 'pg';
import { createHybrid, type HybridStores } from '../src/index.ts';
import type { FromService, ServiceOrder, ToService } from './faults-service.ts';
import { Note, protocol } from './virtual-world.ts';

const order = JSON.parse(process.argv[2] ?? '{}') as ServiceOrder;
const client = new CosmosClient({ endpoint: order.endpoint, key: order.key });
const pool = new Pool({ connectionString: order.postgresUrl });
pool.on('error', () => undefined);
const hybrid = await createHybrid<HybridStores, readonly [typeof Note]>({
  stores: { cosmos: cosmosStore({ database: client.database('app') }), postgres: postgresStore({ pool }) },
  entities: [Note],
  config: order.config,
  protocol: { ...protocol, hold: '3s' },
  roles: ['serve'],
});
const say = (message: FromService): void => void process.send?.(message);
const goesOn = Promise.withResolvers<void>();

async function perform({ kind, text, operationId }: Exclude<ToService, 'go on'>): Promise<void> {
  const value = { id: '1', owner: 'a', text };
  if (kind === 'write') await hybrid.repository(Note).upsert(value, { operationId });
  else
    await hybrid.transaction(
      async (unit) => {
        await unit.repository(Note).upsert(value);
        say({ kind: 'in the unit' });
        await goesOn.promise;
      },
      { operationId },
    );
}

process.on('disconnect', () => process.exit());
process.on('message', (message: ToService) => {
  if (message === 'go on') return goesOn.resolve();
  perform(message).then(
    () => say({ kind: 'acknowledged' }),
    (error: unknown) => {
      if (!isPolyphaseError(error)) throw error;
      say({ kind: 'refused', code: error.code, message: error.message });
    },
  );
});
say({ kind: 'open' });
