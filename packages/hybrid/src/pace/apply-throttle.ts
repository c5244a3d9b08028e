/** What one apply was and took. */
export interface Applied {
  /** How long it was waited for, in milliseconds. */
  readonly ms: number;
  readonly records: number;
  readonly bytes: number;
}

const LEAST_SHARE = 0.05;
const DECREASE = 0.7;
const INCREASE = 0.05;
/** Times the usual at which an apply counts as slow. */
const TOLERANCE = 2;
/** An apply faster than this harms nobody, whatever is usual. */
const FAST_MS = 50;
const LONGEST_PAUSE_MS = 10_000;
/** How quickly the usual follows: what is faster counts soon, what is slower only when it stays so. */
const FOLLOW = { down: 0.2, up: 0.02 } as const;
const SMOOTHING = 0.3;

/**
 * Says how large a share of the time may go into writing to PostgreSQL, so that its users do not wait for a copy: the time that an
 * apply takes is compared with what is usual for its size, and when it rises, the share falls (multiplicative decrease) until it is
 * usual again (additive increase). What stays slow becomes usual in the end: a server is not known by its best day.
 *
 * @see "Performance Under Load", Netflix Technology Blog, 2018, for latency against its own moving baseline as the sign of a queue
 */
export class ApplyThrottle {
  #share = 1;
  #usual: number | undefined;
  #recent = 0;

  /** Share of the time that may go into applying now, above 0, at most 1. */
  get share(): number {
    return this.#share;
  }

  /** How long to pause after an apply, in milliseconds. */
  pauseAfter(applied: Applied): number {
    const cost = applied.ms / workOf(applied);
    this.#usual ??= cost;
    this.#recent = this.#recent === 0 ? cost : this.#recent + SMOOTHING * (cost - this.#recent);
    const isSlow = applied.ms >= FAST_MS && this.#recent > TOLERANCE * this.#usual;
    this.#share = isSlow
      ? Math.max(LEAST_SHARE, this.#share * DECREASE)
      : Math.min(1, this.#share + INCREASE);
    this.#usual += (cost < this.#usual ? FOLLOW.down : FOLLOW.up) * (cost - this.#usual);
    return Math.min(LONGEST_PAUSE_MS, applied.ms * (1 / this.#share - 1));
  }
}

// What a page weighs: some for its round trips, and some for each record and each kilobyte.
function workOf({ records, bytes }: Applied): number {
  return 50 + records + bytes / 1_024;
}
