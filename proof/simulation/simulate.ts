import type { Violation } from './history.ts';
import { scenario } from './scenario.ts';
import { walk } from './walk.ts';

/** A seed that broke something. */
export interface Broken {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly told: readonly string[];
}

/** What many runs came to. */
export interface Simulated {
  readonly seeds: number;
  readonly faults: number;
  readonly calls: number;
  readonly operations: number;
  readonly simulatedMs: number;
  readonly broken: readonly Broken[];
}

const NOTHING: Simulated = {
  seeds: 0,
  faults: 0,
  calls: 0,
  operations: 0,
  simulatedMs: 0,
  broken: [],
};

/** Runs the worlds of some seeds, one after the other. */
export async function simulate(
  seeds: Iterable<number>,
  options: { readonly mostBroken: number },
): Promise<Simulated> {
  let sum = NOTHING;
  for (const seed of seeds) {
    const { violations, told, faults, calls, operations, simulatedMs } = await walk(scenario(seed));
    sum = {
      seeds: sum.seeds + 1,
      faults: sum.faults + faults,
      calls: sum.calls + calls.length,
      operations: sum.operations + operations,
      simulatedMs: sum.simulatedMs + simulatedMs,
      broken: violations.length > 0 ? [...sum.broken, { seed, violations, told }] : sum.broken,
    };
    if (sum.broken.length >= options.mostBroken) break;
  }
  return sum;
}
