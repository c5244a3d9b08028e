import { isTransientError } from '@polyphase/core';
import type { BoundStatement, StatementResult } from './batch.ts';
import type { Connections, UseOptions } from './connections.ts';
import { toPolyphaseError } from './postgres-errors.ts';
import type { Session } from './session.ts';
import { SharedTrips } from './shared-trips.ts';

/**
 * Reads of one table that share round trips.
 *
 * Every read sees what was committed before it was asked for, as each statement has a snapshot of its own. A read that the server
 * refuses for what it asks takes none with it: each is sent again by itself. What is nobody's fault (a lost connection, a time-out, a
 * lock, a server without memory) is told to each reader, and may be tried again.
 */
export class SharedReads {
  readonly #connections: Connections;
  readonly #trips: SharedTrips<BoundStatement, StatementResult | 'alone'>;

  constructor({ connections }: { readonly connections: Connections }) {
    this.#connections = connections;
    this.#trips = new SharedTrips({ connections, send: sendReads });
  }

  /** Answers as {@link Connections.run} does for one statement, which must not write. */
  async run(bound: BoundStatement, options: UseOptions): Promise<StatementResult | undefined> {
    const answer = await this.#trips.ride(bound, options);
    return answer === 'alone' ? this.#connections.one(options)(bound) : answer;
  }
}

async function sendReads(
  session: Session,
  reads: readonly BoundStatement[],
): Promise<readonly (StatementResult | 'alone')[]> {
  try {
    return await session.run(reads);
  } catch (error) {
    if (reads.length === 1 || session.broken || isTransientError(toPolyphaseError(error, {}))) throw error;
    return reads.map(() => 'alone');
  }
}
