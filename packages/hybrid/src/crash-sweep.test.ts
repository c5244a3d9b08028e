import { describe, expect, it } from 'vitest';
import { CarefulClient } from '../test/careful-client.ts';
import { type Fault, FaultPlan } from '../test/faulty-stores.ts';
import { Note, VirtualWorld } from '../test/virtual-world.ts';

const FAULTS: readonly Fault[] = ['error before', 'error after', 'crash before', 'crash after'];

async function walk(
  plan: FaultPlan,
): Promise<{ readonly plan: FaultPlan; readonly wrongs: readonly string[] }> {
  const world = new VirtualWorld();
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
  return { plan, wrongs: [...clients.flatMap((client) => client.wrongs), ...differences, ...missing] };
}

// Every call of the walk can be broken; each run breaks one, and runs take every STRIDE-th of them, each fault in turn.
const STRIDE = Number(process.env['SWEEP_STRIDE'] ?? 17);
const START = Number(process.env['SWEEP_START'] ?? 1);

describe('one fault in a walk forward and back', () => {
  it.each(FAULTS)(
    '%s: nothing acknowledged is lost, nothing happens twice, the walk finishes',
    async (fault) => {
      const { plan } = await walk(new FaultPlan());
      const found: string[] = [];
      for (let at = START; at <= plan.calls.length; at += STRIDE) {
        const run = await walk(new FaultPlan({ at, fault })).catch((error: unknown) => ({
          plan: undefined,
          wrongs: [String(error)],
        }));
        if (found.length >= 3) break;
        if (run.wrongs.length > 0)
          found.push(`${at} ${run.plan?.broken ?? plan.calls[at - 1]}: ${run.wrongs.join('\n')}`);
      }
      expect(found).toEqual([]);
    },
    600_000,
  );
});
