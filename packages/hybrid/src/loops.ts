import { type Clock, FencedError } from '@polyphase/core';

const LONGEST_PAUSE_MS = 5_000;

/** What {@link Loops} works with. */
export interface LoopsOptions {
  readonly clock: Clock;
  /** Pause after a first failure, in milliseconds; it doubles with each further one. */
  readonly pollMs: number;
  /** Hears of every failure. Tells whether the loop must end. */
  readonly onFailure: (name: string, error: unknown) => boolean;
}

/**
 * The background work of one entity. A loop takes a turn, then pauses for as long as the turn asked for.
 *
 * States of a loop: in its turn; pausing, which waking cuts short; ended. A turn that fails is taken again after a pause that grows.
 */
export class Loops {
  readonly #options: LoopsOptions;
  readonly #stop = new AbortController();
  readonly #pauses = new Set<AbortController>();
  readonly #running: Promise<void>[] = [];

  constructor(options: LoopsOptions) {
    this.#options = options;
  }

  /** Aborts when the loops are to end. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Starts a loop. A turn answers with the milliseconds to pause after it. */
  start(name: string, turn: () => Promise<number>): void {
    this.#running.push(this.#run(name, turn));
  }

  /** Ends every pause, so that each loop takes its next turn at once. */
  wake(): void {
    for (const pause of this.#pauses) pause.abort();
  }

  /** Ends the loops. Resolves when none is at work any more. */
  async stop(message: string): Promise<void> {
    this.#stop.abort(new FencedError({ message }));
    this.wake();
    await Promise.all(this.#running);
  }

  async #run(name: string, turn: () => Promise<number>): Promise<void> {
    let failures = 0;
    while (!this.signal.aborted) {
      let pauseMs: number;
      try {
        pauseMs = await turn();
        failures = 0;
      } catch (error) {
        if (this.signal.aborted) return;
        failures += 1;
        pauseMs = Math.min(this.#options.pollMs * 2 ** failures, LONGEST_PAUSE_MS);
        if (this.#options.onFailure(name, error)) return;
      }
      await this.#pause(pauseMs);
    }
  }

  // One controller for each pause, which stopping and waking abort alike.
  async #pause(ms: number): Promise<void> {
    const pause = new AbortController();
    this.#pauses.add(pause);
    if (this.signal.aborted) pause.abort();
    await this.#options.clock.sleep(ms, pause.signal).catch(() => undefined);
    this.#pauses.delete(pause);
  }
}
