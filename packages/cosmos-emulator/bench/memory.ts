// A process of its own: what 100,000 documents of 1 KB cost it.
import { BulkOperationType, CosmosClient } from '@azure/cosmos';
import { CosmosEmulator } from '../src/index.ts';

const documents = 100_000;
const batch = 100;

const emulator = new CosmosEmulator();
const client = new CosmosClient(emulator.clientOptions());
const { database } = await client.databases.create({ id: 'bench' });
const { container } = await database.containers.create({ id: 'items', partitionKey: '/pk' });
for (let at = 0; at < documents; at += batch) {
  const pk = `p${at % 1000}`;
  const operations = Array.from({ length: batch }, (_, of) => ({
    operationType: BulkOperationType.Create,
    resourceBody: { id: String(at + of), pk, at, filler: randomText(800) },
  }));
  const { code } = await container.items.batch(operations, pk);
  if (code !== 200) throw new Error(`A batch was answered with ${code}.`);
}
globalThis.gc?.();
const { rss, heapUsed } = process.memoryUsage();
process.stdout.write(JSON.stringify({ rss, heapUsed, peak: process.resourceUsage().maxRSS * 1024 }));

function randomText(length: number): string {
  let text = '';
  while (text.length < length) text += Math.random().toString(36).slice(2);
  return text.slice(0, length);
}
