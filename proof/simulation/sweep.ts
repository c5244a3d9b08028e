import { FAULTS, type Fault, faultAt } from './faults.ts';
import { added, NOTHING, type Simulated, summed } from './simulate.ts';
import { type Walk, type Wish, walk } from './walk.ts';

/** A scripted migration, and the part of it in which every call is broken once. */
export interface Route {
  readonly name: string;
  readonly wishes: Walk['wishes'];
  /** How many of the wishes come before the part that is swept. */
  readonly skip: number;
  /** Whether reads by key go through a cache. */
  readonly cached: boolean;
}

const there: Wish = { policy: { policy: 'postgres-primary', flip: 'auto' }, until: '6' };
const alone: Wish = { policy: { policy: 'postgres-primary', reverseSync: false, flip: 'auto' }, until: '7' };
const back: Wish = { policy: { policy: 'dual-write', flip: 'auto' }, until: '2' };

/** The migrations that are swept. */
export const ROUTES: readonly Route[] = [
  { name: '0 to 7', wishes: [alone], skip: 0, cached: false },
  { name: '6 to 2', wishes: [there, back], skip: 1, cached: false },
  { name: '7 to 7r to 6 to 2', wishes: [alone, there, back], skip: 1, cached: true },
];

/** One fault at one call of a migration. */
export interface SweepCase {
  readonly route: string;
  readonly call: number;
  readonly fault: Fault;
}

function walkOf({ wishes, cached }: Route): Walk {
  return {
    seed: 1,
    wishes,
    world: {
      // Longer than every lease.
      pauseMs: 6_000,
      latencyMs: 1,
      fleet: [['serve', 'relay', 'controller']],
      clients: 2,
      keys: 4,
      clientPauseMs: 30,
      ranges: 2,
      session: false,
      cached,
    },
  };
}

/** Every case of the sweep. */
export async function sweepCases(): Promise<readonly SweepCase[]> {
  const cases: SweepCase[] = [];
  for (const route of ROUTES) {
    const { calls, callsAt } = await walk(walkOf(route));
    const first = route.skip === 0 ? 0 : (callsAt[route.skip - 1] ?? 0);
    for (let call = first + 1; call <= calls.length; call += 1)
      for (const fault of FAULTS) cases.push({ route: route.name, call, fault });
  }
  return cases;
}

/** Runs a migration for each case, with that one fault in it, until so many have broken a promise. */
export async function sweep(
  cases: readonly SweepCase[],
  options: { readonly mostBroken: number },
): Promise<Simulated> {
  let sum = NOTHING;
  for (const { route: name, call, fault } of cases) {
    const route = ROUTES.find((it) => it.name === name);
    if (!route) throw new RangeError(`There is no route "${name}"`);
    const walked = await walk({ ...walkOf(route), faults: () => faultAt(call, fault) });
    sum = added(
      sum,
      summed(walked, call, `${fault} at call ${call} of ${name}, ${walked.calls[call - 1] ?? ''}`),
    );
    if (sum.broken.length >= options.mostBroken) break;
  }
  return sum;
}
