// Cosmos DB in a thread of its own, so that its work is not counted as the SDK's.
import { parentPort } from 'node:worker_threads';
import { CosmosEmulator } from '@polyphase/cosmos-emulator';

const emulator = new CosmosEmulator({ partitions: 4 });
const { url } = await emulator.listen();
parentPort?.postMessage({ endpoint: url, key: emulator.key });
