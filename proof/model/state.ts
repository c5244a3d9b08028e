import type { Phase } from '@polyphase/core';
import { part, type View } from './cells.ts';
import type { World } from './world.ts';

/** Phases by their number in a state. */
export const PHASE_OF: readonly Phase[] = ['0', '1', '2', '3', '4', '5', '6', "5'", '7', '7r'];

/** The number that stands for a phase in a state. */
export function phaseNumber(phase: Phase): number {
  return PHASE_OF.indexOf(phase);
}

const ROW = part(['phase', 'epoch', 'term']);
// Lengths of leases: 0 none, 1 short (while armed), 2 long. `tag` stands for the ETag.
const PERMIT = part(['exists', 'open', 'epoch', 'opening', 'term', 'lease', 'drain', 'tag']);
const COMMON = part([
  'wish',
  // Sequence of the last write in Cosmos DB, and its date.
  'sequence',
  'now',
  'isDown',
  'isSplit',
  // The relay that has the fencing token.
  'relayOwner',
  'sharesCosmos',
  'aborts',
  'faults',
  'purges',
  'foreign',
  'splits',
]);
// What only the invariants look at. Operations are bits.
const GHOST = part([
  'acknowledged',
  'took',
  'journal',
  // Destroyed, or replaced, by a foreign writer.
  'excused',
  'openConflicts',
  // A foreign write was found and reported, so that the stores may differ until a person has decided.
  'reported',
  // Terms in which each store acknowledged something.
  'cosmosTerms',
  'postgresTerms',
  'fault',
]);
// Documents are numbers: see Documents. `purged` is the tombstone that was removed in Cosmos DB and is to be removed in PostgreSQL.
const KEY = part(['document', 'sequence', 'row', 'dirty', 'purged', 'cosmosLineage', 'postgresLineage']);
const MEMBER = part([
  'at',
  'operation',
  'tries',
  'isDead',
  'lease',
  'leaseOpening',
  'leaseTerm',
  'leaseEpoch',
  'grant',
  'grantOpening',
  'grantTerm',
  'grantEpoch',
  'document',
  'sequence',
  'opening',
  'term',
  'captures',
  'locks',
  'acknowledgedSeal',
]);
const COORDINATOR = part([
  'at',
  'epoch',
  'phase',
  'term',
  // The phase to go to, by the wish that was in the row; plus 1, 0 when there is none.
  'to',
  'seenExists',
  'seenOpen',
  'seenEpoch',
  'seenOpening',
  'seenTerm',
  'seenLease',
  'seenDrain',
  'seenTag',
  'gate',
  'cut',
  'key',
]);
const RELAY = part(['at', 'view', 'viewTerm', 'range', 'asOf', 'revision', 'journal', 'term', 'watches']);
// A document of the page that a relay works on: as it was read, with its sequence; then what is to be applied of it, 0 when nothing is.
const PAGE = part(['document', 'sequence', 'stamps']);
const RANGE = part(['exists', 'position', 'revision']);
const COPIER = part(['at', 'key', 'document', 'claimed', 'base']);

/** The control row. */
export type RowView = ReturnType<typeof ROW.at>;
/** The permit, as it is or was. */
export type PermitView = ReturnType<typeof PERMIT.at>;
/** One key, in both stores. */
export type KeyView = ReturnType<typeof KEY.at>;
/** One process that serves calls. */
export type MemberView = ReturnType<typeof MEMBER.at>;
/** One process that walks the phases. */
export type CoordinatorView = ReturnType<typeof COORDINATOR.at>;
/** One feed relay. */
export type RelayView = ReturnType<typeof RELAY.at>;
/** One document of a page of the feed. */
export type PageView = ReturnType<typeof PAGE.at>;
/** One range of the feed, and how far it was read. */
export type RangeView = ReturnType<typeof RANGE.at>;

/** The steps of what goes on in a member, a coordinator, a relay or a copier. 0 is always: nothing goes on. */
export const AT = {
  idle: 0,
  member: { write: 1, confirm: 2, inline: 3, transaction: 4 },
  coordinator: {
    sync: 1,
    put: 2,
    settle: 3,
    move: 4,
    wait: 5,
    cut: 6,
    drain: 7,
    compare: 8,
    commit: 9,
    reverse: 10,
    mark: 11,
    makePermit: 12,
    makeRow: 13,
  },
  relay: { judge: 1, stamp: 2, apply: 3 },
  copier: { apply: 1, settle: 2, done: 3 },
} as const;

/** Ranges of the feed: the whole container, and what it may be split into. */
export const RANGES = 3;

/** Where in a state a kind of process begins, and what one of them takes: what is alike may be exchanged. */
export interface Block {
  readonly offset: number;
  readonly size: number;
  readonly count: number;
}

/**
 * The cells of one state, by name. One object serves a whole search: a state is loaded into it, looked at, changed and hashed there.
 */
export class State {
  readonly cells: Uint16Array;
  readonly row: RowView;
  readonly permit: PermitView;
  /** The permit before its last change: what a lagging replica still shows. */
  readonly oldPermit: PermitView;
  readonly common: ReturnType<typeof COMMON.at>;
  readonly ghost: ReturnType<typeof GHOST.at>;
  readonly keys: readonly KeyView[];
  readonly members: readonly MemberView[];
  readonly coordinators: readonly CoordinatorView[];
  readonly relays: readonly RelayView[];
  /** For each relay, the page it works on: one document for each key. */
  readonly pages: readonly (readonly PageView[])[];
  readonly ranges: readonly RangeView[];
  readonly reverse: ReturnType<typeof COPIER.at>;
  readonly backfill: ReturnType<typeof COPIER.at>;
  readonly coordinatorBlock: Block;

  constructor(world: Pick<World, 'keys' | 'members' | 'coordinators' | 'relays'>) {
    const counts: readonly (readonly [{ readonly size: number }, number])[] = [
      [ROW, 1],
      [PERMIT, 2],
      [COMMON, 1],
      [GHOST, 1],
      [KEY, world.keys],
      [MEMBER, world.members.length],
      [COORDINATOR, world.coordinators],
      [RELAY, world.relays],
      [PAGE, world.relays * world.keys],
      [RANGE, RANGES],
      [COPIER, 2],
    ];
    this.cells = new Uint16Array(counts.reduce((sum, [kind, count]) => sum + kind.size * count, 0));
    let offset = 0;
    const next = <Field extends string>(kind: {
      readonly size: number;
      readonly at: (cells: Uint16Array, at: number) => View<Field>;
    }): View<Field> => {
      offset += kind.size;
      return kind.at(this.cells, offset - kind.size);
    };
    this.row = next(ROW);
    this.permit = next(PERMIT);
    this.oldPermit = next(PERMIT);
    this.common = next(COMMON);
    this.ghost = next(GHOST);
    this.keys = Array.from({ length: world.keys }, () => next(KEY));
    this.members = world.members.map(() => next(MEMBER));
    this.coordinatorBlock = { offset, size: COORDINATOR.size, count: world.coordinators };
    this.coordinators = Array.from({ length: world.coordinators }, () => next(COORDINATOR));
    this.relays = Array.from({ length: world.relays }, () => next(RELAY));
    this.pages = this.relays.map(() => this.keys.map(() => next(PAGE)));
    this.ranges = Array.from({ length: RANGES }, () => next(RANGE));
    this.reverse = next(COPIER);
    this.backfill = next(COPIER);
  }

  /** Makes this the state that was kept in `from`, at a place there. */
  load(from: Uint16Array, at: number): void {
    this.cells.set(from.subarray(at, at + this.cells.length));
  }
}

/** Sets the fields of a part that are given, and every other one to 0. */
export function become<Field extends string>(
  view: View<Field>,
  fields: Partial<Record<Field, number>>,
): void {
  view.clear();
  Object.assign(view, fields);
}
