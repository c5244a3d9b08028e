import type { ChangeFeed, CheckpointAdvance, FeedRange, HeldLease, RequestCost } from '@polyphase/core';
import type { Pace } from '../backfill/pace.ts';
import { pageBytes } from '../backfill/page-bytes.ts';
import { startWaiting } from '../backfill/waited.ts';
import type { Group } from '../phases/group.ts';
import { checkpointName } from './checkpoint-name.ts';
import type { FoundPage } from './judge-page.ts';
import { PageCopier } from './page-copier.ts';
import { Turns } from './turns.ts';

const PAGE = 500;
/** Each marker is a write, so not every round sends one. */
const PULSE_MS = 100;

/** A page of a range. */
interface ReadPage extends FoundPage {
  readonly range: FeedRange;
}

/** What one round over all ranges did. */
export interface RelayRound {
  /** Records that were written to PostgreSQL. */
  readonly applied: number;
  /** Whether every range had nothing more to give. */
  readonly idle: boolean;
}

/** Where the relay is. */
export interface RelayProgress {
  /** Records read since the relay was made. */
  readonly read: number;
  /** Whether PostgreSQL has held everything that Cosmos DB had at some moment since: the backfill is done. */
  readonly historyRead: boolean;
  /** Request units that the relay has spent in this process. */
  readonly requestUnits: number;
}

/**
 * Copies committed changes from Cosmos DB's change feed to PostgreSQL: from the beginning of history, so that it is backfill and
 * capture in one order per key. See {@link PageCopier} for what happens to a page. While it reads history it yields to the users of both
 * stores; after that nothing is put off, since others wait for what it copies.
 */
export class FeedRelay {
  readonly #group: Group;
  readonly #feed: ChangeFeed;
  readonly #lease: HeldLease;
  readonly #onFresh: (asOf: number, signal: AbortSignal) => Promise<void>;
  readonly #pace: Pace;
  readonly #copier: PageCopier;
  readonly #positions = new Map<string, string>();
  readonly #revisions = new Map<string, number>();
  #ranges: readonly FeedRange[] = [];
  #read = 0;
  #requestUnits = 0;
  #historyRead = false;
  #sent: { readonly startedAt: number; readonly markers: ReadonlyMap<string, string> } | undefined;
  #sentAt = Number.NEGATIVE_INFINITY;
  readonly #turns = new Turns();

  constructor(options: {
    readonly group: Group;
    readonly feed: ChangeFeed;
    /** The right to copy this feed. */
    readonly lease: HeldLease;
    /** How fast history may be copied. */
    readonly pace: Pace;
    /** Is told at which moment of the monotonic clock PostgreSQL held everything. */
    readonly onFresh: (asOf: number, signal: AbortSignal) => Promise<void>;
  }) {
    this.#group = options.group;
    this.#feed = options.feed;
    this.#lease = options.lease;
    this.#onFresh = options.onFresh;
    this.#pace = options.pace;
    this.#copier = new PageCopier(options.group, {
      ready: (signal) => this.#ready(signal),
      meter: this.#meter,
    });
  }

  /** Where the relay is. */
  get progress(): RelayProgress {
    return { read: this.#read, historyRead: this.#historyRead, requestUnits: this.#requestUnits };
  }

  /** Forgets where it was: another process may copy meanwhile. */
  forget(): void {
    this.#ranges = [];
    this.#sent = undefined;
  }

  /** Reads one page of each range and copies it. Everything that Cosmos DB had committed before an idle round is in PostgreSQL after it. */
  round(signal: AbortSignal): Promise<RelayRound> {
    return this.#turns.run(() => this.#round(signal), signal);
  }

  async #round(signal: AbortSignal): Promise<RelayRound> {
    const startedAt = this.#group.clock.monotonic();
    if (this.#ranges.length === 0) await this.#start(signal);
    let applied = 0;
    let idle = true;
    try {
      for (const range of this.#ranges) {
        await this.#ready(signal);
        // As it was before the page was read: what is stamped belongs to the term in which it was found.
        const { row } = this.#group;
        const position = this.#feed.positionOf(range, this.#positions);
        const page = await this.#feed.read(range, position, { limit: PAGE, signal, meter: this.#meter });
        applied += await this.#copy({ range, page, row }, signal);
        idle &&= page.idle;
      }
    } catch (error) {
      // Whether the page was committed is not known here, and a range may be gone: where to go on is read from the stores.
      this.#ranges = [];
      throw error;
    }
    // Where reads count on it, an empty page proves too little: a replica that lags has nothing to tell either.
    if (idle && !this.#group.rules.freshReads) await this.#caughtUp(startedAt, signal);
    else await this.#pulse(signal);
    return { applied, idle };
  }

  // A marker is sent through the feed, one at a time: when it has come out, everything that was committed before it is in PostgreSQL.
  async #pulse(signal: AbortSignal): Promise<void> {
    const now = this.#group.clock.monotonic();
    if (this.#sent && !this.#isBehind(this.#sent.markers)) await this.#caughtUp(this.#sent.startedAt, signal);
    if (this.#sent || now - this.#sentAt < PULSE_MS) return;
    this.#sentAt = now;
    this.#sent = { startedAt: now, markers: await this.#mark(signal) };
  }

  async #caughtUp(asOf: number, signal: AbortSignal): Promise<void> {
    this.#sent = undefined;
    this.#historyRead = true;
    await this.#onFresh(asOf, signal);
  }

  async #mark(signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const markers = new Map<string, string>();
    for (const range of this.#ranges) markers.set(range.id, await this.#feed.mark(range, { signal }));
    return markers;
  }

  #isBehind(markers: ReadonlyMap<string, string>): boolean {
    return [...markers].some(
      ([id, marker]) => !this.#feed.passed(this.#feed.positionOf({ id }, this.#positions), marker),
    );
  }

  async #start(signal: AbortSignal): Promise<void> {
    const prefix = checkpointName(this.#group.entity, '');
    const known = await this.#group.stores.postgres?.checkpoints.list(prefix, { signal });
    this.#positions.clear();
    this.#revisions.clear();
    // Checkpoints of ranges that are gone are among them: their parts go on from there.
    for (const [name, { position, revision }] of known ?? []) {
      this.#positions.set(name.slice(prefix.length), position);
      this.#revisions.set(name.slice(prefix.length), revision);
    }
    this.#ranges = await this.#feed.ranges({ signal });
  }

  async #copy({ range, page, row }: ReadPage, signal: AbortSignal): Promise<number> {
    if (page.changes.length === 0 && page.position === this.#positions.get(range.id)) return 0;
    const checkpoint: CheckpointAdvance = {
      name: checkpointName(this.#group.entity, range.id),
      expected: this.#revisions.get(range.id) ?? 0,
      position: page.position,
      lease: this.#lease.proof(),
    };
    const waited = startWaiting(this.#group.clock);
    const { applied } = await this.#copier.copy({ page, row }, checkpoint, signal);
    const ms = waited();
    this.#positions.set(range.id, page.position);
    this.#revisions.set(range.id, checkpoint.expected + 1);
    this.#read += page.changes.length;
    const records = page.changes.length;
    if (!this.#historyRead && records > 0)
      await this.#pace.applied({ ms, records, bytes: pageBytes(page) }, signal);
    return applied;
  }

  readonly #meter = (cost: RequestCost): void => {
    this.#pace.meter(cost);
    this.#requestUnits += cost.requestUnits;
  };

  async #ready(signal: AbortSignal): Promise<void> {
    if (!this.#historyRead) await this.#pace.ready(signal);
  }
}
