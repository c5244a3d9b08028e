/** The emulator's time: it follows the system clock, and tests set it or move it forward. */
export interface EmulatorClock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Stops the clock at a moment, until `advance`, another `set` or `resume`. */
  set(time: number | Date): void;
  /** Moves the clock forward by so many milliseconds; a running clock goes on running from there. */
  advance(ms: number): void;
  /** Follows the system clock again. */
  resume(): void;
}

/**
 * Creates a clock over a source of time.
 *
 * @default the source is `Date.now`
 */
export function createClock(source: () => number = Date.now): EmulatorClock {
  let offset = 0;
  let stopped: number | undefined;
  return {
    now: () => stopped ?? source() + offset,
    set(time) {
      stopped = Number(time);
    },
    advance(ms) {
      if (stopped === undefined) offset += ms;
      else stopped += ms;
    },
    resume() {
      stopped = undefined;
      offset = 0;
    },
  };
}
