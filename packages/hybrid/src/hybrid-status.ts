import { type Authority, authorityOf, type GateAnswer, type Phase, type Wish } from '@polyphase/core';
import type { EntityRuntime } from './entity-runtime.ts';
import { PHASE_NAMES, plannedPhases } from './phases/phase-table.ts';
import type { RelayProgress } from './relay/feed-relay.ts';
import type { HistoryProgress } from './relay/feed-report.ts';
import type { StalledRange } from './relay/stall-alarm.ts';
import type { ShadowStatus } from './shadow/shadow-reads.ts';

/** Where one entity is, where config wants it, and what is in the way. */
export interface EntityStatus {
  /** The phase that config wants. */
  readonly wanted: Wish['phase'];
  /** The phase of the control row; undefined while the row cannot be seen and the permit decides. */
  readonly phase: Phase | undefined;
  /** The phase in words. */
  readonly description: string;
  readonly authority: Authority;
  /** Rises each time the authority moves. */
  readonly term: number;
  /** Milliseconds since PostgreSQL is known to have held every change of Cosmos DB; Infinity when that was never known. */
  readonly lagMs: number;
  /**
   * Changes of Cosmos DB that were still to be copied when the process looked that watches the feed: an estimate, in which writes are counted
   * that come as one, and those of other types in the container. Undefined where no process watches, or nothing is copied.
   */
  readonly lagChanges: number | undefined;
  /** How far all processes together have copied history; undefined once it was, and where nothing is copied. */
  readonly backfill: HistoryProgress | undefined;
  /** Changes that this process has read from the feed, whether history has been read by all together, and what that took. */
  readonly copied: RelayProgress;
  /** Feed ranges through which nothing comes, and what to do about each. The notice `stalled` tells of each once. */
  readonly stalled: readonly StalledRange[];
  /** How long flips held calls in this process, in milliseconds: every flip that is over, in sum. */
  readonly heldMs: number;
  /** What shadow reads found in this process; empty but in phase 2. */
  readonly shadow: ShadowStatus;
  /** The gates that refuse the next step: as this process saw, or the one that walks the phases. */
  readonly blockedBy: readonly GateAnswer[];
}

/** One step that a config change will take. */
export interface PlannedStep {
  readonly entity: string;
  readonly to: Phase;
  readonly description: string;
}

/** Where an entity is now. */
export function statusOf(runtime: EntityRuntime): EntityStatus {
  const { row, stalenessMs, gate } = runtime.group;
  const phase = row?.phase;
  return {
    wanted: runtime.wish.phase,
    phase,
    description: phase === undefined ? 'working by the permit' : PHASE_NAMES[phase],
    authority: authorityOf(phase ?? '0'),
    term: row?.term ?? 1,
    lagMs: stalenessMs,
    ...runtime.feed,
    heldMs: gate.heldMs,
    shadow: runtime.shadow.status,
    blockedBy: runtime.blockedBy,
  };
}

/** The steps that lie between an entity and its wish. */
export function planOf(entity: string, runtime: EntityRuntime): readonly PlannedStep[] {
  const { row } = runtime.group;
  if (!row) return [];
  return plannedPhases(row.phase, runtime.wish.phase).map((to) => ({
    entity,
    to,
    description: PHASE_NAMES[to],
  }));
}
