import type { ChangeFeed, CheckpointStore, FeedRange } from '@polyphase/core';
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
  #history: ReadonlyMap<string, string> | undefined;
  #historyRead = false;

  constructor(options: {
    readonly group: Pick<Group, 'clock' | 'entity'>;
    readonly feed: ChangeFeed;
    readonly checkpoints: CheckpointStore;
  }) {
    this.#group = options.group;
    this.#feed = options.feed;
    this.#checkpoints = options.checkpoints;
  }

  /** Whether PostgreSQL has held everything that was there when this was asked first: the backfill is done. */
  async historyRead(signal: AbortSignal): Promise<boolean> {
    if (this.#historyRead) return true;
    this.#history ??= await this.#mark(signal);
    const behind = await this.#behind(this.#history, signal);
    // A range that was split has other markers to pass.
    if (behind === 'gone') this.#history = undefined;
    this.#historyRead = behind === 'no';
    return this.#historyRead;
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
      markers.set(range.id, await this.#feed.mark(range, { signal }));
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
