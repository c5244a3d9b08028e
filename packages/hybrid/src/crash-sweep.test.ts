import { describe, expect, it } from 'vitest';
import { CarefulClient } from '../test/careful-client.ts';
import { type Fault, FaultPlan } from '../test/faulty-stores.ts';
import { Note, VirtualWorld } from '../test/virtual-world.ts';

const FAULTS: readonly Fault[] = [
  'error before',
  'error after',
  'crash before',
  'crash after',
  'pause before',
  'pause after',
];
const PAUSE_MS = 2_500;
// No crashes among them: each would replace the process by one that meets no faults.
const STORM: readonly Fault[] = [...FAULTS.filter((one) => !one.startsWith('crash')), 'pause before'];

async function walk(
  faultAt: (call: number, nowMs: number) => Fault | undefined,
  pauseMs = PAUSE_MS,
): Promise<{ readonly calls: readonly string[]; readonly wrongs: readonly string[] }> {
  const world = new VirtualWorld();
  const plan = new FaultPlan({
    faultAt: (call) => faultAt(call, world.clock.monotonic()),
    pause: () => world.clock.sleep(pauseMs),
  });
  for (const id of ['old1', 'old2'])
    await world.cosmos.foreign.put(Note, { id, owner: 'old', text: id, unknown: { kept: [1] } });
  await world.start(plan);
  const clients = ['ada', 'bob'].map((owner) => new CarefulClient(world, owner));
  for (const client of clients) client.start();
  const reached = (phase: string) =>
    world.until(`phase ${phase}`, () => world.hybrid.status('notes').phase === phase);
  await world.wish({ policy: 'postgres-primary', flip: 'auto' });
  await reached('6');
  await world.wish({ policy: 'dual-write', flip: 'auto' });
  await reached('2');
  for (const client of clients) await client.stop();
  const differences = await world.differences();
  const missing: string[] = [];
  for (const client of clients) missing.push(...(await client.missingIn(world.cosmos.records(Note))));
  await world.close();
  return {
    calls: plan.calls,
    wrongs: [...clients.flatMap((client) => client.wrongs), ...differences, ...missing],
  };
}

// Every call of the walk can be broken. Each run breaks one; a full sweep (SWEEP_STRIDE=1) breaks all of them and takes minutes.
const STRIDE = Number(process.env['SWEEP_STRIDE'] ?? 61);

describe('one fault in a walk forward and back', () => {
  it.each(FAULTS)(
    '%s: nothing acknowledged is lost, nothing happens twice, the walk finishes',
    async (fault) => {
      const { calls } = await walk(() => undefined);
      expect(calls.length).toBeGreaterThan(500);
      const found: string[] = [];
      // Each fault begins elsewhere, so that together they meet more calls.
      for (let at = 1 + FAULTS.indexOf(fault) * 7; at <= calls.length && found.length < 3; at += STRIDE) {
        const wrongs = await walk((call) => (call === at ? fault : undefined)).then(
          (run) => run.wrongs,
          (error: unknown) => [String(error)],
        );
        if (wrongs.length > 0) found.push(`${at} ${calls[at - 1]}: ${wrongs.join('\n')}`);
      }
      expect(found).toEqual([]);
    },
    600_000,
  );
});

/** Numbers from 0 to 1 that a seed decides (mulberry32, Tommy Ettinger, public domain). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const SEEDS = Number(process.env['STORM_SEEDS'] ?? 110);
const STORM_MS = 20_000;

describe('many faults in a walk forward and back', () => {
  it('nothing acknowledged is lost, nothing happens twice, the walk finishes when they stop', async () => {
    const found: string[] = [];
    for (let seed = 1; seed <= SEEDS && found.length < 3; seed += 1) {
      const random = numbers(seed);
      const rate = random() * 0.1;
      const faultAt = (_: number, nowMs: number) =>
        nowMs < STORM_MS && random() < rate ? STORM[Math.floor(random() * STORM.length)] : undefined;
      const wrongs = await walk(faultAt, 50 + random() * 400).then(
        (run) => run.wrongs,
        (error: unknown) => [String(error)],
      );
      if (wrongs.length > 0) found.push(`seed ${seed}: ${wrongs.join('\n')}`);
    }
    expect(found).toEqual([]);
  }, 600_000);
});
