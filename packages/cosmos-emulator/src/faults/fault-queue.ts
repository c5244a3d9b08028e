import type { OperationKind, ResourceKind, Target } from '../routes/route-context.ts';

/** What goes wrong, with which requests, and how often. */
export interface Fault {
  /** Only this operation, such as `create`, `read`, `query`, `batch` or `changeFeed`. @default any */
  readonly operation?: OperationKind;
  /** Only requests for this kind of resource. @default any */
  readonly resource?: ResourceKind;
  /** Only requests that address this container, by id. @default any */
  readonly container?: string;
  /** Only requests that address this item, by id. @default any */
  readonly item?: string;
  /** Only this HTTP method. @default any */
  readonly method?: string;
  /** How many requests it strikes before it is spent. @default 1 */
  readonly count?: number;
  /** Answer with this status, without doing what was asked. @default none */
  readonly status?: 408 | 410 | 429 | 449 | 500 | 503;
  /** The wait that an answer of 429 or 449 asks for, in milliseconds. @default 0 for 429 */
  readonly retryAfterMs?: number;
  /** Sub-status of the answer. @default none */
  readonly substatus?: number;
  /** Break the connection before, or after, what was asked is done. @default none */
  readonly reset?: 'before' | 'after';
  /** Hold the request for this long, in milliseconds of real time, before anything else. @default 0 */
  readonly delayMs?: number;
  /** Hold the request until this settles, before anything else. @default none */
  readonly gate?: PromiseLike<unknown>;
}

/** A fault that waits for its requests. */
export interface PendingFault {
  /** How many requests it has struck. */
  readonly hits: number;
  /** Takes it out of the queue, spent or not. */
  remove(): void;
}

interface Entry {
  readonly fault: Fault;
  left: number;
  hits: number;
}

/** Faults in the order in which they were added; a request meets the first that fits it. */
export class FaultQueue {
  #entries: Entry[] = [];

  /** Adds a fault. It applies to the next requests that fit, until it is spent or removed. */
  add(fault: Fault): PendingFault {
    const entry: Entry = { fault, left: fault.count ?? 1, hits: 0 };
    this.#entries.push(entry);
    return {
      get hits() {
        return entry.hits;
      },
      remove: () => {
        this.#entries = this.#entries.filter((other) => other !== entry);
      },
    };
  }

  /** Removes every fault. */
  clear(): void {
    this.#entries = [];
  }

  /** How many faults are not spent yet. */
  get size(): number {
    return this.#entries.length;
  }

  /**
   * Takes the fault for a request, if one fits.
   *
   * @internal
   */
  take(target: Target, method: string): Fault | undefined {
    if (this.#entries.length === 0) return undefined;
    const entry = this.#entries.find(({ fault }) => fits(fault, target, method));
    if (entry === undefined) return undefined;
    entry.hits++;
    if (--entry.left <= 0) this.#entries = this.#entries.filter((other) => other !== entry);
    return entry.fault;
  }
}

function fits(fault: Fault, target: Target, method: string): boolean {
  return (
    (fault.operation ?? target.operation) === target.operation &&
    (fault.resource ?? target.resource) === target.resource &&
    (fault.container ?? target.container) === target.container &&
    (fault.item ?? target.item) === target.item &&
    (fault.method ?? method).toUpperCase() === method
  );
}
