import { setImmediate } from 'node:timers/promises';
import { BUGS, type BugName } from './bugs.ts';
import { type Exploration, explore, type SearchOptions, type Violation } from './explore.ts';
import type { Invariant } from './invariants.ts';
import type { World } from './world.ts';
import { WORLDS } from './worlds.ts';

/** States that a search for a seeded bug may take. Each is found long before. */
const BUG_BOUND = 500_000;

/** Where a proof is. */
export interface ModelProgress {
  /** The world that is searched now, or the bug that is looked for. */
  readonly what: string;
  /** States looked at since the proof began. */
  readonly states: number;
}

/** How the model is proved. */
export interface ProveModelOptions {
  /** Most states to look at over all worlds, seeded bugs not counted. Small worlds are looked at whole; large ones share the rest. */
  readonly states: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: ModelProgress) => void) | undefined;
}

/** What became of one seeded bug. */
export interface BugFound {
  readonly bug: BugName;
  /** The invariant that it must break. */
  readonly breaks: Invariant;
  /** Whether it was found by breaking that. */
  readonly isFound: boolean;
  readonly states: number;
  readonly violation: Violation | undefined;
}

/** What a proof of the model came to. */
export interface ModelProof {
  readonly worlds: readonly Exploration[];
  /** States of all worlds, without those of seeded bugs. */
  readonly states: number;
  readonly bugs: readonly BugFound[];
  /** Whether no world has a violation, and every bug was found. */
  readonly holds: boolean;
}

/**
 * Checks the model of the migration protocol: no reachable state of any world breaks an invariant, and every seeded bug is found.
 * Bounded by counts, so that each machine comes to the same.
 *
 * @throws the signal's reason
 */
export async function proveModel(options: ProveModelOptions): Promise<ModelProof> {
  const worlds: Exploration[] = [];
  let states = 0;
  const searches = WORLDS.filter(({ isLarge }) => isLarge !== true).map((world) => ({ world, parts: 1 }));
  for (const world of WORLDS) if (world.isLarge === true) searches.push({ world, parts: 2 });
  let parts = searches.reduce((sum, search) => sum + (search.parts > 1 ? search.parts : 0), 0);
  for (const search of searches) {
    // A small world may take all that is left; a large one its share, half of it near and half deep.
    const orders = search.parts === 1 ? (['nearest'] as const) : (['nearest', 'deep'] as const);
    for (const order of orders) {
      const bound = Math.ceil((options.states - states) / (search.parts === 1 ? 1 : parts));
      if (search.parts > 1) parts -= 1;
      if (bound <= 0 || worlds.some((it) => it.world === search.world.name && it.isComplete)) continue;
      const found = await searchOf(search.world, { bound, order }, { ...options, before: states });
      states += found.states;
      worlds.push(found);
    }
  }
  const bugs: BugFound[] = [];
  for (const bug of Object.keys(BUGS) as BugName[]) bugs.push(await findBug(bug, options));
  const holds = worlds.every(({ violation }) => !violation) && bugs.every(({ isFound }) => isFound);
  return { worlds, states, bugs, holds };
}

/** Looks for one seeded bug in the world where it must be found. */
export async function findBug(
  bug: BugName,
  options: Pick<ProveModelOptions, 'signal' | 'onProgress'> = {},
): Promise<BugFound> {
  const { breaks, world: name } = BUGS[bug];
  const world = WORLDS.find((it) => it.name === name);
  if (!world) throw new RangeError(`The seeded bug "${bug}" names a world that is not there: "${name}"`);
  const { states, violation } = await searchOf(
    { ...world, bug },
    { bound: BUG_BOUND },
    { ...options, before: 0 },
  );
  return { bug, breaks, isFound: violation?.why.startsWith(`${breaks} `) === true, states, violation };
}

async function searchOf(
  world: World,
  search: SearchOptions,
  {
    signal,
    onProgress,
    before,
  }: Pick<ProveModelOptions, 'signal' | 'onProgress'> & { readonly before: number },
): Promise<Exploration> {
  const steps = explore(world, search);
  for (;;) {
    signal?.throwIfAborted();
    const step = steps.next();
    if (step.done === true) return step.value;
    onProgress?.({ what: world.bug ?? world.name, states: before + step.value });
    await setImmediate();
  }
}
