import {
  type ChangeFeed,
  type CheckpointStore,
  type HeldRange,
  type LeaseManager,
  RangeLeases,
  type RequestCost,
} from '@polyphase/core';
import type { BackfillLedger } from '../backfill/backfill-ledger.ts';
import type { Pace } from '../pace/pace.ts';
import { pageBytes } from '../pace/page-bytes.ts';
import type { Group } from '../phases/group.ts';
import { Lanes } from './lanes.ts';
import { PageCopier } from './page-copier.ts';
import { RangeRelay } from './range-relay.ts';

/** Pages in hand at a time, which bounds memory and connections. */
const PAGES_AT_ONCE = 4;

/** Where the relay is. */
export interface RelayProgress {
  /** Records that this process has read from the feed. */
  readonly read: number;
  /** Whether PostgreSQL has held everything that Cosmos DB had at some moment: the backfill is done. */
  readonly historyRead: boolean;
  /** Request units that copying has taken in this process. */
  readonly requestUnits: number;
}

/** What {@link FeedRelay} works with. */
export interface FeedRelayOptions {
  readonly group: Group;
  readonly feed: ChangeFeed;
  readonly checkpoints: CheckpointStore;
  readonly leases: LeaseManager;
  /** Name of this process in leases. */
  readonly holder: string;
  /** How fast history may be copied. */
  readonly pace: Pace;
  /** Counts what was done while history is read. */
  readonly ledger: BackfillLedger;
  /** Whether the feed is to be copied now. */
  readonly goesOn: () => boolean;
  /** Hears of records that were written. */
  readonly onCopied: (records: number) => void;
  /** Hears of what failed and is tried again. */
  readonly onTrouble: (error: unknown) => void;
}

/**
 * Copies committed changes from Cosmos DB's change feed to PostgreSQL: from the beginning of history, so that it is backfill and
 * capture in one order per key. See {@link PageCopier} for what happens to a page. While history is read it yields to the users of both
 * stores; after that nothing is put off, since others wait for what is copied.
 *
 * The ranges of the feed are shared among the processes that copy, each under a lease of its own: those of a fleet with the role
 * `relay`, and workers of a backfill. A range is copied by whoever has it; the page's transaction moves the checkpoint under the lease's
 * token, so that whoever lost the range, without knowing it yet, changes nothing.
 */
export class FeedRelay {
  readonly #options: FeedRelayOptions;
  readonly #shared: RangeLeases;
  readonly #copier: PageCopier;
  readonly #lanes = new Lanes({ lanes: PAGES_AT_ONCE });
  readonly #readers = new Map<string, Promise<void>>();
  #ranges: readonly string[] = [];
  #read = 0;
  #requestUnits = 0;

  constructor(options: FeedRelayOptions) {
    const { group, leases, holder } = options;
    this.#options = options;
    this.#shared = new RangeLeases({
      leases,
      // Of the feed, not of the relay: a backfill shares the ranges, too.
      name: `feed:${group.entity.name}`,
      holder,
      durationMs: group.limits.memberLeaseMs,
      clock: group.clock,
    });
    this.#copier = new PageCopier(group, { ready: (signal) => this.#ready(signal), meter: this.#meter });
  }

  /** Where the relay is. */
  get progress(): RelayProgress {
    return { read: this.#read, historyRead: !this.#isHistory, requestUnits: this.#requestUnits };
  }

  /**
   * One turn at the ranges: learns which there are now. Apart from the leases, so that those are renewed however long Cosmos DB takes to
   * answer. Answers when to do so again.
   */
  async look(signal: AbortSignal): Promise<number> {
    const { group, feed, goesOn } = this.#options;
    const { pollMs, memberLeaseMs } = group.limits;
    if (!goesOn()) {
      this.#ranges = [];
      return pollMs;
    }
    this.#ranges = (await feed.ranges({ signal })).map(({ id }) => id);
    // Seldom: it is a request, and a range that was split can be read as a whole meanwhile.
    return Math.max(pollMs, memberLeaseMs / 2);
  }

  /** One turn at the leases: renews, takes and gives up ranges, and copies those that this process has. Answers when to do so again. */
  async share(signal: AbortSignal): Promise<number> {
    const { group, goesOn } = this.#options;
    const { pollMs, memberLeaseMs } = group.limits;
    if (!goesOn()) {
      if (this.#readers.size === 0) await this.#shared.leave();
      return pollMs;
    }
    if (this.#ranges.length === 0) return pollMs;
    for (const held of await this.#shared.round(this.#ranges, signal)) this.#follow(held, signal);
    return Math.max(pollMs, memberLeaseMs / 8);
  }

  /** Resolves when nothing is copied here any more. Call it once the signal of every turn has aborted. */
  async ended(): Promise<void> {
    await Promise.all(this.#readers.values());
  }

  /** Gives up every range, so that other processes need not wait. */
  async leave(): Promise<void> {
    await this.#shared.leave();
  }

  get #isHistory(): boolean {
    return this.#options.group.stalenessMs === Number.POSITIVE_INFINITY;
  }

  #follow(held: HeldRange, signal: AbortSignal): void {
    if (held.isAskedFor || this.#readers.has(held.range)) return;
    const { group, feed, checkpoints, pace, ledger, goesOn, onCopied, onTrouble } = this.#options;
    const reader = new RangeRelay(held, {
      group,
      feed,
      checkpoints,
      copier: this.#copier,
      pace,
      meter: this.#meter,
      lanes: this.#lanes,
      isHistory: () => this.#isHistory,
      goesOn,
      onCopied: ({ page }, copied) => {
        const records = page.changes.length;
        this.#read += records;
        if (this.#isHistory) ledger.add({ records, bytes: pageBytes(page), ...copied });
        if (copied.applied > 0) onCopied(copied.applied);
      },
      onTrouble,
    });
    const reading = reader.run(signal).finally(() => this.#readers.delete(held.range));
    this.#readers.set(held.range, reading);
  }

  readonly #meter = (cost: RequestCost): void => {
    this.#options.pace.meter(cost);
    this.#requestUnits += cost.requestUnits;
    if (this.#isHistory) this.#options.ledger.add({ requestUnits: cost.requestUnits });
  };

  async #ready(signal: AbortSignal): Promise<void> {
    if (this.#isHistory) await this.#options.pace.ready(signal);
  }
}
