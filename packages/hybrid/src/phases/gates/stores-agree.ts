import type { GateAnswer } from '@polyphase/core';
import { shadowAnswers } from '../../shadow/shadow-gate.ts';
import { describe } from './comparisons.ts';
import { answer, type Gate, type GatePlace } from './gate.ts';

/** Both stores hold the same, as a comparison that begins now finds. */
export const sameInBoth: Gate = {
  name: 'both stores hold the same',
  look: (place, signal) => compared(place, 0, signal),
};

/** Both stores held the same lately. */
export const sameLately: Gate = {
  name: 'both stores hold the same',
  look: (place, signal) => compared(place, place.group.limits.reconcileAgeMs, signal),
};

/** What was written lately is the same in both, and so little that a seal need not hold calls for long. */
export const recentSame: Gate = {
  name: 'recent writes are the same in both stores',
  look: async ({ group, comparisons }, signal) => {
    const { roundRecords, roundMs } = group.limits;
    const round = await comparisons.sinceClean(signal);
    const tookMs = group.clock.monotonic() - round.startedAt;
    return [
      answer(
        'recent writes are the same in both stores',
        round.differences.length === 0,
        describe(round),
        'no difference',
      ),
      answer(
        'a round is short enough to hold calls for',
        round.compared <= roundRecords && tookMs <= roundMs,
        `${round.compared} records in ${Math.round(tookMs)} ms`,
        `${roundRecords} records and ${roundMs} ms at most, or the seal would hold calls for too long; write less for a moment, or raise protocol.roundRecords and protocol.round`,
      ),
    ];
  },
};

/** PostgreSQL would have answered reads as Cosmos DB did: enough of every shape, or a comparison of all records in their place. */
export const readsAgree: Gate = {
  name: 'shadow reads',
  look: async (place, signal) => {
    const { entity, row, limits, phaseMs } = place.group;
    const { shadowWindowMs } = limits;
    const found = await place.postgres.shadowTallies.list(entity.name, row?.epoch ?? 0, shadowWindowMs, {
      signal,
    });
    const { answers, enough } = shadowAnswers(found, limits, phaseMs);
    if (enough || answers.some(({ passed }) => !passed)) return answers;
    return [...answers, ...(await sameInBoth.look(place, signal))];
  },
};

async function compared(
  { comparisons }: GatePlace,
  maxAgeMs: number,
  signal: AbortSignal,
): Promise<readonly GateAnswer[]> {
  const found = await comparisons.whole(maxAgeMs, signal);
  const isClean = found.differences.length === 0;
  const wasRemoved = found.differences.some(({ kind }) => kind === 'removed');
  return [
    answer(
      'both stores hold the same',
      isClean,
      isClean ? `${found.compared} records compared, no difference` : describe(found),
      wasRemoved
        ? 'no difference; of a removed record Cosmos DB has neither document nor tombstone: delete it through the repository if it is to be gone, or write it again'
        : 'no difference',
    ),
  ];
}
