import { describe, expect, it } from 'vitest';
import { numbers } from '../numbers.ts';
import { scenario } from './scenario.ts';
import { simulate } from './simulate.ts';
import { walk } from './walk.ts';

const SEEDS = 200;

describe('simulate', () => {
  it(`keeps every promise in ${SEEDS} worlds`, async () => {
    const { seeds, broken, faults, operations } = await simulate(numbers(1, SEEDS), { mostBroken: 3 });
    expect(broken).toEqual([]);
    expect(seeds).toBe(SEEDS);
    // A world in which nothing happens keeps every promise.
    expect(faults).toBeGreaterThan(SEEDS * 5);
    expect(operations).toBeGreaterThan(SEEDS * 50);
  }, 120_000);

  it('does the same again for the same seed, whatever its faults', async () => {
    for (const seed of numbers(1, 12)) {
      const [once, again] = [await walk(scenario(seed)), await walk(scenario(seed))];
      expect(again.trace).toBe(once.trace);
      expect(again.calls).toEqual(once.calls);
    }
    const traces = await Promise.all(
      [...numbers(1, 12)].map(async (seed) => (await walk(scenario(seed))).trace),
    );
    expect(new Set(traces).size).toBe(traces.length);
  }, 60_000);
});
