// What the migration costs those who go on working: npm run bench:migration -- [--rounds N] [--rate WRITES] [--seconds N]
// The service is in this thread; Cosmos DB, and the worker that walks and copies, have one each.
import { once } from 'node:events';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { createDatabase, startPostgres } from '@polyphase/test-support';
import { summarize } from '../measure.ts';
import { configOf, type Ground, type Opened, open, startCosmos } from './ground.ts';
import { Load } from './load.ts';
import { measureSecondWrite, type SecondWrite } from './second-write.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '11' },
    rate: { type: 'string', default: '500' },
    seconds: { type: 'string', default: '20' },
  },
});
const warmUpRounds = 2;

const engine = await startPostgres();
const cosmos = await startCosmos();
try {
  const { url } = await createDatabase(engine.url);
  const ground: Ground = { endpoint: cosmos.endpoint, key: cosmos.key, postgres: url };
  const service = await open(ground, ['serve'], { policy: 'dual-write', flip: 'auto' });
  const worker = new Worker(new URL('worker-thread.ts', import.meta.url), { workerData: ground });
  await once(worker, 'message');
  await reached(service, '2');
  await secondWrites(service);
  await underLoad(service);
  worker.postMessage('end');
  await once(worker, 'exit');
  await service.close();
} finally {
  await cosmos.stop();
  await engine.stop();
}
say(
  JSON.stringify({
    node: process.version,
    cpu: cpus()[0]?.model,
    cores: availableParallelism(),
    load: loadavg(),
  }),
);

async function secondWrites(service: Opened): Promise<void> {
  const rounds: SecondWrite[] = [];
  for (let round = -warmUpRounds; round < Number(values.rounds); round += 1) {
    const found = await measureSecondWrite(service, round + warmUpRounds);
    if (round >= 0) rounds.push(found);
    process.stderr.write('.');
  }
  process.stderr.write(' second write\n');
  const line = (what: string, of: (round: SecondWrite) => number, digits = 2): void => {
    const { median, low, high } = summarize(rounds.map(of));
    say(`${what} | ${median.toFixed(digits)} | ${low.toFixed(digits)} to ${high.toFixed(digits)}`);
  };
  say('figure | median of rounds | middle half');
  line('write to Cosmos DB alone, p50 ms', (round) => round.alone);
  line('write in phase 2, p50 ms', (round) => round.both);
  line('second write by itself, p50 ms', (round) => round.inline);
  line('added, by the second write by itself', ({ both, alone, inline }) => (both - alone) / inline);
  line('added while PostgreSQL stands still, ms', ({ still, alone }) => still - alone, 1);
}

async function underLoad(service: Opened): Promise<void> {
  const load = new Load(service, Number(values.rate));
  load.start({ around: true });
  await pause(Number(values.seconds) * 1000);
  await load.stop();
  const shares = [0.5, 0.99, 1] as const;
  say(
    `\n${values.rate} writes/s for ${values.seconds} s: ${load.calls.length} calls, errors ${told(load.errors)}`,
  );
  say(
    `lag of the relay, p50, p99, longest, ms: ${shares.map((at) => Math.round(share(load.lags, at))).join(', ')}`,
  );
  say(
    `call in phase 2, p50, p99, longest, ms: ${shares.map((at) => Math.round(share(load.calls, at))).join(', ')}`,
  );
  const policies = {
    '6': { policy: 'postgres-primary', flip: 'auto' },
    '2': { policy: 'dual-write', flip: 'auto' },
  };
  let revision = 1;
  for (const phase of ['6', '2'] as const) {
    const flip = new Load(service, Number(values.rate));
    flip.start({ around: false });
    await pause(2_000);
    const heldBefore = service.hybrid.status('both').heldMs;
    revision += 1;
    await service.hybrid.configure(configOf(policies[phase], revision));
    await reached(service, phase);
    await pause(2_000);
    await flip.stop();
    const held = Math.round(service.hybrid.status('both').heldMs - heldBefore);
    const longest = Math.round(share(flip.calls, 1));
    say(`flip to ${phase}: held for ${held} ms, longest call ${longest} ms, errors ${told(flip.errors)}`);
  }
}

async function reached({ hybrid }: Opened, phase: string): Promise<void> {
  for (let i = 0; hybrid.status('both').phase !== phase; i += 1) {
    if (i > 12_000) throw new Error(`not in phase ${phase}: ${JSON.stringify(hybrid.status('both'))}`);
    await pause(10);
  }
}

function share(figures: readonly number[], at: number): number {
  const sorted = figures.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(at * sorted.length))] ?? Number.NaN;
}

function told(errors: ReadonlyMap<string, number>): string {
  return [...errors].map(([code, count]) => `${code} ${count}`).join(', ') || 'none';
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
