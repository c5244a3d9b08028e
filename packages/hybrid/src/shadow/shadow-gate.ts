import type { GateAnswer, ShadowTally } from '@polyphase/core';
import { addTallies, conclusive, type WindowLimits } from './tally-window.ts';

/** What shadow reads say about reading from PostgreSQL. */
export interface ShadowAnswers {
  /** One for each query shape that was compared. */
  readonly answers: readonly GateAnswer[];
  /** Whether every shape was compared often enough. Where it was not and the wait is over, comparing all records must take its place. */
  readonly enough: boolean;
}

/**
 * Judges what the processes of a group found. No mismatch in 300 reads says, with 95 in 100, that fewer than one read in a hundred differs
 * (the rule of three). A shape that is read too seldom for that is waited for, but not for ever.
 *
 * @param waitedMs - how long the group has been in phase 2
 */
export function shadowAnswers(
  found: readonly ShadowTally[],
  limits: WindowLimits,
  waitedMs: number,
): ShadowAnswers {
  const byShape = new Map<string, ShadowTally>();
  for (const tally of found) {
    const there = byShape.get(tally.shape);
    byShape.set(tally.shape, there ? addTallies(there, tally) : tally);
  }
  const tallies = [...byShape.values()];
  const isOver = waitedMs >= limits.shadowWindowMs;
  const enough = tallies.length > 0 && tallies.every((it) => conclusive(it) >= limits.shadowReads);
  if (tallies.length === 0) return { answers: [nothingRead(limits, isOver)], enough };
  return { answers: tallies.map((tally) => answerOf(tally, limits, isOver)), enough };
}

/** Mismatches of a shape that the authority's noise does not explain. */
export function unexplained(tally: ShadowTally): number {
  const { agreed, answers } = tally.noise;
  const expected = answers === 0 ? 0 : (answers / (agreed + answers)) * conclusive(tally);
  // As rare as one in a thousand by chance: three standard deviations of a Poisson distribution. With no noise, none.
  const explained = expected + 3 * Math.sqrt(expected);
  return tally.records + (tally.answers > explained ? tally.answers : 0);
}

function answerOf(tally: ShadowTally, limits: WindowLimits, isOver: boolean): GateAnswer {
  const compared = conclusive(tally);
  const { agreed, answers } = tally.noise;
  return {
    name: `shadow reads: ${tally.shape}`,
    passed: unexplained(tally) === 0 && (compared >= limits.shadowReads || isOver),
    seen: `${compared} compared, ${tally.records + tally.answers} differ (${tally.records} by a record, ${tally.answers} by the answer alone); Cosmos DB differs from itself in ${answers} of ${agreed + answers}; ${tally.lagged} lagged, ${tally.moved} were written meanwhile`,
    wanted: `${wantedReads(limits)}; none that differs by a record, by the answer alone none beyond what Cosmos DB differs from itself`,
  };
}

function nothingRead(limits: WindowLimits, isOver: boolean): GateAnswer {
  return { name: 'shadow reads', passed: isOver, seen: 'no read was compared', wanted: wantedReads(limits) };
}

function wantedReads({ shadowReads, shadowWindowMs }: WindowLimits): string {
  return `${shadowReads} compared; fewer only after ${shadowWindowMs} ms in phase 2, and with no difference between the stores`;
}
