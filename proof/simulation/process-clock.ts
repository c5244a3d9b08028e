import type { Clock } from '@polyphase/core';
import type { Owner, Scheduler } from './scheduler.ts';

/** The date on which every world begins. */
const BEGINNING = Date.UTC(2026, 0, 1);

/** How a clock goes wrong. */
export interface ClockErrors {
  /** How fast it runs. @default 1 */
  readonly rate?: number;
  /** How far its date is off now, in milliseconds. @default 0 */
  readonly offMs?: () => number;
}

/** A clock of somebody in a simulated world. Its waits end with its owner. */
export function simulatedClock(
  scheduler: Scheduler,
  owner: Owner | undefined,
  errors: ClockErrors = {},
): Clock {
  const { rate = 1, offMs = () => 0 } = errors;
  return {
    now: () => BEGINNING + Math.floor(scheduler.now + offMs()),
    monotonic: () => scheduler.now * rate,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted === true) return reject(signal.reason);
        const stop = (): void => {
          cancel();
          reject(signal?.reason);
        };
        const wake = (): void => {
          signal?.removeEventListener('abort', stop);
          resolve();
        };
        const cancel = scheduler.after(Math.max(0, ms) / rate, 'timer', wake, owner);
        signal?.addEventListener('abort', stop, { once: true });
      }),
  };
}
