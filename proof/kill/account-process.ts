// The Cosmos DB account of a fleet, over HTTP, in a process of its own, so that it outlives those that are killed.
import { CosmosEmulator } from '@polyphase/cosmos-emulator';
import { CONTAINER, type FromAccount, type ToAccount } from './messages.ts';

const emulator = new CosmosEmulator({ partitions: 2 });
const { url } = await emulator.listen({ host: '127.0.0.1' });

process.on('disconnect', () => process.exit());
process.on('message', (message: ToAccount) => {
  if (message.kind === 'split') {
    emulator.split({ database: message.database, container: CONTAINER });
    return;
  }
  emulator.faults.clear();
  if (message.isOn) emulator.faults.add({ status: 429, retryAfterMs: 50, count: Number.MAX_SAFE_INTEGER });
});
process.send?.({ url, key: emulator.key } satisfies FromAccount);
