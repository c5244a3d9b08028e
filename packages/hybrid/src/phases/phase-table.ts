import type { Authority, Phase, Wish } from '@polyphase/core';

/** What application calls and background work do in a phase. */
export interface PhaseRules {
  /** The store whose acknowledgement makes a write true. */
  readonly authority: Authority;
  /** Calls wait: the authority is moving. */
  readonly sealed: boolean;
  /** Cosmos DB writes are also written to PostgreSQL at once, best effort. */
  readonly inline: boolean;
  /** Reads are answered by PostgreSQL where it is fresh enough. */
  readonly freshReads: boolean;
  /** The change feed is read: into PostgreSQL while Cosmos DB is the authority, to watch for stragglers while it is not. */
  readonly feed: boolean;
  /** Dirty keys are copied back to Cosmos DB. */
  readonly reverse: boolean;
}

const cosmos: PhaseRules = {
  authority: 'cosmos',
  sealed: false,
  inline: false,
  freshReads: false,
  feed: false,
  reverse: false,
};
const postgres: PhaseRules = { ...cosmos, authority: 'postgres' };

/** The rules of every phase of the migration protocol. */
export const PHASES: { readonly [P in Phase]: PhaseRules } = {
  '0': cosmos,
  '1': { ...cosmos, feed: true },
  '2': { ...cosmos, feed: true, inline: true },
  '3': { ...cosmos, feed: true, inline: true, freshReads: true },
  '4': { ...cosmos, feed: true, inline: true, freshReads: true },
  '5': { ...cosmos, feed: true, sealed: true },
  '6': { ...postgres, feed: true, reverse: true },
  "5'": { ...postgres, feed: true, reverse: true, sealed: true },
  '7': postgres,
  '7r': { ...postgres, feed: true, reverse: true },
};

/** Where a seal began, and where its commit leads. */
export interface Seal {
  readonly from: Phase;
  readonly to: Phase;
}

/** The phases in which the authority moves. */
export const SEALS: { readonly [P in Phase]?: Seal } = {
  '5': { from: '4', to: '6' },
  "5'": { from: '6', to: '2' },
};

/** The phases that this version can work in, as its processes tell each other. */
export const SUPPORTED: readonly Phase[] = ['0', '1', '2', '3', '4', '5', '6', "5'", '7', '7r'];

/** What each phase is called where people read it. */
export const PHASE_NAMES: { readonly [P in Phase]: string } = {
  '0': 'cosmos only',
  '1': 'capture',
  '2': 'dual write',
  '3': 'dual write, reads on PostgreSQL',
  '4': 'armed',
  '5': 'sealed forward',
  '6': 'PostgreSQL, reverse sync on',
  "5'": 'sealed back',
  '7': 'PostgreSQL only',
  '7r': 'rearming',
};

// For each phase: where to go for a wish that lies further on, or further back. Both seals lead back to where they came from
// when the wish has changed its mind.
const ORDER: readonly Phase[] = ['0', '1', '2', '3', '4', '5', '6', '7'];

/**
 * The next phase on the way from one to a wished one, or undefined when it is reached. Only neighbours follow each other, so
 * every step has its own gates and can be the last.
 */
export function nextPhase(phase: Phase, wished: Wish['phase']): Phase | undefined {
  if (phase === wished) return undefined;
  const back = ORDER.indexOf(wished) < ORDER.indexOf('6');
  if (phase === "5'") return back ? '2' : '6';
  if (phase === '7r') return wished === '7' ? '7' : '6';
  if (phase === '7') return '7r';
  if (phase === '6') return back ? "5'" : '7';
  if (phase === '5') return back ? '4' : '6';
  const at = ORDER.indexOf(phase);
  return ORDER[at + (ORDER.indexOf(wished) > at ? 1 : -1)];
}

/** Whether a step moves the authority, and so wants `flip: "auto"`. */
export function movesAuthority(from: Phase, to: Phase): boolean {
  return (from === '4' && to === '5') || (from === '6' && to === "5'");
}

/** The phases on the way from one to a wished one, the wished one last. */
export function plannedPhases(from: Phase, wished: Wish['phase']): readonly Phase[] {
  const steps: Phase[] = [];
  for (let at = nextPhase(from, wished); at !== undefined; at = nextPhase(at, wished)) steps.push(at);
  return steps;
}
