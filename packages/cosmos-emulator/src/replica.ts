import type { Account } from './storage/account.ts';
import type { Journal, JournalEntry } from './storage/journal.ts';

/**
 * The replica that answers reads of weak consistency. It follows every write at once until it is paused; from then on it
 * shows the items as they were. Reads at `Eventual` and `ConsistentPrefix` go to it, and those at `Session` whose token it
 * has reached; stronger reads, and those of a session that has seen more, go to where writes go.
 *
 * @example
 * ```ts
 * import { CosmosEmulator } from '@polyphase/cosmos-emulator';
 *
 * await using emulator = new CosmosEmulator();
 * emulator.replica.pause();
 * // What is written now is not seen by a client with `consistencyLevel: 'Eventual'` ...
 * emulator.replica.resume();
 * // ... until now.
 * ```
 */
export class ReadReplica {
  readonly #copy: () => Account;
  #account: Account | undefined;
  #pending: JournalEntry[] = [];

  /** @internal */
  constructor(init: { copy: () => Account }) {
    this.#copy = init.copy;
  }

  /** Whether it lags. */
  get paused(): boolean {
    return this.#account !== undefined;
  }

  /** How many changes it has not seen yet. */
  get behind(): number {
    return this.#pending.length;
  }

  /** Stays at the state as it is now. Without effect while it is paused already. */
  pause(): void {
    this.#account ??= this.#copy();
  }

  /** Sees so many of the changes that it is behind, oldest first, and goes on lagging. @default all of them */
  catchUp(changes = this.#pending.length): void {
    for (const entry of this.#pending.splice(0, changes)) this.#account?.apply(entry);
  }

  /** Follows every write at once again. */
  resume(): void {
    this.#account = undefined;
    this.#pending = [];
  }

  /**
   * The state that it shows, undefined while it is the current one.
   *
   * @internal
   */
  get account(): Account | undefined {
    return this.#account;
  }

  /**
   * Gives a journal that keeps entries in another one, and then tells the replica.
   *
   * @internal
   */
  following(journal: Journal): Journal {
    return {
      append: (...entries) => {
        journal.append(...entries);
        if (this.paused) this.#pending.push(...entries);
      },
    };
  }
}
