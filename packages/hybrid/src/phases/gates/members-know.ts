import type { GateAnswer, Phase } from '@polyphase/core';
import { answer, type Gate, type GatePlace } from './gate.ts';

/** Every process that serves the entity stamps what it writes and leaves tombstones: it knows phase 1. */
export const membersStamp: Gate = {
  name: 'every member stamps',
  look: (place, signal) => know(place, { name: 'every member stamps', phases: ['1'] }, signal),
  ahead: true,
};

/** Every process that serves the entity can go on when PostgreSQL is the authority, and on the way back. */
export const membersFollowFlip: Gate = {
  name: 'every member knows PostgreSQL as the authority',
  look: (place, signal) =>
    know(place, { name: 'every member knows PostgreSQL as the authority', phases: ['5', '6', "5'"] }, signal),
  ahead: true,
};

/** Every process that serves the entity can work without Cosmos DB, and knows how it comes back. */
export const membersLetGo: Gate = {
  name: 'every member knows PostgreSQL alone',
  look: (place, signal) =>
    know(place, { name: 'every member knows PostgreSQL alone', phases: ['7', '7r'] }, signal),
  ahead: true,
};

const SHOWN = 5;

async function know(
  { group, postgres }: GatePlace,
  { name, phases }: { readonly name: string; readonly phases: readonly Phase[] },
  signal: AbortSignal,
): Promise<readonly GateAnswer[]> {
  const members = await postgres.members.list(group.entity.name, { signal });
  const behind = members.filter(({ supports }) => !phases.every((phase) => supports.includes(phase)));
  const shown = behind.slice(0, SHOWN).map(({ holder, version }) => `${holder} (SDK ${version})`);
  return [
    answer(
      name,
      behind.length === 0,
      behind.length === 0
        ? `${members.length} processes, all of them`
        : `${behind.length} of ${members.length} processes do not: ${shown.join(', ')}${behind.length > SHOWN ? ', …' : ''}`,
      `phase ${phases.join(', ')} known to each process: update those that do not, or stop them; who is gone counts for protocol.memberLease longer`,
    ),
  ];
}
