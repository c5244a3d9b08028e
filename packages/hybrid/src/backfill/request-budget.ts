import type { Clock, RequestCost } from '@polyphase/core';

/** What {@link RequestBudget} is made from. */
export interface RequestBudgetOptions {
  readonly clock: Clock;
  /** Request units in a second, at most. @default none: the store's own refusals are the bound */
  readonly mostPerSecond?: number | undefined;
}

/** Below this rate nothing slows down further: work goes on, however busy the store is with others. */
const LEAST_PER_SECOND = 10;
const DECREASE = 0.7;
/** Part of the peak that is added in each second without a refusal. */
const INCREASE = 0.05;
/** How slowly the peak is forgotten, with each refusal: after a minute of refusals the way up must not take an hour. */
const FORGET = 0.98;
/** Refusals within this time of each other are one: requests in flight together are refused together. */
const ONE_EVENT_MS = 1_000;
/** Unspent units are kept for this long, so that an idle hour does not end in a burst. */
const BURST_MS = 250;

/**
 * Says how fast request units may be spent, so that the users of a container go first: additive increase while the store takes what
 * it is given, multiplicative decrease when it answers 429, as TCP shares a wire that nobody knows the width of.
 *
 * What a request takes is known when it is answered. So a request may go whenever nothing is owed, and what it took is paid by waiting.
 * With no bound of its own, the budget is unlimited until the first refusal, and goes on from what was spent just before it.
 *
 * @see Chiu and Jain, "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance", 1989
 */
export class RequestBudget {
  readonly #clock: Clock;
  readonly #most: number;
  #rate: number;
  // The highest rate that was refused, or the bound: what may be reached again.
  #peak: number;
  #balance = 0;
  #filledAt: number;
  #refusedAt = Number.NEGATIVE_INFINITY;
  #spent = 0;
  // What was really spent of late: half of it is older than a second.
  #recent = 0;

  constructor({ clock, mostPerSecond = Number.POSITIVE_INFINITY }: RequestBudgetOptions) {
    this.#clock = clock;
    this.#most = mostPerSecond;
    this.#rate = mostPerSecond;
    this.#peak = mostPerSecond === Number.POSITIVE_INFINITY ? 0 : mostPerSecond;
    this.#filledAt = clock.monotonic();
  }

  /** Request units that may be spent in a second now; Infinity while nothing bounds them. */
  get perSecond(): number {
    this.#fill();
    return this.#rate;
  }

  /** Request units that were spent. */
  get spent(): number {
    return this.#spent;
  }

  /** How long the next request is to wait, in milliseconds. */
  get waitMs(): number {
    this.#fill();
    return this.#balance >= 0 ? 0 : (-this.#balance / this.#rate) * 1_000;
  }

  /** Waits until the next request may go. */
  async ready(signal?: AbortSignal): Promise<void> {
    // Others, who wait as well, may go first: then this one waits again.
    for (let ms = this.waitMs; ms > 0; ms = this.waitMs) await this.#clock.sleep(Math.max(1, ms), signal);
  }

  /** Pays for a request that was answered, and slows down when it was put off. */
  pay({ requestUnits, throttled }: RequestCost): void {
    this.#fill();
    this.#spent += requestUnits;
    this.#recent += requestUnits;
    if (throttled > 0) this.#refuse();
    if (this.#rate < Number.POSITIVE_INFINITY) this.#balance -= requestUnits;
  }

  #refuse(): void {
    const now = this.#clock.monotonic();
    if (now - this.#refusedAt < ONE_EVENT_MS) return;
    this.#refusedAt = now;
    // Under a rate that was not used up, it is not the rate that was too high: what was spent is.
    const used = Math.min(this.#rate, this.#recent * Math.LN2);
    this.#rate = Math.min(this.#most, Math.max(LEAST_PER_SECOND, used * DECREASE));
    this.#peak = Math.max(used, this.#peak * FORGET, LEAST_PER_SECOND);
    this.#balance = Math.min(0, this.#balance);
  }

  #fill(): void {
    const now = this.#clock.monotonic();
    const seconds = (now - this.#filledAt) / 1_000;
    this.#filledAt = now;
    this.#recent *= 0.5 ** seconds;
    if (this.#rate === Number.POSITIVE_INFINITY) return;
    this.#balance = Math.min((this.#rate * BURST_MS) / 1_000, this.#balance + this.#rate * seconds);
    const calmMs = Math.min(now - this.#refusedAt - ONE_EVENT_MS, seconds * 1_000);
    if (calmMs > 0) this.#rate = Math.min(this.#most, this.#rate + (this.#peak * INCREASE * calmMs) / 1_000);
  }
}
