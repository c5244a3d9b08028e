import { isTransientError, systemClock } from '@polyphase/core';
import type { Connections, UseOptions } from './connections.ts';
import { readTransaction } from './sql/read-transaction.ts';

const WAIT_MS = 25;
const LONGEST_WAIT_MS = 500;

/**
 * Finds out what became of a transaction whose COMMIT was sent and not answered. It may still be under way, so this waits for it,
 * as long as a call may take; what is not known by then is unknown.
 */
export async function settleCommit(
  connections: Connections,
  transactionId: string,
  place: UseOptions,
): Promise<'committed' | 'aborted' | 'unknown'> {
  const ask = async () => {
    const [result] = await connections.run([readTransaction.bind(transactionId)], place);
    const status = readTransaction.rows(result)[0] ?? 'unknown';
    return status === 'in progress' ? undefined : status;
  };
  return (await untilAnswered(connections, place, ask)) ?? 'unknown';
}

/**
 * Asks until there is an answer, over a server that is away for a moment, as long as a call may take. Undefined: there was none in
 * that time, or asking failed in a way that will not change.
 */
export async function untilAnswered<Answer>(
  connections: Connections,
  place: UseOptions,
  ask: () => Promise<Answer | undefined>,
): Promise<Answer | undefined> {
  const deadline = systemClock.monotonic() + connections.timeoutMs;
  for (let wait = WAIT_MS; place.signal?.aborted !== true; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      if (!isTransientError(error)) return undefined;
    }
    if (systemClock.monotonic() + wait > deadline) return undefined;
    await systemClock.sleep(wait);
  }
  return undefined;
}
