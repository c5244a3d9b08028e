import { keyLabel } from '@polyphase/core';
import { type Comparison, compareRecent, compareStores } from '../../reconcile/compare-stores.ts';
import type { FeedWatch } from '../../relay/feed-watch.ts';
import type { Group } from '../group.ts';

// Cosmos DB keeps the date of a write in whole seconds, and its replicas' clocks may differ a little.
const DATE_MARGIN_MS = 2_000;

/** Comparisons of the two stores, and the last one that found no difference. */
export class Comparisons {
  readonly #group: Group;
  readonly #watch: FeedWatch | undefined;
  #clean: Comparison | undefined;
  #cleanSinceMs: number | undefined;

  constructor(options: { readonly group: Group; readonly watch: FeedWatch | undefined }) {
    this.#group = options.group;
    this.#watch = options.watch;
  }

  /** Forgets them: the stores have changed hands since. */
  reset(): void {
    this.#clean = undefined;
    this.#cleanSinceMs = undefined;
  }

  /** Compares all records, unless that was done no longer than `maxAgeMs` ago and was clean. */
  async whole(maxAgeMs: number, signal: AbortSignal): Promise<Comparison> {
    const age = this.#clean && this.#group.clock.monotonic() - this.#clean.startedAt;
    if (this.#clean && age !== undefined && age <= maxAgeMs) return this.#clean;
    const startedAtMs = await this.#watch?.serverNowMs(signal);
    return this.#note(
      await compareStores(this.#group, { signal, patienceMs: this.#group.limits.maxLagMs }),
      startedAtMs,
    );
  }

  /** Compares what was written to Cosmos DB since the last clean comparison began; a clean answer becomes the new beginning. */
  async sinceClean(signal: AbortSignal): Promise<Comparison> {
    const startedAtMs = await this.#watch?.serverNowMs(signal);
    // Where the clock of Cosmos DB was set back, documents that were written since are dated before the last comparison.
    const isSetBack = (startedAtMs ?? 0) < (this.#cleanSinceMs ?? 0);
    if (this.#cleanSinceMs === undefined || isSetBack) {
      const whole = await compareStores(this.#group, { signal, patienceMs: this.#group.limits.maxLagMs });
      return this.#note(whole, startedAtMs);
    }
    const recent = await compareRecent(this.#group, this.#cleanSinceMs - DATE_MARGIN_MS, {
      signal,
      patienceMs: this.#group.limits.maxLagMs,
    });
    return this.#note(recent, startedAtMs);
  }

  #note(found: Comparison, startedAtMs: number | undefined): Comparison {
    if (found.differences.length === 0) {
      this.#clean = found;
      this.#cleanSinceMs = startedAtMs;
    }
    return found;
  }
}

/** What a comparison found, in one line without values. */
export function describe({ compared, differences }: Comparison): string {
  const shown = differences.slice(0, 5).map((it) => `${keyLabel(it.key)} (${it.kind})`);
  return `${compared} records compared, ${differences.length} differ: ${shown.join(', ')}${differences.length > 5 ? ', …' : ''}`;
}
