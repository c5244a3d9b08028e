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
  const deadline = systemClock.monotonic() + connections.timeoutMs;
  for (let wait = WAIT_MS; place.signal?.aborted !== true; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    try {
      const [result] = await connections.run([readTransaction.bind(transactionId)], place);
      const status = readTransaction.rows(result)[0];
      if (status !== 'in progress') return status ?? 'unknown';
    } catch (error) {
      // Away for a moment, as the connection was; anything else will not change.
      if (!isTransientError(error)) return 'unknown';
    }
    if (systemClock.monotonic() + wait > deadline) return 'unknown';
    await systemClock.sleep(wait);
  }
  return 'unknown';
}
