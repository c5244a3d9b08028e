import type { Clock } from './clock.ts';
import { HeldLease } from './held-lease.ts';
import type { LeaseHeld, LeaseManager } from './lease.ts';
import { shareRanges } from './share-ranges.ts';

/** How many times as long as ours another's lease may be. */
const LONGEST = 30;

/** What {@link RangeLeases} works with. */
export interface RangeLeasesOptions {
  readonly leases: LeaseManager;
  /** What the leases' names begin with: what the ranges are ranges of. No other's may begin with it and a colon. */
  readonly name: string;
  /** Name of this worker in leases: no other may have it, nor this one after a restart. */
  readonly holder: string;
  /** Length of a lease in milliseconds: how long the ranges of a dead worker lie. */
  readonly durationMs: number;
  readonly clock: Clock;
  /** Time to leave a range that others lack, in milliseconds; then it is taken from under the work. @default durationMs */
  readonly graceMs?: number | undefined;
}

/** A range that this worker has. */
export interface HeldRange {
  readonly range: string;
  /** Whether another worker lacks it, or it is no range any more: finish what was begun, then {@link HeldRange.leave}. */
  readonly isAskedFor: boolean;
  /** Whether nobody else can have it now. False after a pause, until it is taken again. */
  readonly isProven: boolean;
  /**
   * What a guarded write carries, so that the store refuses it once another worker has the range. Of before the work began: what was
   * begun under one token is not ended under another.
   *
   * @throws `TimeoutError` while the lease has run out here
   */
  proof(): { readonly name: string; readonly token: number };
  /** Aborts as soon as the range is not proven to be this worker's any more. */
  whileHeld(): AbortSignal;
  /** Gives the range up at once. */
  leave(): Promise<void>;
}

/**
 * The ranges of a feed, shared among the workers that are alive: each has the same number, or one more, and what a dead one had goes
 * to the others when its leases have run out. Workers find each other by their leases alone.
 *
 * A worker calls {@link RangeLeases.round} several times in the length of a lease. A range is, at any moment: free; held by one worker;
 * held and asked for, since another lacks it or it is gone, until its worker leaves it or the grace is over; or run out, when its worker
 * works under it no more and the store gives it to whoever asks.
 *
 * @example
 * ```ts
 * import { RangeLeases, systemClock } from '@polyphase/core';
 * import { memoryRelationalStore } from '@polyphase/core/memory';
 *
 * const { leases } = memoryRelationalStore();
 * const shared = new RangeLeases({ leases, name: 'feed', holder: 'worker-1', durationMs: 30_000, clock: systemClock });
 * for (const held of await shared.round(['a', 'b'])) console.log(held.range, held.proof().token);
 * await shared.leave();
 * ```
 */
export class RangeLeases {
  readonly #options: RangeLeasesOptions;
  readonly #alive: HeldLease;
  readonly #inHand = new Map<string, RangeInHand>();

  constructor(options: RangeLeasesOptions) {
    this.#options = options;
    this.#alive = this.#leaseOf(`${options.name}:worker:${options.holder}`);
  }

  /** The ranges that are proven to be this worker's now. */
  get held(): readonly HeldRange[] {
    return [...this.#inHand.values()].filter((it) => it.isProven);
  }

  /**
   * Renews what this worker has, looks at what the others have, and takes or gives up ranges. What it has that is no range any more
   * is asked for. Tells what it has then. One round at a time.
   *
   * @throws whatever the leases throw, once all that could be renewed was; the rest stays held until it runs out
   */
  async round(ranges: readonly string[], signal?: AbortSignal): Promise<readonly HeldRange[]> {
    const { leases, name, holder } = this.#options;
    await allOf([this.#alive.take(signal), this.keep(signal)]);
    const known = new Set(this.#inHand.keys());
    const there = this.#plausible(await leases.list(`${name}:`, { signal }));
    const holders = this.#holders(there, ranges);
    this.#forget(holders);
    const workers = [...there].flatMap(([lease, by]) =>
      lease.startsWith(`${name}:worker:`) ? [by.holder] : [],
    );
    const { take, give } = shareRanges({ me: holder, ranges, holders, workers });
    for (const it of this.#inHand.values()) it.ask(give.includes(it.range) || !ranges.includes(it.range));
    // What the store says is ours and was not known here: the answer was lost.
    const ours = ranges.filter((range) => holders.get(range) === holder && !known.has(range));
    const late = [...this.#inHand.values()].filter((it) => it.isLate);
    await allOf([
      ...[...take, ...ours].map((range) => this.#take(range, signal)),
      ...late.map((it) => it.leave()),
    ]);
    return this.held;
  }

  /** Makes what this worker has last, and takes nothing: while it is about to end. */
  async keep(signal?: AbortSignal): Promise<void> {
    await allOf([...this.#inHand.values()].map((it) => it.keep(signal)));
  }

  /** Gives everything up, so that the others need not wait. */
  async leave(): Promise<void> {
    const ranges = [...this.#inHand.values()];
    await allOf([...ranges.map((it) => it.leave()), this.#alive.leave()]);
  }

  // What would last so much longer than anybody asks for was granted before the store's clock was set back: its holder is not there, or
  // asks again soon.
  #plausible(there: ReadonlyMap<string, LeaseHeld>): ReadonlyMap<string, LeaseHeld> {
    const mostMs = this.#options.durationMs * LONGEST;
    return new Map([...there].filter(([, { remainingMs }]) => remainingMs <= mostMs));
  }

  // What this worker can prove it knows better than a list, which may be old.
  #holders(there: ReadonlyMap<string, LeaseHeld>, ranges: readonly string[]): ReadonlyMap<string, string> {
    const holders = new Map<string, string>();
    for (const range of ranges) {
      const isOurs = this.#inHand.get(range)?.isProven === true;
      const by = isOurs ? this.#options.holder : there.get(this.#nameOf(range))?.holder;
      if (by !== undefined) holders.set(range, by);
    }
    return holders;
  }

  // What was left stays known until the store says so too: taken back meanwhile, it would go with the release that is under way.
  #forget(holders: ReadonlyMap<string, string>): void {
    for (const [range, it] of this.#inHand)
      if (!it.isProven && holders.get(range) !== this.#options.holder) this.#inHand.delete(range);
  }

  async #take(range: string, signal: AbortSignal | undefined): Promise<void> {
    const { clock, durationMs, graceMs = durationMs } = this.#options;
    const lease = this.#leaseOf(this.#nameOf(range));
    if (await lease.take(signal)) this.#inHand.set(range, new RangeInHand({ range, lease, clock, graceMs }));
  }

  #nameOf(range: string): string {
    return `${this.#options.name}:range:${range}`;
  }

  #leaseOf(name: string): HeldLease {
    const { leases, holder, durationMs, clock } = this.#options;
    return new HeldLease({ leases, name, holder, durationMs, clock });
  }
}

/** A range as {@link RangeLeases} keeps it. */
class RangeInHand implements HeldRange {
  readonly range: string;
  readonly #lease: HeldLease;
  readonly #clock: Clock;
  readonly #graceMs: number;
  #askedAt: number | undefined;

  constructor(options: {
    readonly range: string;
    readonly lease: HeldLease;
    readonly clock: Clock;
    readonly graceMs: number;
  }) {
    this.range = options.range;
    this.#lease = options.lease;
    this.#clock = options.clock;
    this.#graceMs = options.graceMs;
  }

  get isAskedFor(): boolean {
    return this.#askedAt !== undefined;
  }

  get isProven(): boolean {
    return this.#lease.isProven;
  }

  /** Whether it was asked for so long ago that its worker is not waited for any more. */
  get isLate(): boolean {
    return this.#askedAt !== undefined && this.#clock.monotonic() - this.#askedAt >= this.#graceMs;
  }

  proof(): { readonly name: string; readonly token: number } {
    return this.#lease.proof();
  }

  whileHeld(): AbortSignal {
    return this.#lease.whileHeld();
  }

  leave(): Promise<void> {
    return this.#lease.leave();
  }

  keep(signal?: AbortSignal): Promise<void> {
    return this.#lease.keep(signal);
  }

  ask(isAsked: boolean): void {
    this.#askedAt = isAsked ? (this.#askedAt ?? this.#clock.monotonic()) : undefined;
  }
}

// Every one is tried, whatever becomes of the others.
async function allOf(calls: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(calls)).find((it) => it.status === 'rejected');
  if (failed) throw failed.reason;
}
