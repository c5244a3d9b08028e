import { type BackfillCounts } from './backfill-ledger.ts';

/**
 * Where the copy of one entity is: `waiting` for its turn; `copying` history; `following` what changes since; `paused`, until it is
 * resumed; and at its end `done`, `cancelled`, `left` (PostgreSQL is the authority already, so there is nothing to copy), `stopped`
 * (this process was told to) or `failed`.
 */
export type BackfillState =
  | 'waiting'
  | 'copying'
  | 'following'
  | 'paused'
  | 'done'
  | 'cancelled'
  | 'left'
  | 'stopped'
  | 'failed';

/** How far the copy of one entity is: the counts of all workers, as far as this one knows. */
export interface BackfillProgress extends BackfillCounts {
  readonly entity: string;
  readonly state: BackfillState;
  /** Live documents that there were when this worker began; undefined while that is not known. */
  readonly total: number | undefined;
  /** Records in a second, by all workers, of late. */
  readonly recordsPerSecond: number | undefined;
  /** Seconds until history is copied, at that rate; undefined while it cannot be told. */
  readonly secondsLeft: number | undefined;
  /** Request units that this process may spend in a second now; undefined while nothing bounds them. */
  readonly requestUnitsPerSecond: number | undefined;
  /** Share of the time that this process may write to PostgreSQL now: below 1 it gives way to others. */
  readonly writeShare: number;
  /** Why it failed. */
  readonly error?: unknown;
}

/** Progress as it comes: of each entity the latest that was not taken yet, so that a slow reader never falls behind. */
export class ProgressStream implements AsyncIterable<BackfillProgress> {
  readonly #latest = new Map<string, BackfillProgress>();
  #wake = Promise.withResolvers<void>();
  #ended = false;

  /** Puts progress in. */
  put(progress: BackfillProgress): void {
    // At the end of the queue: what changed last comes last.
    this.#latest.delete(progress.entity);
    this.#latest.set(progress.entity, progress);
    this.#wake.resolve();
  }

  /** Ends the stream once everything was taken. */
  end(): void {
    this.#ended = true;
    this.#wake.resolve();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<BackfillProgress, void, undefined> {
    for (;;) {
      for (const [entity, progress] of this.#latest) {
        this.#latest.delete(entity);
        yield progress;
      }
      if (this.#latest.size > 0) continue;
      if (this.#ended) return;
      this.#wake = Promise.withResolvers();
      await this.#wake.promise;
    }
  }
}
