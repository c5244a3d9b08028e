import type { EmulatorClock } from '../clock.ts';
import type { Target } from '../routes/route-context.ts';
import { faultError } from './fault-error.ts';

/** Request units that may be spent, and by which requests. */
export interface RequestBudget {
  /** What is given back each second, by the emulator's clock, and the most that is saved up. */
  readonly requestUnitsPerSecond: number;
  /** Only requests for the data of this container, by id. @default any */
  readonly container?: string;
}

/** A budget that is held. */
export interface HeldBudget {
  /** Units that are left; below zero when the last request took more than there was. */
  readonly left: number;
  /** Holds it no longer. */
  remove(): void;
}

interface Entry {
  readonly budget: RequestBudget;
  left: number;
  at: number;
}

/** Budgets of request units: when one is spent, requests are answered with 429 and the wait until there is more. */
export class RequestBudgets {
  readonly #clock: EmulatorClock;
  #entries: Entry[] = [];

  /** @internal */
  constructor(init: { clock: EmulatorClock }) {
    this.#clock = init.clock;
  }

  /** Holds a budget, full at first. Throws a RangeError for one that is not positive. */
  add(budget: RequestBudget): HeldBudget {
    const { requestUnitsPerSecond: rate } = budget;
    if (!(rate > 0)) throw new RangeError(`requestUnitsPerSecond must be positive, not ${rate}.`);
    const entry: Entry = { budget, left: rate, at: this.#clock.now() };
    this.#entries.push(entry);
    const refill = (): void => this.#refill(entry);
    return {
      get left() {
        refill();
        return entry.left;
      },
      remove: () => {
        this.#entries = this.#entries.filter((other) => other !== entry);
      },
    };
  }

  /**
   * Lets a request through, or throws 429.
   *
   * @internal
   */
  admit(target: Target): void {
    for (const entry of this.#of(target)) {
      this.#refill(entry);
      if (entry.left > 0) continue;
      const wait = Math.ceil((-entry.left / entry.budget.requestUnitsPerSecond) * 1000) + 1;
      throw faultError({ retryAfterMs: wait }, 429);
    }
  }

  /**
   * Takes what a request has cost: it is known only afterwards, so the last one may take more than is left.
   *
   * @internal
   */
  charge(target: Target, units: number): void {
    for (const entry of this.#of(target)) entry.left -= units;
  }

  #of(target: Target): readonly Entry[] {
    if (this.#entries.length === 0 || !isData(target)) return [];
    return this.#entries.filter(({ budget }) => (budget.container ?? target.container) === target.container);
  }

  #refill(entry: Entry): void {
    const now = this.#clock.now();
    const { requestUnitsPerSecond: rate } = entry.budget;
    entry.left = Math.min(rate, entry.left + (Math.max(0, now - entry.at) / 1000) * rate);
    entry.at = now;
  }
}

/** Reading definitions and ranges costs nothing of a container's throughput. */
function isData({ resource, container }: Target): boolean {
  return container !== undefined && resource !== 'containers' && resource !== 'partitionKeyRanges';
}
