import type { ChangeFeed, CheckpointStore, FeedRange, RequestMeter } from '@polyphase/core';
import type { Group } from '../phases/group.ts';
import { checkpointName } from './checkpoint-name.ts';

/** Markers that are written at a time. */
const AT_ONCE = 8;
/** Time between two looks at the ranges while markers are waited for: each is a request, and a split is rare. */
const RANGES_MS = 1_000;

/** Markers that were written together, one into each range. */
export interface MarkerSet {
  /** When the first of them was begun, on the monotonic clock. */
  readonly sentAt: number;
  readonly markers: ReadonlyMap<string, string>;
}

/** How far the copies have come in the ranges of a {@link MarkerSet}. */
export interface MarkersSeen {
  /** The ranges whose marker has not been passed yet, with the position that they have been copied to. */
  readonly behind: ReadonlyMap<string, string | undefined>;
  /** Changes between there and the markers, as the feed estimates them. */
  readonly changes: number;
  /** One of these is no range any more: its parts have markers of their own to pass. */
  readonly isGone: boolean;
}

/** What {@link FeedMarkers} works with. */
export interface FeedMarkersOptions {
  readonly group: Pick<Group, 'clock' | 'entity'>;
  readonly feed: ChangeFeed;
  readonly checkpoints: CheckpointStore;
  /** Hears what the markers took. */
  readonly meter?: RequestMeter | undefined;
}

/**
 * Writes markers into the ranges of a change feed, and tells by the checkpoints whether they have been passed, whichever processes
 * copy: what was committed before the markers was read by them then.
 *
 * That is not yet in PostgreSQL, all of it. A document without a stamp gets one before it is copied, and so moves in the feed: behind the
 * markers, if whoever stamped it could not copy it. It moves once. So whoever wants to know that everything is copied passes a second
 * set, written when the first was passed.
 */
export class FeedMarkers {
  readonly #options: FeedMarkersOptions;
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(options: FeedMarkersOptions) {
    this.#options = options;
  }

  /** Writes a marker into each range. */
  async send(signal: AbortSignal): Promise<MarkerSet> {
    const { group, feed, meter } = this.#options;
    const sentAt = group.clock.monotonic();
    const ranges = await this.#ranges(signal);
    const markers = new Map<string, string>();
    for (let at = 0; at < ranges.length; at += AT_ONCE) {
      const marking = ranges.slice(at, at + AT_ONCE).map(async (range) => {
        markers.set(range.id, await feed.mark(range, { signal, meter }));
      });
      await Promise.all(marking);
    }
    return { sentAt, markers };
  }

  /** Looks whether markers have been passed. */
  async look({ markers }: MarkerSet, signal: AbortSignal): Promise<MarkersSeen> {
    const { group, feed } = this.#options;
    const positions = await this.positions(signal);
    const behind = new Map<string, string | undefined>();
    let changes = 0;
    for (const [id, marker] of markers) {
      const position = feed.positionOf({ id }, positions);
      if (feed.passed(position, marker)) continue;
      behind.set(id, position);
      changes += feed.behind(position, marker);
    }
    if (behind.size === 0 || group.clock.monotonic() - this.#askedAt < RANGES_MS)
      return { behind, changes, isGone: false };
    const ranges = new Set((await this.#ranges(signal)).map(({ id }) => id));
    return { behind, changes, isGone: [...behind.keys()].some((id) => !ranges.has(id)) };
  }

  /** Where each range has been copied to. */
  async positions(signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const { group, checkpoints } = this.#options;
    const prefix = checkpointName(group.entity, '');
    const known = await checkpoints.list(prefix, { signal });
    return new Map([...known].map(([name, { position }]) => [name.slice(prefix.length), position]));
  }

  async #ranges(signal: AbortSignal): Promise<readonly FeedRange[]> {
    const { group, feed } = this.#options;
    const ranges = await feed.ranges({ signal });
    this.#askedAt = group.clock.monotonic();
    return ranges;
  }
}
