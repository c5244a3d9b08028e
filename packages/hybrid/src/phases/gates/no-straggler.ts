import { ConnectionError } from '@polyphase/core';
import { withinTime } from '../time-limit.ts';
import { answer, type Gate } from './gate.ts';
import { following } from './keeping-up.ts';

const NAME = 'no straggler';

/**
 * The feed was watched to its end: whatever others wrote to Cosmos DB after PostgreSQL had become the authority is in the journal,
 * which the gates after this one look at.
 */
export const stragglersWatched: Gate = {
  name: NAME,
  look: async ({ group, watch }, signal) => {
    const { clock, limits } = group;
    const startedAt = clock.monotonic();
    const late = () => new ConnectionError({ message: 'The change feed was not read to its end in time' });
    let problem: string | undefined;
    try {
      await withinTime({ clock, ms: limits.maxLagMs, signal, late }, async (bounded) =>
        watch?.drain(bounded),
      );
    } catch (error) {
      if (signal.aborted || !ConnectionError.isInstance(error)) throw error;
      problem = error.message;
    }
    const tookMs = Math.round(clock.monotonic() - startedAt);
    return [
      answer(
        NAME,
        problem === undefined,
        problem ?? `the change feed was read to its end in ${tookMs} ms`,
        `read to its end within ${limits.maxLagMs} ms, so that every late write to Cosmos DB is in the journal: a process with the role "relay" reads it`,
      ),
    ];
  },
  // Looking writes a marker into each range.
  foresee: async (place, signal) =>
    (await following.look(place, signal)).map((it) => ({ ...it, name: NAME })),
};
