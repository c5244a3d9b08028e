interface Waiting {
  readonly exclusive: boolean;
  start(): void;
}

/** Gives a taken lock back. Safe to call twice. */
export type Unlock = () => void;

/**
 * A lock that many may share or one may own, in the order of asking, as PostgreSQL's advisory locks are: whoever comes after a
 * waiting owner waits too, so that the owner is not starved.
 */
export class MemoryLock {
  #shared = 0;
  #owned = false;
  readonly #waiting: Waiting[] = [];

  /** Resolves when the lock is held. Rejects with the signal's reason when the wait is given up. */
  take(kind: 'shared' | 'exclusive', signal?: AbortSignal): Promise<Unlock> {
    const exclusive = kind === 'exclusive';
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(signal?.reason);
        this.#admit();
      };
      const waiting: Waiting = {
        exclusive,
        start: () => {
          signal?.removeEventListener('abort', stop);
          resolve(this.#unlock(exclusive));
        },
      };
      this.#waiting.push(waiting);
      if (signal?.aborted === true) return stop();
      signal?.addEventListener('abort', stop, { once: true });
      this.#admit();
    });
  }

  #unlock(exclusive: boolean): Unlock {
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      if (exclusive) this.#owned = false;
      else this.#shared -= 1;
      this.#admit();
    };
  }

  #admit(): void {
    for (let first = this.#waiting[0]; first; first = this.#waiting[0]) {
      if (this.#owned || (first.exclusive && this.#shared > 0)) return;
      this.#waiting.shift();
      if (first.exclusive) this.#owned = true;
      else this.#shared += 1;
      first.start();
    }
  }
}
