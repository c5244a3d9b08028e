import { type Clock, type StoredRecord, TimeoutError } from '@polyphase/core';
import type { Group } from './phases/group.ts';

const FAILURES_TO_OPEN = 5;
const OPEN_MS = 1_000;

/**
 * The second write of the dual phases: an optimisation for freshness and no more. It is awaited for a bounded time, and left
 * out for a while when PostgreSQL keeps failing; what guarantees the copy is the change feed.
 *
 * States of the breaker: closed; open, for a second after five failures in a row; half open, when one call may try.
 */
export class SecondWriter {
  readonly #group: Group;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #onSkipped: (error: unknown) => void;
  #failures = 0;
  #openUntil = Number.NEGATIVE_INFINITY;

  constructor(options: {
    readonly group: Group;
    readonly timeoutMs: number;
    readonly onSkipped: (error: unknown) => void;
  }) {
    this.#group = options.group;
    this.#clock = options.group.clock;
    this.#timeoutMs = options.timeoutMs;
    this.#onSkipped = options.onSkipped;
  }

  /** Copies records that were just written to Cosmos DB. Never throws, and takes no longer than its time-out. */
  async copy(records: readonly StoredRecord[]): Promise<void> {
    const now = this.#clock.monotonic();
    if (now < this.#openUntil) return this.#group.noteBehind();
    // Half open: while this one tries, the others stay out.
    if (this.#failures >= FAILURES_TO_OPEN) this.#openUntil = now + Math.max(OPEN_MS, this.#timeoutMs);
    const late = new AbortController();
    const timer = new AbortController();
    const timedOut = this.#clock.sleep(this.#timeoutMs, timer.signal).then(
      () =>
        late.abort(
          new TimeoutError({
            message: `PostgreSQL took longer than ${this.#timeoutMs} ms`,
            entity: this.#group.entity.name,
          }),
        ),
      () => undefined,
    );
    const copied = this.#apply(records, late.signal).finally(() => timer.abort());
    await Promise.race([copied, timedOut]);
    // The copy may still succeed after its time; reads do not count on it.
    if (late.signal.aborted) this.#failed(late.signal.reason);
  }

  async #apply(records: readonly StoredRecord[], signal: AbortSignal): Promise<void> {
    try {
      await this.#group.records('postgres').apply(
        records.map((record) => ({ record })),
        { signal },
      );
      if (signal.aborted) return;
      this.#failures = 0;
      this.#openUntil = Number.NEGATIVE_INFINITY;
    } catch (error) {
      if (!signal.aborted) this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    this.#group.noteBehind();
    this.#failures += 1;
    if (this.#failures >= FAILURES_TO_OPEN) this.#openUntil = this.#clock.monotonic() + OPEN_MS;
    this.#onSkipped(error);
  }
}
