import type { Violation } from './history.ts';
import { scenario } from './scenario.ts';
import { type Walk, type Walked, walk } from './walk.ts';

/** A run that broke something. */
export interface Broken {
  /** How it is run again. */
  readonly how: string;
  readonly seed: number;
  readonly violations: readonly Violation[];
}

/** What many runs came to. */
export interface Simulated {
  /** Runs. */
  readonly seeds: number;
  readonly faults: number;
  readonly calls: number;
  readonly operations: number;
  readonly simulatedMs: number;
  readonly broken: readonly Broken[];
}

/** Nothing was run yet. */
export const NOTHING: Simulated = {
  seeds: 0,
  faults: 0,
  calls: 0,
  operations: 0,
  simulatedMs: 0,
  broken: [],
};

/** The sum of two. */
export function added(a: Simulated, b: Simulated): Simulated {
  return {
    seeds: a.seeds + b.seeds,
    faults: a.faults + b.faults,
    calls: a.calls + b.calls,
    operations: a.operations + b.operations,
    simulatedMs: a.simulatedMs + b.simulatedMs,
    broken: [...a.broken, ...b.broken],
  };
}

/** What one run came to. */
export function summed(
  { violations, faults, calls, operations, simulatedMs }: Walked,
  seed: number,
  how: string,
): Simulated {
  const broken = violations.length > 0 ? [{ how, seed, violations }] : [];
  return { seeds: 1, faults, calls: calls.length, operations, simulatedMs, broken };
}

/** Runs the worlds of some seeds, one after the other, until so many have broken a promise. */
export async function simulate(
  seeds: Iterable<number>,
  options: { readonly mostBroken: number; readonly walkOf?: (seed: number) => Walk },
): Promise<Simulated> {
  let sum = NOTHING;
  for (const seed of seeds) {
    const walked = await walk((options.walkOf ?? scenario)(seed));
    sum = added(sum, summed(walked, seed, `npm run prove -- simulation --seed ${seed}`));
    if (sum.broken.length >= options.mostBroken) break;
  }
  return sum;
}
