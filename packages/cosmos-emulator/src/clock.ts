/** The emulator's time: it follows the system clock, and tests set it or move it forward. */
export interface EmulatorClock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Stops the clock at a moment; `advance` and `set` move it, `resume` lets it run. Throws a RangeError for no moment. */
  set(time: number | Date): void;
  /** Moves the clock by so many milliseconds; a running clock goes on running from there. Throws a RangeError for none. */
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
      checkMoment(Number(time));
      stopped = Number(time);
    },
    advance(ms) {
      const now = stopped ?? source() + offset;
      checkMoment(now + ms);
      if (stopped === undefined) offset += ms;
      else stopped += ms;
    },
    resume() {
      stopped = undefined;
      offset = 0;
    },
  };
}

/** Outside of what a date can say, answers could not be dated any more. */
function checkMoment(time: number): void {
  if (Number.isNaN(new Date(time).getTime())) throw new RangeError(`${time} is no moment in time.`);
}
