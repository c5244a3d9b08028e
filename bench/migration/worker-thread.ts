// Walks the phases and follows the feed, as a worker beside the service would, until it is told to end.
import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { z } from 'zod';
import { open } from './ground.ts';

const ground = z.object({ endpoint: z.string(), key: z.string(), postgres: z.string() }).parse(workerData);
const worker = await open(ground, ['relay', 'controller'], { policy: 'dual-write', flip: 'auto' });
const told = new Set<string>();
worker.hybrid.on('blocked', ({ to, answers }) => {
  for (const { name, seen } of answers)
    if (!told.has(`${to} ${name}`)) process.stderr.write(`before phase ${to}: ${name}: ${seen}\n`);
  for (const { name } of answers) told.add(`${to} ${name}`);
});
worker.hybrid.on('trouble', ({ where, error }) => process.stderr.write(`${where}: ${String(error)}\n`));
parentPort?.postMessage('ready');
if (parentPort) await once(parentPort, 'message');
await worker.close();
parentPort?.close();
