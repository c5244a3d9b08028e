import { describe, expect, it } from 'vitest';
import { BUGS, type BugName } from './bugs.ts';
import { explore } from './explore.ts';
import { findBug, proveModel } from './prove-model.ts';
import { WORLDS } from './worlds.ts';

// Small worlds whole, and a part of each large one: a minute at most on one core. `npm run prove -- model` does more.
const STATES = 1_500_000;
const MINUTES = 60_000;

describe('proveModel', () => {
  it(
    'finds no reachable state that breaks an invariant, and every seeded bug',
    async () => {
      const proof = await proveModel({ states: STATES });
      expect(proof.worlds.filter(({ violation }) => violation)).toEqual([]);
      expect(proof.bugs.filter(({ isFound }) => !isFound)).toEqual([]);
      expect(proof.holds).toBe(true);
      const whole = new Set(proof.worlds.filter(({ isComplete }) => isComplete).map(({ world }) => world));
      const small = WORLDS.filter(({ isLarge }) => isLarge !== true).map(({ name }) => name);
      expect(small.filter((name) => !whole.has(name))).toEqual([]);
      expect(new Set(proof.worlds.map(({ world }) => world))).toEqual(
        new Set(WORLDS.map(({ name }) => name)),
      );
      expect(proof.states).toBeLessThan(STATES * 1.01);
    },
    10 * MINUTES,
  );

  it('stops when it is told to', async () => {
    const proof = proveModel({ states: STATES, signal: AbortSignal.abort(new Error('enough')) });
    await expect(proof).rejects.toThrow('enough');
  });
});

describe('findBug', () => {
  it('tells the shortest way to the violation, step by step', async () => {
    const { violation } = await findBug('no wait for leases');
    expect(violation?.why).toBe(
      'D1 the acknowledged write {op2} is not in what PostgreSQL, the authority, descends from',
    );
    expect(violation?.trace).toContain(
      'coordinator 0: commits: moves the authority   → row phase 6 epoch 3 term 2',
    );
    expect(violation?.trace).toHaveLength(14);
  });
});

describe('explore', () => {
  // The product asks of a permit only that its epoch is lower than the row's. That holds as long as the permit that it was derived
  // from is the one that is there; the world with lagging reads shows what a replica can do to it.
  it('finds that a permit may be written by its epoch alone where no read of it lags', () => {
    const bug: BugName = 'permit written over one that was not read';
    for (const world of WORLDS.filter((one) => one.coordinators === 2 && one.isLarge !== true)) {
      const { violation } = last(explore({ ...world, laggingReads: false, bug }, { bound: 100_000 }));
      expect([world.name, violation]).toEqual([world.name, undefined]);
    }
    expect(BUGS[bug].world).toBe('lagging permit');
  });

  it('comes to the same states whether it goes near or deep', () => {
    const world = WORLDS.find(({ name }) => name === 'forth and back');
    if (!world) throw new Error('There is no such world');
    const near = last(explore(world, { bound: 200_000 }));
    const deep = last(explore(world, { bound: 200_000, order: 'deep' }));
    expect(near.isComplete && deep.isComplete).toBe(true);
    expect([deep.states, deep.transitions]).toEqual([near.states, near.transitions]);
  });
});

function last<Result>(steps: Generator<unknown, Result, undefined>): Result {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
