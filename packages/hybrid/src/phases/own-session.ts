import type { ChangeFeed } from '@polyphase/core';
import type { Group } from './group.ts';
import { orAborted } from './or-aborted.ts';

/**
 * This process's session with Cosmos DB, where the account promises no more than that each session reads its own writes.
 *
 * On the way back the relays of other processes bring to Cosmos DB what this one wrote to PostgreSQL, in sessions of their own. So before
 * the first read of a new term this process writes a marker into each range: from then on its session has seen all that came before.
 *
 * States: covered up to a term; writing markers for a later one, which everybody who reads waits for.
 */
export class OwnSession {
  readonly #group: Pick<Group, 'rules' | 'term'>;
  readonly #feed: ChangeFeed;
  #term = 1;
  #covering: Promise<void> | undefined;

  constructor(options: { readonly group: Pick<Group, 'rules' | 'term'>; readonly feed: ChangeFeed }) {
    this.#group = options.group;
    this.#feed = options.feed;
  }

  /** The process begins: whoever calls it has neither read nor written through it. */
  begin(): void {
    this.#term = this.#group.term;
  }

  /**
   * Resolves when reads from Cosmos DB find what this process wrote in earlier terms.
   *
   * @throws whatever the feed throws; the signal's reason
   */
  async cover(signal?: AbortSignal): Promise<void> {
    while (this.#group.rules.authority === 'cosmos' && this.#term < this.#group.term) {
      this.#covering ??= this.#mark(this.#group.term).finally(() => {
        this.#covering = undefined;
      });
      await orAborted(this.#covering, signal);
    }
  }

  // No caller's signal: others wait for it too.
  async #mark(term: number): Promise<void> {
    for (const range of await this.#feed.ranges()) await this.#feed.mark(range);
    this.#term = term;
  }
}
