import { authorityOf, type Phase } from '@polyphase/core';
import { nextPhase, PHASES, type PhaseRules } from '../../packages/hybrid/src/phases/phase-table.ts';
import { BUGS, type BugName } from './bugs.ts';
import { Documents } from './documents.ts';
import { PHASE_OF, phaseNumber, State } from './state.ts';
import type { Fault, World } from './world.ts';

/** What the product's phase table says of each phase, by its number. */
export const RULES: readonly PhaseRules[] = PHASE_OF.map((phase) => PHASES[phase]);
/** Whether PostgreSQL is the authority in a phase, by its number. */
export const POSTGRES_OWNS: readonly boolean[] = PHASE_OF.map((phase) => authorityOf(phase) === 'postgres');

/** Numbers of the phases that actions name. */
export const PHASE = {
  dual: phaseNumber('2'),
  armed: phaseNumber('4'),
  sealed: phaseNumber('5'),
  postgres: phaseNumber('6'),
  sealedBack: phaseNumber("5'"),
  rearm: phaseNumber('7r'),
} as const;

/** A lease's length in a state. */
export const LEASE = { none: 0, short: 1, long: 2 } as const;

/** The feed range that covers the whole container until it is split. */
export const WHOLE = 0;

/** One world, the state of it that is looked at now, and the documents that occur in it. */
export class Model {
  readonly world: World;
  readonly state: State;
  readonly documents: Documents;
  /** For each key, the operations that are ever done to it, as bits. */
  readonly operationsOf: readonly number[];
  /** The operations that delete, as bits. */
  readonly deletes: number;
  readonly #next: readonly (readonly (number | undefined)[])[];

  constructor(world: World) {
    this.world = world;
    this.state = new State(world);
    this.documents = new Documents(world.bug);
    const all = world.members.flatMap(({ operations }) => operations);
    this.operationsOf = this.state.keys.map((_, key) =>
      all.reduce((set, it) => (it.key === key ? set | (1 << it.id) : set), 1 << key),
    );
    this.deletes = all.reduce((set, it) => (it.deletes ? set | (1 << it.id) : set), 0);
    const step = (from: Phase, wish: World['wishes'][number]) => {
      const to = nextPhase(from, wish);
      return to === undefined ? undefined : phaseNumber(to);
    };
    this.#next = world.wishes.map((wish) => PHASE_OF.map((from) => step(from, wish)));
  }

  /** Whether a violation of an invariant is looked for: of each, or of the one that a seeded bug must break. */
  asks(why: string): boolean {
    return this.world.bug === undefined || why.startsWith(`${BUGS[this.world.bug].breaks} `);
  }

  /** Whether this mistake is made. */
  has(bug: BugName): boolean {
    return this.world.bug === bug;
  }

  /** Whether this kind of thing may go wrong now. */
  mayFail(fault: Fault): boolean {
    return this.state.common.faults > 0 && this.world.faults.includes(fault);
  }

  /** The phase after one, on the way to the present wish: the product's own `nextPhase`. Undefined when it is reached. */
  next(phase: number): number | undefined {
    return this.#next[this.state.common.wish]?.[phase];
  }

  /** The feed range that a key is in. */
  rangeOf(key: number): number {
    return this.state.common.isSplit ? 1 + (key % 2) : WHOLE;
  }

  /** Whether the feed holds nothing of a key between its range's position and a sequence. */
  isRead(key: number, upTo: number): boolean {
    const { document, sequence } = at(this.state.keys, key);
    const { position } = at(this.state.ranges, this.rangeOf(key));
    return document === 0 || sequence <= position || sequence > upTo;
  }
}

/** The element of a list that is known to be there. */
export function at<Item>(list: readonly Item[], index: number): Item {
  const item = list[index];
  if (item === undefined) throw new RangeError(`There is no number ${index} among ${list.length}`);
  return item;
}
