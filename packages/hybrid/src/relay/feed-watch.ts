import { FeedMarkers, type FeedMarkersOptions, type MarkerSet } from './feed-markers.ts';

const PAUSE_MS = 10;
/** Sets of markers that prove together that everything is copied: see {@link FeedMarkers}. */
const SETS = 2;

/** Tells how far the change feed has been copied, whichever processes copy it: markers are written, and the checkpoints pass them. */
export class FeedWatch {
  readonly #options: FeedMarkersOptions;
  readonly #markers: FeedMarkers;
  #history: MarkerSet | undefined;
  #setsToPass = SETS;

  constructor(options: FeedMarkersOptions) {
    this.#options = options;
    this.#markers = new FeedMarkers(options);
  }

  /** Whether PostgreSQL has held everything that was there when this was asked first: the backfill is done. */
  async historyRead(signal: AbortSignal): Promise<boolean> {
    while (this.#setsToPass > 0) {
      this.#history ??= await this.#markers.send(signal);
      const { behind, isGone } = await this.#markers.look(this.#history, signal);
      if (behind.size > 0 && !isGone) return false;
      this.#history = undefined;
      if (behind.size === 0) this.#setsToPass -= 1;
    }
    return true;
  }

  /** Begins anew: history is asked about again. */
  reset(): void {
    this.#history = undefined;
    this.#setsToPass = SETS;
  }

  /** The date of Cosmos DB, in milliseconds. */
  async serverNowMs(signal: AbortSignal): Promise<number> {
    const { feed } = this.#options;
    const [range] = await feed.ranges({ signal });
    if (!range) return 0;
    // Where it was copied to, not where it begins: after a split, too, one document is read at most.
    const position = feed.positionOf(range, await this.#markers.positions(signal));
    return (await feed.read(range, position, { limit: 1, signal })).serverNowMs;
  }

  /** Resolves when everything that is committed now is in PostgreSQL. */
  async drain(signal: AbortSignal): Promise<void> {
    for (let passed = 0; passed < SETS; ) if (await this.#passSet(signal)) passed += 1;
  }

  // Whether it was passed; not, where a range of it is gone.
  async #passSet(signal: AbortSignal): Promise<boolean> {
    const set = await this.#markers.send(signal);
    for (;;) {
      const { behind, isGone } = await this.#markers.look(set, signal);
      if (behind.size === 0) return true;
      if (isGone) return false;
      await this.#options.group.clock.sleep(PAUSE_MS, signal);
    }
  }
}
