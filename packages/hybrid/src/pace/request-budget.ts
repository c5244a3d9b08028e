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
/** Up to this part of the peak the rate doubles with each second: after a storm the way up must not take an hour. */
const SAFE = 0.5;
/** Refusals within this time of each other are one: requests in flight together are refused together. */
const ONE_EVENT_MS = 1_000;
const LONGEST_WAIT_MS = 250;
/** Unspent units are kept for this long, so that an idle hour does not end in a burst. */
const BURST_MS = 250;

/**
 * Says how fast request units may be spent, so that the users of a container go first: additive increase while the store takes what
 * it is given, multiplicative decrease when it answers 429, as TCP shares a wire that nobody knows the width of; and as there, the way
 * up is quick as far as it was safe before.
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
  // The rate at which the store refused what was spent, or the bound: what may be reached again. Infinity while it is not known.
  #peak: number;
  #balance = 0;
  #filledAt: number;
  #refusedAt = Number.NEGATIVE_INFINITY;
  #spent = 0;
  // When the store refused last, or was asked first, and what was spent by then.
  #since: number;
  #spentBefore = 0;
  // What was really spent of late: half of it is older than a second.
  #recent = 0;

  constructor({ clock, mostPerSecond = Number.POSITIVE_INFINITY }: RequestBudgetOptions) {
    this.#clock = clock;
    this.#most = mostPerSecond;
    this.#rate = mostPerSecond;
    this.#peak = mostPerSecond;
    this.#filledAt = clock.monotonic();
    this.#since = this.#filledAt;
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

  /** How long the next request is to wait before it asks again, in milliseconds; 0 when it may go. */
  get waitMs(): number {
    this.#fill();
    // The rate rises meanwhile, so it is looked at again before long.
    return this.#balance >= 0 ? 0 : Math.min(LONGEST_WAIT_MS, (-this.#balance / this.#rate) * 1_000);
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
    // Where the store took nothing since it refused last, it is busy with others; and a moment proves nothing. Then nothing is learnt
    // about what it can do.
    const isLearnt = this.#spent - this.#spentBefore > LEAST_PER_SECOND && now - this.#since >= ONE_EVENT_MS;
    this.#since = now;
    const known = this.#peak === Number.POSITIVE_INFINITY ? 0 : this.#peak;
    if (isLearnt) this.#peak = Math.max(used, known * DECREASE);
    this.#spentBefore = this.#spent;
    this.#rate = Math.min(this.#most, Math.max(LEAST_PER_SECOND, used * DECREASE));
    this.#balance = Math.min(0, this.#balance);
  }

  #fill(): void {
    const now = this.#clock.monotonic();
    const seconds = (now - this.#filledAt) / 1_000;
    this.#filledAt = now;
    this.#recent *= 0.5 ** seconds;
    if (this.#rate === Number.POSITIVE_INFINITY) return;
    // What is not used up need not grow.
    if (this.#balance < 0) this.#grow(Math.min(seconds, (now - this.#refusedAt - ONE_EVENT_MS) / 1_000));
    this.#balance = Math.min((this.#rate * BURST_MS) / 1_000, this.#balance + this.#rate * seconds);
  }

  #grow(calmS: number): void {
    if (calmS <= 0) return;
    const doubling = Math.max(0, Math.min(calmS, Math.log2((this.#peak * SAFE) / this.#rate)));
    const adding = calmS - doubling;
    const grown = this.#rate * 2 ** doubling + (adding > 0 ? this.#peak * INCREASE * adding : 0);
    this.#rate = Math.min(this.#most, grown);
  }
}
