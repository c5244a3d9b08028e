import type { Random } from './random.ts';

/** Whoever events belong to: what has ended does nothing more, and what is stopped does it later. */
export interface Owner {
  readonly name: string;
  readonly hasEnded: boolean;
  /** Until when it stands still. */
  readonly stoppedUntil: number;
}

/** What is to happen. */
interface Event {
  readonly at: number;
  readonly order: number;
  readonly what: string;
  readonly owner: Owner | undefined;
  readonly run: () => void;
  isCancelled: boolean;
}

/** Everything that an event leads to without waiting is done before the next one. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Decides what happens next in a simulated world, and lets time pass to it. Nothing in the world waits for anything else, so that one
 * seed is one order of everything.
 */
export class Scheduler {
  readonly #random: Random;
  readonly #heap: Event[] = [];
  #now = 0;
  #order = 0;
  #hash = 0x811c9dc5;
  #events = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Milliseconds since the world began. */
  get now(): number {
    return this.#now;
  }

  /** Number of events that have happened. */
  get events(): number {
    return this.#events;
  }

  /** A number that two runs share only if the same happened in both, in the same order at the same times. */
  get trace(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0');
  }

  /** Notes something in the trace. */
  note(what: string): void {
    for (let i = 0; i < what.length; i += 1)
      this.#hash = Math.imul(this.#hash ^ what.charCodeAt(i), 0x01000193);
  }

  /** Lets something happen after so many milliseconds. What comes back calls it off. */
  after(ms: number, what: string, run: () => void, owner?: Owner): () => void {
    this.#order += 1;
    const event: Event = { at: this.#now + ms, order: this.#order, what, owner, run, isCancelled: false };
    this.#push(event);
    return () => {
      event.isCancelled = true;
    };
  }

  /** Resolves after a time that chance picks. */
  wait(fromMs: number, toMs: number, what: string, owner?: Owner): Promise<void> {
    return new Promise(
      (resolve) => void this.after(this.#random.between(fromMs, toMs), what, resolve, owner),
    );
  }

  /** Lets one event after the other happen until it is so, or time is over, or nothing is left. Tells whether it is so. */
  async run(isOver: () => boolean, limitMs: number): Promise<boolean> {
    const end = this.#now + limitMs;
    await settled();
    while (!isOver()) {
      const event = this.#pop();
      if (!event || event.at > end) {
        if (event) this.#push(event);
        this.#now = end;
        return false;
      }
      if (event.isCancelled || event.owner?.hasEnded === true) continue;
      this.#now = Math.max(this.#now, event.at);
      const until = event.owner?.stoppedUntil ?? 0;
      if (until > this.#now) {
        this.#push({ ...event, at: until });
        continue;
      }
      this.#events += 1;
      this.note(event.what);
      this.note(this.#now.toFixed(3));
      event.run();
      await settled();
    }
    return true;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up];
      if (!parent || !comesBefore(event, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = event;
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (!first || !last || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      const left = heap[2 * at + 1];
      const right = heap[2 * at + 2];
      if (!left) break;
      const isRight = right !== undefined && comesBefore(right, left);
      const next = isRight ? right : left;
      if (!comesBefore(next, last)) break;
      heap[at] = next;
      at = 2 * at + (isRight ? 2 : 1);
    }
    heap[at] = last;
    return first;
  }
}

function comesBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
