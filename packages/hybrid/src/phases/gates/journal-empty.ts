import type { GateAnswer, Journal } from '@polyphase/core';
import { answer, type Gate, type GatePlace } from './gate.ts';

type Kind = keyof Awaited<ReturnType<Journal['count']>>;

/** Nothing that could not be copied, or that others changed in PostgreSQL, waits in the journal to be mended. */
export const deadLettersMended: Gate = {
  name: 'no dead letters',
  look: (place, signal) => isEmpty(place, 'deadLetters', signal),
};

/** Nothing waits in the journal for a person to say which of two bodies holds. */
export const conflictsDecided: Gate = {
  name: 'no conflicts',
  look: (place, signal) => isEmpty(place, 'conflicts', signal),
};

async function isEmpty(
  { group, postgres }: GatePlace,
  kind: Kind,
  signal: AbortSignal,
): Promise<readonly GateAnswer[]> {
  const { name } = group.entity;
  const count = (await postgres.journal.count(name, { signal }))[kind];
  const mend = {
    deadLetters: ['no dead letters', `0: read them with journal.list("${name}"), and mend each document`],
    conflicts: [
      'no conflicts',
      `0: read them with journal.list("${name}"); write the body that holds, and close the entry with journal.resolve`,
    ],
  } as const;
  const [gate, wanted] = mend[kind];
  return [answer(gate, count === 0, `${count}`, wanted)];
}
