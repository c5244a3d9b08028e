import type { ChangeFeed, CheckpointStore, FeedRange, RequestMeter } from '@polyphase/core';
import type { Group } from '../phases/group.ts';
import { checkpointName } from './checkpoint-name.ts';

const PAUSE_MS = 10;

/**
 * Watches how far the change feed has been copied, whichever process copies it: a marker is written into each range, and the
 * checkpoints tell when they have passed it. Everything that was committed before the markers is in PostgreSQL then.
 */
export class FeedWatch {
  readonly #group: Pick<Group, 'clock' | 'entity'>;
  readonly #feed: ChangeFeed;
  readonly #checkpoints: CheckpointStore;
  readonly #meter: RequestMeter | undefined;
  #history: ReadonlyMap<string, string> | undefined;
  #setsToPass = 2;

  constructor(options: {
    readonly group: Pick<Group, 'clock' | 'entity'>;
    readonly feed: ChangeFeed;
    readonly checkpoints: CheckpointStore;
    /** Hears what the markers took. */
    readonly meter?: RequestMeter;
  }) {
    this.#group = options.group;
    this.#feed = options.feed;
    this.#checkpoints = options.checkpoints;
    this.#meter = options.meter;
  }

  /**
   * Whether PostgreSQL has held everything that was there when this was asked first: the backfill is done.
   *
   * A document that was stamped by a process that died before it was copied has moved in the feed, behind the markers. So a second
   * set of markers is written when the first is passed, and that is the end.
   */
  async historyRead(signal: AbortSignal): Promise<boolean> {
    while (this.#setsToPass > 0) {
      this.#history ??= await this.#mark(signal);
      const behind = await this.#behind(this.#history, signal);
      if (behind === 'yes') return false;
      // Behind a set that was passed comes the next; a range that was split has other markers to pass.
      this.#history = undefined;
      if (behind === 'no') this.#setsToPass -= 1;
    }
    return true;
  }

  /** The date of Cosmos DB, in milliseconds. */
  async serverNowMs(signal: AbortSignal): Promise<number> {
    const positions = await this.#positions(signal);
    const [range] = await this.#feed.ranges({ signal });
    if (!range) return 0;
    const page = await this.#feed.read(range, positions.get(range.id), { limit: 1, signal });
    return page.serverNowMs;
  }

  /** Resolves when everything that is committed now is in PostgreSQL. */
  async drain(signal: AbortSignal): Promise<void> {
    let markers = await this.#mark(signal);
    for (;;) {
      const behind = await this.#behind(markers, signal);
      if (behind === 'no') return;
      if (behind === 'gone') markers = await this.#mark(signal);
      else await this.#group.clock.sleep(PAUSE_MS, signal);
    }
  }

  async #mark(signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const markers = new Map<string, string>();
    for (const range of await this.#feed.ranges({ signal }))
      markers.set(range.id, await this.#feed.mark(range, { signal, meter: this.#meter }));
    return markers;
  }

  async #behind(markers: ReadonlyMap<string, string>, signal: AbortSignal): Promise<'no' | 'yes' | 'gone'> {
    const positions = await this.#positions(signal);
    const isBehind = [...markers].some(
      ([id, marker]) => !this.#feed.passed(this.#feed.positionOf({ id }, positions), marker),
    );
    if (!isBehind) return 'no';
    const ranges = new Set((await this.#feed.ranges({ signal })).map(({ id }: FeedRange) => id));
    return [...markers.keys()].every((id) => ranges.has(id)) ? 'yes' : 'gone';
  }

  async #positions(signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const prefix = checkpointName(this.#group.entity, '');
    const known = await this.#checkpoints.list(prefix, { signal });
    return new Map([...known].map(([name, { position }]) => [name.slice(prefix.length), position]));
  }
}
