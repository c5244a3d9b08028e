import type { Phase, Wish } from '@polyphase/core';
import { type BackfillEstimate, planBackfill } from './backfill/plan-backfill.ts';
import type { EntityRuntime } from './entity-runtime.ts';
import { type PlannedStep, planOf } from './hybrid-status.ts';
import { Gates, type PlannedGate } from './phases/gates/gates.ts';
import { FeedWatch } from './relay/feed-watch.ts';

/** A step that lies ahead, with its gates. */
export interface GatedStep extends PlannedStep {
  readonly from: Phase;
  readonly gates: readonly PlannedGate[];
}

/** What lies between an entity and its wish. */
export interface EntityPlan {
  readonly entity: string;
  /** Where it is; undefined while the control row cannot be seen, and where there is none. */
  readonly phase: Phase | undefined;
  /** The phase that config wants. */
  readonly wanted: Wish['phase'];
  /** The steps, in their order. Every gate of the first is asked. */
  readonly steps: readonly GatedStep[];
  /** What copying history will meet and cost, stamps among it, where the way begins before phase 2: the whole change feed is read for it. */
  readonly copy: BackfillEstimate | undefined;
}

/** Options of `Hybrid.plan`. */
export interface PlanOptions {
  /** Whether the change feed is read to tell what copying history will cost. @default true */
  readonly copy?: boolean;
  /** Aborts the looking. */
  readonly signal?: AbortSignal;
}

/** Looks at the steps between an entity and its wish, and asks the gates of the next one. Changes nothing. */
export async function planEntity(runtime: EntityRuntime, options: PlanOptions): Promise<EntityPlan> {
  const { group, wish } = runtime;
  const { signal = new AbortController().signal } = options;
  const { entity, row } = group;
  const { postgres } = group.stores;
  const gates = postgres && new Gates({ group, postgres, watch: watchOf(runtime) });
  const steps: GatedStep[] = [];
  let from = row?.phase;
  for (const step of planOf(entity.name, runtime)) {
    if (from === undefined || !gates) break;
    const isNext = steps.length === 0;
    steps.push({ ...step, from, gates: await gates.foresee({ from, to: step.to, isNext }, signal) });
    from = step.to;
  }
  const copies = steps.some((step) => step.from === '0' || step.from === '1') && options.copy !== false;
  return {
    entity: entity.name,
    phase: row?.phase,
    wanted: wish.phase,
    steps,
    copy: copies ? await estimate(runtime, signal) : undefined,
  };
}

function watchOf({ group }: EntityRuntime): FeedWatch | undefined {
  const { entity } = group;
  const { cosmos, postgres } = group.stores;
  if (!cosmos || !postgres) return undefined;
  return new FeedWatch({ group, feed: cosmos.changes(entity), checkpoints: postgres.checkpoints });
}

async function estimate(
  { group, pace }: EntityRuntime,
  signal: AbortSignal,
): Promise<BackfillEstimate | undefined> {
  const { entity, clock } = group;
  const { cosmos } = group.stores;
  if (!cosmos) return undefined;
  const settings = { stores: { cosmos }, clock, requestUnitsPerSecond: pace.mostPerSecond };
  return planBackfill({ entity, settings, pace }, { signal });
}
