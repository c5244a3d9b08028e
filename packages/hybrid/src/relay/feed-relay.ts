import type { ChangeFeed, CheckpointAdvance, FeedRange } from '@polyphase/core';
import type { Group } from '../phases/group.ts';
import type { Membership } from '../phases/membership.ts';
import type { FoundPage } from './judge-page.ts';
import { PageCopier } from './page-copier.ts';
import { Turns } from './turns.ts';

const PAGE = 500;
const DRAIN_PAUSE_MS = 10;

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
}

/**
 * Copies committed changes from Cosmos DB's change feed to PostgreSQL: from the beginning of history, so that it is backfill and
 * capture in one order per key. See {@link PageCopier} for what happens to a page.
 */
export class FeedRelay {
  readonly #group: Group;
  readonly #feed: ChangeFeed;
  readonly #membership: Membership;
  readonly #copier: PageCopier;
  readonly #positions = new Map<string, { position: string; revision: number }>();
  #ranges: readonly FeedRange[] = [];
  #read = 0;
  #historyRead = false;
  #serverNowMs: number | undefined;
  #sent: { readonly startedAt: number; readonly markers: ReadonlyMap<string, string> } | undefined;
  readonly #turns = new Turns();

  constructor(options: {
    readonly group: Group;
    readonly feed: ChangeFeed;
    readonly membership: Membership;
  }) {
    this.#group = options.group;
    this.#feed = options.feed;
    this.#membership = options.membership;
    this.#copier = new PageCopier(options.group);
  }

  /** Where the relay is. */
  get progress(): RelayProgress {
    return { read: this.#read, historyRead: this.#historyRead };
  }

  /** The date of Cosmos DB when it answered last, in milliseconds. */
  get serverNowMs(): number | undefined {
    return this.#serverNowMs;
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
        // As it was before the page was read: what is stamped belongs to the term in which it was found.
        const { row } = this.#group;
        const position = this.#positions.get(range.id)?.position;
        const page = await this.#feed.read(range, position, { limit: PAGE, signal });
        applied += await this.#copy({ range, page, row }, signal);
        this.#serverNowMs = page.serverNowMs;
        idle &&= page.idle;
      }
    } catch (error) {
      // Whether the page was committed is not known here, and a range may be gone: where to go on is read from the stores.
      this.#ranges = [];
      throw error;
    }
    if (idle) this.#caughtUp(startedAt);
    else await this.#pulse(signal);
    return { applied, idle };
  }

  // A feed that never falls idle proves nothing by itself. So a marker is sent through it, one at a time: when it has come out,
  // everything that was committed before it is in PostgreSQL.
  async #pulse(signal: AbortSignal): Promise<void> {
    if (!this.#sent) {
      const startedAt = this.#group.clock.monotonic();
      this.#sent = { startedAt, markers: await this.#mark(signal) };
    } else if (!this.#isBehind(this.#sent.markers)) this.#caughtUp(this.#sent.startedAt);
  }

  #caughtUp(asOf: number): void {
    this.#sent = undefined;
    this.#historyRead = true;
    this.#group.noteFresh(asOf);
  }

  async #mark(signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const markers = new Map<string, string>();
    for (const range of this.#ranges) markers.set(range.id, await this.#feed.mark(range, { signal }));
    return markers;
  }

  #isBehind(markers: ReadonlyMap<string, string>): boolean {
    return [...markers].some(
      ([range, marker]) => !this.#feed.passed(this.#positions.get(range)?.position, marker),
    );
  }

  /** Writes a marker into each range and resolves when PostgreSQL holds everything that was committed before them. */
  async drain(signal: AbortSignal): Promise<void> {
    // In a turn of its own: a round that is under way goes by what #start would change.
    const markers = await this.#turns.run(async () => {
      if (this.#ranges.length === 0) await this.#start(signal);
      return this.#mark(signal);
    }, signal);
    while (this.#isBehind(markers)) {
      // A feed may lag behind its own marker, and falls idle meanwhile: that proves nothing.
      const { idle } = await this.round(signal);
      if (idle && this.#isBehind(markers)) await this.#group.clock.sleep(DRAIN_PAUSE_MS, signal);
    }
  }

  async #start(signal: AbortSignal): Promise<void> {
    const prefix = this.#checkpointName('');
    const known = (await this.#group.stores.postgres?.checkpoints.list(prefix, { signal })) ?? new Map();
    this.#positions.clear();
    for (const [name, checkpoint] of known) this.#positions.set(name.slice(prefix.length), { ...checkpoint });
    this.#ranges = await this.#feed.ranges({ signal });
  }

  #checkpointName(range: string): string {
    return `feed:${this.#group.entity.name}:${range}`;
  }

  async #copy({ range, page, row }: ReadPage, signal: AbortSignal): Promise<number> {
    const at = this.#positions.get(range.id);
    if (page.changes.length === 0 && page.position === at?.position) return 0;
    const checkpoint: CheckpointAdvance = {
      name: this.#checkpointName(range.id),
      expected: at?.revision ?? 0,
      position: page.position,
      lease: this.#membership.proof(),
    };
    const { applied } = await this.#copier.copy({ page, row }, checkpoint, signal);
    this.#positions.set(range.id, { position: page.position, revision: checkpoint.expected + 1 });
    this.#read += page.changes.length;
    return applied;
  }
}
