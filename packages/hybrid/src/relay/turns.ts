import { orAborted } from '../phases/or-aborted.ts';

/** One at a time, in the order of asking: a flip drains a relay while its loop goes on. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs work when everything before it has ended. Whoever gives up waiting runs nothing. */
  async run<Result>(work: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    const before = this.#last;
    const turn = (async () => {
      await before;
      signal.throwIfAborted();
      return work();
    })();
    this.#last = turn.catch(() => undefined);
    return orAborted(turn, signal);
  }
}
