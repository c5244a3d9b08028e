import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConnectionError, FencedError, TimeoutError } from './errors.ts';
import type { LeaseManager } from './lease.ts';
import { memoryRelationalStore } from './memory/index.ts';
import { type HeldRange, RangeLeases } from './range-leases.ts';
import { manualClock } from './testing/index.ts';

const LEASE_MS = 3_000;
const TURN_MS = 1_000;

interface Worker {
  readonly shared: RangeLeases;
  /** Ranges that it has, by name. */
  readonly has: () => readonly string[];
}

/** Workers that take their turns in time, and leave what they are asked for at once. */
function fleet(options: {
  readonly ranges: number;
  readonly through?: (leases: LeaseManager) => LeaseManager;
}) {
  const clock = manualClock();
  const store = memoryRelationalStore({ clock });
  const leases = options.through?.(store.leases) ?? store.leases;
  let ranges = Array.from({ length: options.ranges }, (_, i) => `r${i}`);
  const workers = new Map<string, Worker>();
  const join = (holder: string): Worker => {
    const shared = new RangeLeases({ leases, name: 'feed', holder, durationMs: LEASE_MS, clock });
    const has = () => shared.held.map((one) => one.range).toSorted();
    const worker = { shared, has };
    workers.set(holder, worker);
    return worker;
  };
  const turn = async ({ shared }: Worker) => {
    for (const held of await shared.round(ranges)) if (held.isAskedFor) await held.leave();
  };
  const turns = async (count: number) => {
    for (let i = 0; i < count; i += 1) {
      for (const worker of workers.values()) await turn(worker);
      await clock.advance(TURN_MS);
    }
  };
  const counts = () => [...workers.values()].map((worker) => worker.has().length);
  const setRanges = (next: readonly string[]) => (ranges = [...next]);
  return { clock, store, workers, join, turn, turns, counts, setRanges };
}

const heldOf = ({ shared }: Worker, range: string): HeldRange => {
  const held = shared.held.find((one) => one.range === range);
  if (!held) throw new Error(`${range} is not held.`);
  return held;
};

describe('RangeLeases', () => {
  it('does not wait for leases of before the store’s clock was set back', async () => {
    const old = { holder: 'gone', token: 1, remainingMs: 3_600_000 };
    const { join, turns, counts } = fleet({
      ranges: 3,
      // The store shows them, an hour long, and gives them to whoever asks.
      through: (leases) => ({
        acquire: leases.acquire.bind(leases),
        renew: leases.renew.bind(leases),
        release: leases.release.bind(leases),
        list: async (prefix, options) => {
          const there = await leases.list(prefix, options);
          return new Map([
            ...['r0', 'r1', 'r2'].map((range) => [`feed:range:${range}`, old] as const),
            ...there,
          ]);
        },
      }),
    });
    join('a');
    await turns(1);
    expect(counts()).toEqual([3]);
  });

  it('gives one worker everything, and each that joins its share, within two turns', async () => {
    const { join, turns, counts, workers } = fleet({ ranges: 7 });
    join('a');
    await turns(1);
    expect(counts()).toEqual([7]);
    join('b');
    await turns(2);
    expect(counts()).toEqual([4, 3]);
    join('c');
    await turns(2);
    expect(counts()).toEqual([3, 2, 2]);
    const shares = [...workers.values()].map((worker) => worker.has());
    await turns(5);
    expect([...workers.values()].map((worker) => worker.has())).toEqual(shares);
  });

  it('leaves workers that are more than the ranges without one, and lets none starve when a range comes', async () => {
    const { join, turns, counts, setRanges } = fleet({ ranges: 2 });
    for (const name of ['a', 'b', 'c']) join(name);
    await turns(3);
    expect(counts()).toEqual([1, 1, 0]);
    setRanges(['r0', 'r1', 'r2']);
    await turns(3);
    expect(counts()).toEqual([1, 1, 1]);
  });

  it('moves the ranges of a worker that leaves at once, and of one that dies when its leases have run out', async () => {
    const { join, turns, turn, counts, workers, clock } = fleet({ ranges: 6 });
    const [a, b, c] = ['a', 'b', 'c'].map(join);
    if (!a || !b || !c) throw new Error('Three join.');
    await turns(3);
    expect(counts()).toEqual([2, 2, 2]);
    workers.delete('c');
    await c.shared.leave();
    await turns(1);
    expect(counts()).toEqual([3, 3]);

    await turn(b);
    workers.delete('b');
    await clock.advance(LEASE_MS - 1);
    await turn(a);
    expect(counts()).toEqual([3]);
    await clock.advance(1);
    await turn(a);
    expect(counts()).toEqual([6]);
  });

  it('shows a worker that was paused past its leases that they are lost, before and after its work', async () => {
    const { join, turns, turn, workers, clock, store } = fleet({ ranges: 2 });
    const paused = join('paused');
    await turns(1);
    const held = heldOf(paused, 'r0');
    const proof = held.proof();
    const work = held.whileHeld();
    workers.delete('paused');
    await clock.advance(LEASE_MS);
    expect([held.isProven, work.aborted, paused.has()]).toEqual([false, true, []]);
    expect(() => held.proof()).toThrow(TimeoutError);
    expect(work.reason).toBeInstanceOf(FencedError);

    const other = join('other');
    await turn(other);
    expect(other.has()).toEqual(['r0', 'r1']);
    const step = { name: 'r0', expected: 0, position: 'p', lease: proof };
    await expect(store.checkpoints.advance(step)).rejects.toThrow(FencedError);
    // Awake again it takes its place among the others, and what it gets has another token.
    workers.set('paused', paused);
    await turns(2);
    expect([paused.has().length, other.has().length]).toEqual([1, 1]);
    const [again] = paused.shared.held;
    expect(again?.proof()).not.toEqual(proof);
  });

  it('asks for a range that another lacks, and takes it from under the work when the grace is over', async () => {
    const { join, clock } = fleet({ ranges: 2 });
    const ranges = ['r0', 'r1'];
    const [slow, other] = [join('slow'), join('other')];
    await slow.shared.round(ranges);
    await other.shared.round(ranges);
    await slow.shared.round(ranges);
    const asked = slow.shared.held.find((one) => one.isAskedFor);
    expect(slow.shared.held.map((one) => one.isAskedFor)).toEqual([false, true]);
    const work = asked?.whileHeld();
    for (let passed = 0; passed < LEASE_MS; passed += TURN_MS) {
      expect([work?.aborted, other.has()]).toEqual([false, []]);
      await clock.advance(TURN_MS);
      for (const one of [slow, other]) await one.shared.round(ranges);
    }
    expect(work?.aborted).toBe(true);
    await other.shared.round(ranges);
    expect([slow.has(), other.has()]).toEqual([['r0'], ['r1']]);
  });

  it('asks for nothing any more when whoever lacked it is gone', async () => {
    const { join } = fleet({ ranges: 2 });
    const ranges = ['r0', 'r1'];
    const [first, other] = [join('first'), join('other')];
    await first.shared.round(ranges);
    await other.shared.round(ranges);
    await first.shared.round(ranges);
    expect(first.shared.held.some((one) => one.isAskedFor)).toBe(true);
    await other.shared.leave();
    await first.shared.round(ranges);
    expect(first.shared.held.some((one) => one.isAskedFor)).toBe(false);
  });

  it('asks for what is no range any more, and takes what came of it', async () => {
    const { join, turns, setRanges, store } = fleet({ ranges: 2 });
    const worker = join('a');
    await turns(1);
    setRanges(['r0', 'r1.0', 'r1.1']);
    await turns(2);
    expect(worker.has()).toEqual(['r0', 'r1.0', 'r1.1']);
    expect([...(await store.leases.list('feed:range:')).keys()]).not.toContain('feed:range:r1');
  });

  it('finds again what it has taken without being told', async () => {
    let lose = true;
    const { join, turns } = fleet({
      ranges: 1,
      through: (leases) => ({
        ...passedOn(leases),
        acquire: async (name, ...rest) => {
          const answer = await leases.acquire(name, ...rest);
          if (!lose || !name.includes(':range:')) return answer;
          lose = false;
          throw new ConnectionError({ message: 'The answer is lost' });
        },
      }),
    });
    const worker = join('a');
    await expect(worker.shared.round(['r0'])).rejects.toThrow(ConnectionError);
    expect(worker.has()).toEqual([]);
    await turns(1);
    expect(worker.has()).toEqual(['r0']);
  });

  it('does not take back what it is about to release', async () => {
    let release = () => Promise.resolve();
    const { join, store } = fleet({
      ranges: 1,
      through: (leases) => ({
        ...passedOn(leases),
        release: async (lease) => {
          release = () => leases.release(lease);
        },
      }),
    });
    const worker = join('a');
    const [held] = await worker.shared.round(['r0']);
    await held?.leave();
    for (let i = 0; i < 3; i += 1) await worker.shared.round(['r0']);
    await release();
    // What it believes to have, it must have.
    expect(worker.has()).toEqual([]);
    await worker.shared.round(['r0']);
    expect((await store.leases.list('feed:range:')).size).toBe(worker.has().length);
  });

  it('goes by what it can prove where the list is old', async () => {
    const { join, clock } = fleet({
      ranges: 1,
      through: (leases) => ({ ...passedOn(leases), list: async () => new Map() }),
    });
    const worker = join('a');
    const [held] = await worker.shared.round(['r0']);
    for (let i = 0; i < 5; i += 1) {
      await clock.advance(TURN_MS);
      await worker.shared.round(['r0']);
    }
    expect(worker.shared.held).toEqual([held]);
    expect(worker.shared.held[0]).toBe(held);
  });

  it('keeps the rest where one lease cannot be renewed', async () => {
    const { join, clock } = fleet({
      ranges: 3,
      through: (leases) => ({
        ...passedOn(leases),
        acquire: async (name, ...rest) => {
          if (name.endsWith('r1') && clock.monotonic() > 0)
            throw new ConnectionError({ message: 'No answer' });
          if (name.endsWith('r2')) await clock.sleep(5);
          return leases.acquire(name, ...rest);
        },
      }),
    });
    const worker = join('a');
    const round = async () => {
      const ended = worker.shared.round(['r0', 'r1', 'r2']).then(
        () => 'well',
        (error: unknown) => String(error),
      );
      await clock.advance(TURN_MS + 1);
      return ended;
    };
    expect(await round()).toBe('well');
    const late = worker.shared.round(['r0', 'r1', 'r2']);
    let isOver = false;
    const noted = late.catch(() => (isOver = true));
    await clock.advance(4);
    expect(isOver).toBe(false);
    await clock.advance(1);
    expect(await noted).toBe(true);
    await clock.advance(TURN_MS);
    for (let i = 0; i < 2; i += 1) expect(await round()).toContain('No answer');
    expect(worker.has()).toEqual(['r0', 'r2']);
  });

  it('never shows one range to two workers, whoever dies, sleeps or joins, and shares it all out in the end', async () => {
    const steps = fc.array(
      fc.record({
        kind: fc.constantFrom(
          'turn',
          'turn',
          'turn',
          'sleep',
          'wake',
          'join',
          'die',
          'leave',
          'pass',
          'pass',
        ),
        who: fc.nat(5),
        ms: fc.integer({ min: 1, max: LEASE_MS }),
      }),
      { maxLength: 60 },
    );
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 6 }), steps, async (size, script) => {
        const world = fleet({ ranges: size });
        const all: Worker[] = [world.join('w0')];
        const asleep = new Map<string, Worker>();
        const check = () => {
          const proven = all.flatMap((worker) => worker.has());
          expect(new Set(proven).size).toBe(proven.length);
        };
        for (const { kind, who, ms } of script) {
          const names = [...world.workers.keys()];
          const name = names[who % Math.max(1, names.length)];
          const worker = name === undefined ? undefined : world.workers.get(name);
          if (kind === 'pass') await world.clock.advance(ms);
          else if (kind === 'join' && all.length < 6) all.push(world.join(`w${all.length}`));
          else if (kind === 'wake') {
            for (const [sleeper, one] of asleep) world.workers.set(sleeper, one);
            asleep.clear();
          } else if (worker && name !== undefined) {
            if (kind === 'turn') await world.turn(worker);
            else world.workers.delete(name);
            if (kind === 'sleep') asleep.set(name, worker);
            if (kind === 'leave') await worker.shared.leave();
          }
          check();
        }
        if (world.workers.size === 0) all.push(world.join('last'));
        await world.turns(Math.ceil(LEASE_MS / TURN_MS) + 4);
        check();
        const counts = world.counts();
        expect(counts.reduce((a, b) => a + b, 0)).toBe(size);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      }),
      { numRuns: 150 },
    );
  });
});

/** A manager that does as the other one does. */
function passedOn(leases: LeaseManager): LeaseManager {
  return {
    acquire: (...asked) => leases.acquire(...asked),
    renew: (...asked) => leases.renew(...asked),
    release: (...asked) => leases.release(...asked),
    list: (...asked) => leases.list(...asked),
  };
}
