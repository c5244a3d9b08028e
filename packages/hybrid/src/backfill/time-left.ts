import type { Clock } from '@polyphase/core';

/** Time in which what was measured loses half its weight. */
const HALF_LIFE_S = 60;

/**
 * Tells how fast work goes and how long the rest will take.
 *
 * The rate is an average whose weights halve with each minute of age, divided by the sum of these weights, so that it is the plain
 * average at first (a start from zero would make every first guess too long) and follows what the stores give later on. Time in which
 * the work was paused is not counted.
 */
export class TimeLeft {
  readonly #clock: Clock;
  #at: number | undefined;
  #sum = 0;
  #weight = 0;

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
  }

  /** Takes note of work that was done since the last note. */
  note(amount: number): void {
    const now = this.#clock.monotonic();
    const seconds = this.#at === undefined ? 0 : (now - this.#at) / 1_000;
    this.#at = now;
    if (seconds <= 0) {
      this.#sum += amount;
      return;
    }
    const decay = 0.5 ** (seconds / HALF_LIFE_S);
    this.#sum = this.#sum * decay + amount;
    this.#weight = this.#weight * decay + seconds;
  }

  /** Begins the clock, or begins it again after a pause: the time before counts for nothing. */
  resume(): void {
    this.#at = this.#clock.monotonic();
  }

  /** Amount in a second; undefined before anything is known. */
  get perSecond(): number | undefined {
    return this.#weight > 0 ? this.#sum / this.#weight : undefined;
  }

  /** Seconds that an amount will take; undefined before anything is known, and while nothing moves. */
  of(amount: number): number | undefined {
    const rate = this.perSecond;
    if (amount <= 0) return 0;
    return rate === undefined || rate <= 0 ? undefined : amount / rate;
  }
}
