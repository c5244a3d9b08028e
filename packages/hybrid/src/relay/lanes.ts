import { orAborted } from '../phases/or-aborted.ts';

/** Lets so many pieces of work go on at a time, in the order of asking. */
export class Lanes {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(options: { readonly lanes: number }) {
    this.#free = options.lanes;
  }

  /** Runs work as soon as a lane is free. Whoever gives up waiting runs nothing. */
  async run<Result>(work: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    await this.#enter(signal);
    try {
      signal.throwIfAborted();
      return await work();
    } finally {
      this.#leave();
    }
  }

  async #enter(signal: AbortSignal): Promise<void> {
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    try {
      await orAborted(promise, signal);
    } catch (error) {
      const at = this.#waiting.indexOf(resolve);
      // What was let in as it gave up lets the next one in.
      if (at === -1) this.#leave();
      else this.#waiting.splice(at, 1);
      throw error;
    }
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free += 1;
  }
}
