import type { Clock, RequestMeter } from '@polyphase/core';
import { type Applied, ApplyThrottle } from './apply-throttle.ts';
import { RequestBudget } from './request-budget.ts';

/** How fast a copy may go: everything that copies at once in a process shares one. */
export class Pace {
  readonly budget: RequestBudget;
  /** Request units that may be spent in a second, where that is bounded. */
  readonly mostPerSecond: number | undefined;
  readonly #throttle = new ApplyThrottle();
  readonly #clock: Clock;

  constructor(options: { readonly clock: Clock; readonly mostPerSecond?: number | undefined }) {
    this.budget = new RequestBudget(options);
    this.mostPerSecond = options.mostPerSecond;
    this.#clock = options.clock;
  }

  /** Pays for requests to Cosmos DB. */
  readonly meter: RequestMeter = (cost) => this.budget.pay(cost);

  /** Share of the time that may go into writing to PostgreSQL now. */
  get share(): number {
    return this.#throttle.share;
  }

  /** Waits until the next request to Cosmos DB may go. */
  async ready(signal?: AbortSignal): Promise<void> {
    await this.budget.ready(signal);
  }

  /** Pauses after an apply for as long as PostgreSQL needs. */
  async applied(applied: Applied, signal?: AbortSignal): Promise<void> {
    const pauseMs = this.#throttle.pauseAfter(applied);
    if (pauseMs > 0) await this.#clock.sleep(pauseMs, signal);
  }
}
