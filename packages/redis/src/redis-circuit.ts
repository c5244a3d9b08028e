import type { Clock } from '@polyphase/core';

/** Whether a call may go out. A `probe` is the one call that finds out whether Redis is back. */
export type Admission = 'pass' | 'probe' | 'refused';

/**
 * Decides whether calls go to a Redis that failed. Closed: all pass. After `failures` in a row it opens: none passes for
 * `pauseMs`. Then one probe passes: its success closes the circuit, its failure opens it for another pause.
 */
export class RedisCircuit {
  readonly #clock: Clock;
  readonly #failures: number;
  readonly #pauseMs: number;
  #inARow = 0;
  #openUntil = 0;
  #probing = false;

  constructor(options: { readonly clock: Clock; readonly failures: number; readonly pauseMs: number }) {
    this.#clock = options.clock;
    this.#failures = options.failures;
    this.#pauseMs = options.pauseMs;
  }

  /** Whether a call may go out now. A probe must end in `succeeded`, `failed` or `abandoned`. */
  admit(): Admission {
    if (this.#inARow < this.#failures) return 'pass';
    if (this.#probing || this.#clock.monotonic() < this.#openUntil) return 'refused';
    this.#probing = true;
    return 'probe';
  }

  /** Redis answered. */
  succeeded(): void {
    this.#inARow = 0;
    this.#probing = false;
  }

  /** Redis did not answer, or could not be reached. */
  failed(admission: Admission): void {
    this.#inARow += 1;
    if (admission === 'probe') this.#probing = false;
    if (this.#inARow >= this.#failures) this.#openUntil = this.#clock.monotonic() + this.#pauseMs;
  }

  /** The caller gave up before anything was known. */
  abandoned(admission: Admission): void {
    if (admission === 'probe') this.#probing = false;
  }
}
