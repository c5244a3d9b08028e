import type { Phase, Wish } from '@polyphase/core';
import type { BugName } from './bugs.ts';

/** A write that a member wants: an upsert, or a delete. */
export interface Operation {
  readonly id: number;
  readonly key: number;
  readonly deletes: boolean;
}

/** A process of the fleet that serves calls. */
export interface MemberScript {
  readonly operations: readonly Operation[];
  /** Whether it was given PostgreSQL. One without knows the permit alone. */
  readonly knowsPostgres: boolean;
}

/** How often what need not happen may happen in one history. These bounds make a world finite. */
export interface Budgets {
  /** Seals that are given up. */
  readonly aborts: number;
  /** Crashes of members, coordinators and relays, lost replies, and outages of PostgreSQL: of those that the world has. */
  readonly faults: number;
  /** Tombstones that are purged. */
  readonly purges: number;
  /** Writes around the SDK. */
  readonly foreign: number;
  /** Feed ranges that are split. */
  readonly splits: number;
}

/** What may go wrong in a world, beside what always may: every step can come late, and between any two others. */
export type Fault =
  | 'member crash'
  | 'coordinator crash'
  | 'relay crash'
  | 'lost reply'
  | 'postgres outage'
  | 'relay takeover';

/** A small scenario: everything that can happen in it is looked at. */
export interface World {
  readonly name: string;
  readonly keys: number;
  readonly members: readonly MemberScript[];
  readonly coordinators: 1 | 2;
  /** Feed relays: the second belongs to a process that takes over. */
  readonly relays: 1 | 2;
  /** The phase of the row at the start. */
  readonly start: Phase;
  /** Neither row nor permit is there yet. */
  readonly isNew?: boolean | undefined;
  /** What config wishes for, one after the other; the next wish may come at any time. */
  readonly wishes: readonly Wish['phase'][];
  readonly budgets: Budgets;
  readonly faults: readonly Fault[];
  /** `same`: one record in both stores. `cosmos`: in Cosmos DB alone, and the feed unread. `unstamped`: that, and no stamp. */
  readonly seed: 'same' | 'cosmos' | 'unstamped' | 'none';
  /** What was there has a counter above the date of the store: made by a clock that was set back. */
  readonly clockWasAhead?: boolean | undefined;
  /** How foreign writers write. */
  readonly foreign?: 'drop the stamp' | 'keep the stamp' | 'remove' | undefined;
  /** Foreign writers write while PostgreSQL is the authority, too. */
  readonly foreignAlways?: boolean | undefined;
  /** A page of the feed is read in one step and applied in later ones. */
  readonly slowRelay?: boolean | undefined;
  /** Leases come later than they were granted. */
  readonly slowGrants?: boolean | undefined;
  /** Members make the second write. */
  readonly inline?: boolean | undefined;
  /** An operation with an unknown outcome is repeated once, with its id. */
  readonly retries?: boolean | undefined;
  /** Members acknowledge seals, so that their leases need not be waited for. */
  readonly acknowledgements?: boolean | undefined;
  /** A fast path copies documents beside the feed. */
  readonly backfill?: boolean | undefined;
  /** Coordinators may read a copy of the permit that is one write behind. */
  readonly laggingReads?: boolean | undefined;
  /** The last comparison of a flip is left out, to see what holds without it. */
  readonly skipsComparison?: boolean | undefined;
  /** Whether it is also asked of every state whether it can still end well, once all are known. */
  readonly ends?: boolean | undefined;
  /** Whether it is searched deep as well as near, since it may be too large to be looked at whole. */
  readonly isLarge?: boolean | undefined;
  /** The mistake that is made in it, if any. */
  readonly bug?: BugName | undefined;
}
