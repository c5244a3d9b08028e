import {
  type ChangeFeed,
  type CheckpointStore,
  FencedError,
  type HeldRange,
  type RequestMeter,
} from '@polyphase/core';
import type { Pace } from '../pace/pace.ts';
import { pageBytes } from '../pace/page-bytes.ts';
import { startWaiting } from '../pace/waited.ts';
import type { Group } from '../phases/group.ts';
import { checkpointName } from './checkpoint-name.ts';
import type { FoundPage } from './judge-page.ts';
import type { Lanes } from './lanes.ts';
import type { CopiedPage, PageCopier } from './page-copier.ts';

const PAGE = 500;
const LONGEST_IDLE_MS = 100;
/** Pause after a page that was not full, so that the next one holds more than what was written in the moment that this one took. */
const GATHER_MS = 50;
const LONGEST_BACKOFF_MS = 5_000;

/** What {@link RangeRelay} works with. */
export interface RangeRelayOptions {
  readonly group: Group;
  readonly feed: ChangeFeed;
  readonly checkpoints: CheckpointStore;
  readonly copier: PageCopier;
  /** How fast history may be copied. */
  readonly pace: Pace;
  /** Hears what reading takes. */
  readonly meter: RequestMeter;
  /** Bounds the pages that are in hand at a time. */
  readonly lanes: Lanes;
  /** Whether history is still being read, so that it gives way to the users of both stores. */
  readonly isHistory: () => boolean;
  /** Whether the feed is to be copied now. */
  readonly goesOn: () => boolean;
  readonly onCopied: (page: FoundPage, copied: CopiedPage) => void;
  /** Hears of what failed and is tried again. */
  readonly onTrouble: (error: unknown) => void;
}

/** Where the range stands: as its checkpoint tells, or, where it has none yet, those of the ranges that it came from. */
interface Place {
  readonly position: string | undefined;
  /** Of its own checkpoint; 0 where there is none. */
  readonly revision: number;
}

/**
 * Copies one range of the change feed for as long as this process has it.
 *
 * States: copying a page; pausing, because the range had nothing more to give, or because a page failed; ended. A page goes through:
 * the lease is proven; the page is read; it is copied together with the checkpoint under that proof, or given up. It ends between two
 * pages, and leaves the range, when another process lacks it, the range is gone, or the phase wants no copies; and at once when the
 * lease is lost. Then what is under way is refused by the store, because another has the lease, or because the checkpoint has moved.
 */
export class RangeRelay {
  readonly #options: RangeRelayOptions;
  readonly #held: HeldRange;
  #place: Place | undefined;
  #failures = 0;

  constructor(held: HeldRange, options: RangeRelayOptions) {
    this.#held = held;
    this.#options = options;
  }

  /** Copies until it ends. Never rejects. */
  async run(stopped: AbortSignal): Promise<void> {
    const { group, goesOn, lanes, onTrouble } = this.#options;
    const lost = AbortSignal.any([this.#held.whileHeld(), stopped]);
    while (!lost.aborted) {
      if (this.#held.isAskedFor || !goesOn()) return this.#held.leave().catch(onTrouble);
      const pauseMs = await lanes
        .run(() => this.#page(lost), lost)
        .catch((error: unknown) => {
          if (!lost.aborted) return this.#failed(error);
          return 0;
        });
      if (pauseMs > 0) await group.clock.sleep(pauseMs, lost).catch(() => undefined);
    }
  }

  async #page(signal: AbortSignal): Promise<number> {
    const { group, feed, goesOn, meter } = this.#options;
    const lease = this.#held.proof();
    this.#place ??= await this.#find(signal);
    await this.#ready(signal);
    if (!goesOn()) return 0;
    // As it was before the page was read: what is stamped belongs to the term in which it was found.
    const { row } = group;
    const { position } = this.#place;
    const page = await feed.read({ id: this.#held.range }, position, { limit: PAGE, signal, meter });
    if (page.changes.length > 0 || page.position !== position) await this.#copy({ page, row }, lease, signal);
    this.#failures = 0;
    if (page.idle) return Math.min(group.limits.pollMs, LONGEST_IDLE_MS);
    const isFull = page.changes.length >= PAGE || this.#options.isHistory();
    return isFull ? 0 : Math.min(group.limits.pollMs, GATHER_MS);
  }

  async #find(signal: AbortSignal): Promise<Place> {
    const { group, feed, checkpoints } = this.#options;
    const prefix = checkpointName(group.entity, '');
    const known = await checkpoints.list(prefix, { signal });
    // Checkpoints of ranges that are gone are among them: their parts go on from there.
    const positions = new Map([...known].map(([of, { position }]) => [of.slice(prefix.length), position]));
    const own = known.get(checkpointName(group.entity, this.#held.range));
    return { position: feed.positionOf({ id: this.#held.range }, positions), revision: own?.revision ?? 0 };
  }

  async #copy(found: FoundPage, lease: ReturnType<HeldRange['proof']>, signal: AbortSignal): Promise<void> {
    const { group, pace, copier, onCopied, isHistory } = this.#options;
    const { position, changes } = found.page;
    const expected = this.#place?.revision ?? 0;
    const name = checkpointName(group.entity, this.#held.range);
    // Whether it was committed is not known where this fails: where to go on is read from the store.
    this.#place = undefined;
    const waited = startWaiting(group.clock);
    const copied = await copier.copy(found, { name, expected, position, lease }, signal);
    const ms = waited();
    this.#place = { position, revision: expected + 1 };
    onCopied(found, copied);
    const records = changes.length;
    if (isHistory() && records > 0) await pace.applied({ ms, records, bytes: pageBytes(found.page) }, signal);
  }

  async #ready(signal: AbortSignal): Promise<void> {
    if (this.#options.isHistory()) await this.#options.pace.ready(signal);
  }

  #failed(error: unknown): number {
    this.#place = undefined;
    this.#failures += 1;
    // That another process has the range now, or had it, is no failure.
    if (!FencedError.isInstance(error)) this.#options.onTrouble(error);
    return Math.min(this.#options.group.limits.pollMs * 2 ** this.#failures, LONGEST_BACKOFF_MS);
  }
}
