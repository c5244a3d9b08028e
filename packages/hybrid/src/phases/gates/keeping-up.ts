import type { GateAnswer } from '@polyphase/core';
import { DRIFT } from '../../protocol-limits.ts';
import { answer, type Gate } from './gate.ts';

/** Everything that was in Cosmos DB when this was asked first is in PostgreSQL. */
export const backfilled: Gate = {
  name: 'backfill done',
  look: async ({ watch }, signal) => [historyAnswer((await watch?.historyRead(signal)) === true)],
  // Looking writes a marker into each range.
  foresee: async ({ group }) => [historyAnswer(Number.isFinite(group.stalenessMs))],
};

function historyAnswer(isRead: boolean): GateAnswer {
  return answer(
    'backfill done',
    isRead,
    `end of the feed ${isRead ? 'reached' : 'not reached yet'}`,
    'every change that was there when it began is in PostgreSQL: wait; a process with the role "relay" copies them',
  );
}

/** A lease of phase 0 may let a process without PostgreSQL remove documents for good; what is compared before it ends proves nothing. */
export const tombstonesLeft: Gate = {
  name: 'every delete leaves a tombstone',
  look: async ({ group: { phaseMs, limits, stores } }) => {
    const wantedMs = stores.cosmos ? Math.ceil(limits.leaseMs * DRIFT) : 0;
    return [
      answer(
        'every delete leaves a tombstone',
        phaseMs >= wantedMs,
        `phase 1 for ${Math.round(phaseMs)} ms under this process`,
        `${wantedMs} ms: leases to write that were granted before end by then`,
      ),
    ];
  },
};

/** PostgreSQL has held everything a moment ago. */
export const following: Gate = {
  name: 'PostgreSQL follows',
  look: async ({ group: { stalenessMs, limits } }) => [
    answer(
      'PostgreSQL follows',
      stalenessMs <= limits.maxLagMs,
      Number.isFinite(stalenessMs) ? `up to date ${Math.round(stalenessMs)} ms ago` : 'not up to date yet',
      `up to date within ${limits.maxLagMs} ms: a process with the role "relay" reads the change feed, and its trouble notices say what keeps it`,
    ),
  ],
};

/** No change of PostgreSQL waits for long to reach Cosmos DB. */
export const reverseSmall: Gate = {
  name: 'Cosmos DB follows',
  look: async ({ group, postgres }, signal) => {
    const lag = await postgres.dirtyKeys.lag(group.entity.name, { signal });
    return [
      answer(
        'Cosmos DB follows',
        lag.oldestMs <= group.limits.maxLagMs,
        `${lag.count} keys to copy, the oldest since ${Math.round(lag.oldestMs)} ms`,
        `none older than ${group.limits.maxLagMs} ms: processes with the role "relay" copy them; what keeps one back is told by the notices "trouble"`,
      ),
    ];
  },
};

/** PostgreSQL has been the authority for long enough to trust it. */
export const soaked: Gate = {
  name: 'soaked',
  look: async ({ group: { phaseMs, limits } }) => [
    answer(
      'soaked',
      phaseMs >= limits.soakMs,
      `PostgreSQL has been the authority for ${Math.round(phaseMs)} ms under this process`,
      `${limits.soakMs} ms`,
    ),
  ],
};
