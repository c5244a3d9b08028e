import type { Clock } from '../clock.ts';

/** A clock that stands still until it is told to go on. */
export interface ManualClock extends Clock {
  /** Milliseconds until the next sleeper wakes; undefined when nobody sleeps. */
  readonly nextMs: number | undefined;
  /** Lets time pass. Sleepers wake in the order of their times, each at its own; what they do before they wait again is done. */
  advance(ms: number): Promise<void>;
}

interface Sleeper {
  readonly at: number;
  wake(): void;
}

// Enough turns for chains of promises between two waits; nothing real is waited for.
const TURNS = 50;

async function settle(): Promise<void> {
  for (let i = 0; i < TURNS; i += 1) await Promise.resolve();
}

/**
 * A clock for tests: time passes by {@link ManualClock.advance} alone.
 *
 * @param startMs - date that it begins at, 2026-01-01T00:00:00Z unless told
 *
 * @example
 * ```ts
 * import { manualClock } from '@polyphase/core/testing';
 *
 * const clock = manualClock();
 * const slept = clock.sleep(1_000);
 * await clock.advance(1_000);
 * await slept;
 * ```
 */
export function manualClock(startMs: number = Date.UTC(2026, 0, 1)): ManualClock {
  let passed = 0;
  let sleepers: Sleeper[] = [];
  const next = () => sleepers.reduce<Sleeper | undefined>((a, b) => (a && a.at <= b.at ? a : b), undefined);
  const sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const leave = () => {
        sleepers = sleepers.filter((it) => it !== sleeper);
        signal?.removeEventListener('abort', stop);
      };
      const stop = () => {
        leave();
        reject(signal?.reason);
      };
      const wake = () => {
        leave();
        resolve();
      };
      const sleeper: Sleeper = { at: passed + Math.max(0, ms), wake };
      if (signal?.aborted === true) return stop();
      signal?.addEventListener('abort', stop, { once: true });
      sleepers.push(sleeper);
    });
  return {
    now: () => startMs + passed,
    monotonic: () => passed,
    sleep,
    get nextMs() {
      const first = next();
      return first && first.at - passed;
    },
    async advance(ms) {
      const end = passed + ms;
      await settle();
      for (let first = next(); first && first.at <= end; first = next()) {
        passed = Math.max(passed, first.at);
        first.wake();
        await settle();
      }
      passed = end;
      await settle();
    },
  };
}
