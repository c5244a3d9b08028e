import {
  backoffMs,
  type Checkpoint,
  FencedError,
  type HeldRange,
  isJsonObject,
  type JsonObject,
} from '@polyphase/core';
import { isReserved } from '../cosmos-document.ts';
import type { DocumentPage, FeedPages } from '../feed-pages.ts';
import type { ProcessorSettings, ProcessorTrouble } from './processor-options.ts';
import type { Beginning, ProcessorPositions } from './processor-positions.ts';

/** Waits between attempts in milliseconds: the first, doubled each time, and the longest. */
const BACKOFF = { baseMs: 100, maxMs: 30_000, random: Math.random } as const;

/** What a {@link RangeReader} works with. */
export interface RangeReaderOptions {
  readonly settings: ProcessorSettings;
  readonly pages: FeedPages;
  readonly positions: ProcessorPositions;
  readonly beginning: Beginning;
  /** Aborts when no further page may be begun. */
  readonly stopping: AbortSignal;
  /** Aborts when no handler may go on. */
  readonly stopped: AbortSignal;
  /** The ranges that this one was split into, if it was. */
  readonly partsOf: (range: string) => readonly string[] | undefined;
  readonly onTrouble: (error: unknown, where: ProcessorTrouble['where'], range: string) => Promise<void>;
}

/** A page that was read, and what has to hold until it is noted. */
interface Step {
  readonly page: DocumentPage;
  readonly changes: readonly JsonObject[];
  readonly lease: ReturnType<HeldRange['proof']>;
  readonly signal: AbortSignal;
}

/**
 * Reads a range for as long as this process has it.
 *
 * A page goes through: read; handed over, again and again until the handler takes it; noted in the checkpoint, under the lease of
 * before it was read. It ends, between two pages, when the range is asked for by another, was split (then its halves take its place),
 * or everything stops; and at once when it is lost.
 */
export class RangeReader {
  readonly #options: RangeReaderOptions;
  readonly #held: HeldRange;
  #failures = 0;
  /** Where the next page begins, which may be past what is noted. */
  #position = '';
  #noted: Checkpoint | undefined;
  #notedAt = Number.NEGATIVE_INFINITY;

  constructor(held: HeldRange, options: RangeReaderOptions) {
    this.#held = held;
    this.#options = options;
  }

  /** Reads until it ends. Never rejects. */
  async run(): Promise<void> {
    const { stopping } = this.#options;
    const lost = this.#held.whileHeld();
    while (!lost.aborted) {
      try {
        if (await this.#isOver(lost)) return;
        await this.#step(lost);
        this.#failures = 0;
      } catch (error) {
        if (lost.aborted) return;
        // What the store has decides where to go on: the step may have taken effect.
        this.#noted = undefined;
        const isOurs = !stopping.aborted && !FencedError.isInstance(error);
        if (isOurs) await this.#options.onTrouble(error, 'feed', this.#held.range);
        this.#failures += 1;
        await this.#pause(backoffMs(this.#failures, BACKOFF), lost);
      }
    }
  }

  get #isAsked(): boolean {
    return this.#held.isAskedFor || this.#options.stopping.aborted;
  }

  // Between two pages: whether this range is to be left, and has been.
  async #isOver(lost: AbortSignal): Promise<boolean> {
    const { positions, partsOf } = this.#options;
    const { range } = this.#held;
    const parts = partsOf(range);
    if (!this.#isAsked && !parts) return false;
    const lease = this.#held.proof();
    await this.#note(lease, lost);
    if (parts) await positions.split(range, parts, { lease, signal: lost });
    await this.#leave();
    return true;
  }

  async #step(lost: AbortSignal): Promise<void> {
    const { settings, pages, positions, beginning, stopped } = this.#options;
    const { range } = this.#held;
    const lease = this.#held.proof();
    if (!this.#noted) {
      this.#noted = await positions.read(range, { signal: lost });
      // It was split, and another noted that.
      if (!this.#noted) return this.#leave();
      this.#position = this.#noted.position;
    }
    const request = { position: this.#position, limit: settings.maxItems, sinceMs: beginning.sinceMs };
    const page = await pages.read({ id: range }, request, { signal: lost });
    const changes = page.documents.filter((it) => isTold(it, beginning));
    const signal = AbortSignal.any([lost, stopped]);
    if (changes.length > 0 && !(await this.#handOver({ page, changes, lease, signal }))) return;
    this.#position = page.position;
    const { clock, leaseMs, pollMs } = settings;
    // What nobody was told of need not be noted each time: where leases lie in the same container, that would be a change itself.
    if (changes.length > 0 || clock.monotonic() - this.#notedAt >= leaseMs) await this.#note(lease, lost);
    if (page.idle) await this.#pause(pollMs, lost);
  }

  // Whether the handler took the page. It is asked until it does, or the range is to be left.
  async #handOver({ changes, lease, signal }: Step): Promise<boolean> {
    const { settings, onTrouble, stopping } = this.#options;
    const { range } = this.#held;
    for (let attempt = 1; ; attempt += 1) {
      signal.throwIfAborted();
      try {
        await settings.onChanges(changes, { range, attempt, signal, fencingToken: lease.token });
        return true;
      } catch (error) {
        if (signal.aborted) return false;
        await onTrouble(error, 'handler', range);
        if (this.#isAsked) return false;
        await this.#pause(backoffMs(attempt, BACKOFF), AbortSignal.any([signal, stopping]));
        if (this.#isAsked) return false;
      }
    }
  }

  async #note(lease: ReturnType<HeldRange['proof']>, signal: AbortSignal): Promise<void> {
    const { positions, settings } = this.#options;
    const from = this.#noted;
    if (!from || from.position === this.#position) return;
    this.#noted = await positions.advance(
      this.#held.range,
      { from, position: this.#position, lease },
      { signal },
    );
    this.#notedAt = settings.clock.monotonic();
  }

  async #leave(): Promise<void> {
    await this.#held.leave();
  }

  // Ends early when there is something to do about this range, or nothing more.
  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const { settings, stopping } = this.#options;
    await settings.clock.sleep(ms, AbortSignal.any([signal, stopping])).catch(() => undefined);
  }
}

// Nothing of the SDK's own, and nothing from before the date at which it was to begin: a range that was split before it was first
// read is read from its beginning.
function isTold(document: JsonObject, { sinceMs, allVersions }: Beginning): boolean {
  if (allVersions) return !['current', 'previous', 'metadata'].some((part) => isOwn(document[part]));
  const written = document['_ts'];
  const isEarly =
    sinceMs !== undefined && typeof written === 'number' && written < Math.floor(sinceMs / 1_000);
  return !isReserved(document) && !isEarly;
}

const isOwn = (part: unknown): boolean => isJsonObject(part) && isReserved(part);
