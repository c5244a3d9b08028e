import type { Action } from './action.ts';
import { ACTIONS, actorName, actorsOf } from './actions.ts';
import { bits } from './documents.ts';
import { Fingerprints } from './fingerprints.ts';
import { Numbers, States } from './growing.ts';
import { begin } from './initial.ts';
import { hasEndedWell, violationOf } from './invariants.ts';
import { Model } from './model.ts';
import { PHASE_OF, type State } from './state.ts';
import { findStuck } from './stuck.ts';
import type { World } from './world.ts';

/** What was found wrong, and the shortest way there. */
export interface Violation {
  /** What is wrong, beginning with the letter of the invariant. */
  readonly why: string;
  /** One line for each step from the beginning. */
  readonly trace: readonly string[];
}

/** What a search of one world came to. */
export interface Exploration {
  readonly world: string;
  /** States that were reached and looked at, each once. */
  readonly states: number;
  readonly transitions: number;
  /** Steps from the beginning to the last of them; of a deep search, 0. */
  readonly depth: number;
  /** Whether these are all the states there are. */
  readonly isComplete: boolean;
  readonly violation: Violation | undefined;
}

interface Event {
  readonly action: Action;
  readonly actor: number;
}

/** The ways from state to state, where they are asked for afterwards. Those of faults are left out. */
export interface Ways {
  readonly from: Numbers;
  readonly to: Numbers;
  /** States that have ended well. */
  readonly good: Numbers;
}

const STUCK = 'D9 from here on the wish cannot be reached any more, though no fault happens';

/** States between two breaths of a search. */
const BREATH = 20_000;

/** How a world is searched. */
export interface SearchOptions {
  /** Most states to look at. A number of states and no time, so that each machine finds the same. */
  readonly bound: number;
  /**
   * The nearest first, which gives the shortest traces; or deep: one way to its end, then others from where chance has it, which
   * gets to the ends of a world that is too large to be looked at whole. Chance is the same in each run.
   *
   * @default nearest
   */
  readonly order?: 'nearest' | 'deep' | undefined;
}

/**
 * Looks at every state of a world until one is wrong, or the bound is reached. Yields how many it has seen, from time to time.
 */
export function* explore(world: World, options: SearchOptions): Generator<number, Exploration, undefined> {
  const search = new Search(world, options);
  return yield* options.order === 'deep' ? search.deep() : search.nearest();
}

class Search {
  readonly #model: Model;
  readonly #bound: number;
  readonly #events: readonly Event[];
  readonly #seen = new Fingerprints();
  readonly #parents = new Numbers();
  readonly #ways: Ways | undefined;
  #frontier: States;
  #found: States;
  #transitions = 0;
  #depth = 0;

  constructor(world: World, { bound }: SearchOptions) {
    this.#model = new Model(world);
    this.#bound = bound;
    this.#events = ACTIONS.flatMap((action) =>
      Array.from({ length: actorsOf(action, world) }, (_, actor) => ({ action, actor })),
    );
    const size = this.#model.state.cells.length;
    this.#frontier = new States(size);
    this.#found = new States(size);
    if (world.ends === true) this.#ways = { from: new Numbers(), to: new Numbers(), good: new Numbers() };
  }

  *nearest(): Generator<number, Exploration, undefined> {
    begin(this.#model);
    this.#arrive(-1);
    // The states of a frontier follow each other in the order in which they were numbered.
    let number = 0;
    while (this.#found.count > 0) {
      [this.#frontier, this.#found] = [this.#found, this.#frontier];
      this.#found.clear();
      for (let i = 0; i < this.#frontier.count; i += 1, number += 1) {
        const why = this.#leave(this.#frontier.cells, i * this.#frontier.size, number);
        if (why !== undefined) return this.#result(why, this.#seen.size - 1, false);
        if (this.#seen.size >= this.#bound) return this.#result(undefined, 0, false);
        if (number % BREATH === 0) yield this.#seen.size;
      }
      this.#depth += 1;
    }
    const stuck = this.#ways && this.#model.asks(STUCK) ? findStuck(this.#seen.size, this.#ways) : undefined;
    return this.#result(stuck === undefined ? undefined : STUCK, stuck ?? 0, true);
  }

  *deep(): Generator<number, Exploration, undefined> {
    begin(this.#model);
    this.#arrive(-1);
    const numbers = [0];
    const chance = lehmer();
    const cells = new Uint16Array(this.#found.size);
    for (let round = 0; this.#found.count > 0; round += 1) {
      // Mostly on from where it is; now and then from anywhere.
      const last = this.#found.count - 1;
      const place = chance() % 64 === 0 ? chance() % (last + 1) : last;
      const number = numbers[place] ?? 0;
      numbers[place] = numbers[last] ?? 0;
      numbers.pop();
      this.#found.take(place, cells);
      const before = this.#seen.size;
      const why = this.#leave(cells, 0, number);
      if (why !== undefined) return this.#result(why, this.#seen.size - 1, false);
      for (let found = before; found < this.#seen.size; found += 1) numbers.push(found);
      if (this.#seen.size >= this.#bound) return this.#result(undefined, 0, false);
      if (round % BREATH === 0) yield this.#seen.size;
    }
    return this.#result(undefined, 0, true);
  }

  // Goes from one state to all that may follow; tells what is wrong with a new one.
  #leave(cells: Uint16Array, offset: number, number: number): string | undefined {
    const { state } = this.#model;
    for (const { action, actor } of this.#events) {
      state.load(cells, offset);
      if (!action.guard(this.#model, actor)) continue;
      action.effect(this.#model, actor);
      const why = this.#arrive(number, action.fault === true);
      if (why !== undefined) return why;
    }
    return undefined;
  }

  // Takes the state that is loaded into the search; tells what is wrong with it, if it is new.
  #arrive(parent: number, isFault = false): string | undefined {
    const { state } = this.#model;
    if (parent >= 0) this.#transitions += 1;
    exchangeCoordinators(state);
    const answer = this.#seen.add(state.cells);
    const number = answer < 0 ? -1 - answer : answer;
    if (this.#ways && parent >= 0 && !isFault) {
      this.#ways.from.push(parent);
      this.#ways.to.push(number);
    }
    if (answer >= 0) return undefined;
    this.#parents.push(parent);
    this.#found.push(state.cells);
    if (this.#ways && hasEndedWell(this.#model)) this.#ways.good.push(number);
    return violationOf(this.#model);
  }

  #result(why: string | undefined, at: number, isComplete: boolean): Exploration {
    return {
      world: this.#model.world.name,
      states: this.#seen.size,
      transitions: this.#transitions,
      depth: this.#depth,
      isComplete,
      violation: why === undefined ? undefined : { why, trace: this.#traceTo(at) },
    };
  }

  #traceTo(target: number): readonly string[] {
    const path: number[] = [];
    for (let at = target; at >= 0; at = this.#parents.at(at)) path.push(at);
    const model = this.#model;
    begin(model);
    const lines: string[] = [];
    for (const number of path.toReversed().slice(1)) lines.push(this.#replay(model, number));
    return lines;
  }

  // Finds the event that leads from the state that is loaded to the one with this number, and leaves that one loaded.
  #replay(model: Model, number: number): string {
    const before = model.state.cells.slice();
    for (const { action, actor } of this.#events) {
      model.state.load(before, 0);
      if (!action.guard(model, actor)) continue;
      action.effect(model, actor);
      exchangeCoordinators(model.state);
      if (this.#seen.add(model.state.cells) !== number) continue;
      const told = tellChange(model, before);
      return `${actorName(action, actor)}${action.name}${told === '' ? '' : `   → ${told}`}`;
    }
    throw new Error(`State ${number} is not reached again: an action depends on more than the state`);
  }
}

// Chance that is the same in each run.
function lehmer(): () => number {
  let seed = 1;
  return () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed;
  };
}

// Two coordinators are alike: which of them is called the first makes no difference.
function exchangeCoordinators({ cells, coordinatorBlock }: State): void {
  const { offset, size, count } = coordinatorBlock;
  if (count < 2) return;
  for (let i = offset; i < offset + size; i += 1) {
    const first = cells[i] ?? 0;
    const second = cells[i + size] ?? 0;
    if (first === second) continue;
    if (first > second) return;
    for (let j = i; j < offset + size; j += 1) {
      const kept = cells[j] ?? 0;
      cells[j] = cells[j + size] ?? 0;
      cells[j + size] = kept;
    }
    return;
  }
}

// What a step changed, of all that processes share.
function tellChange(model: Model, before: Uint16Array): string {
  const after = model.state.cells.slice();
  const now = shared(model);
  model.state.load(before, 0);
  const was = shared(model);
  model.state.load(after, 0);
  return Object.entries(now)
    .filter(([name, text]) => was[name] !== text)
    .map(([name, text]) => `${name} ${text}`)
    .join(', ');
}

function shared({ state, documents }: Model): Readonly<Record<string, string>> {
  const { row, permit, ghost, keys } = state;
  const texts: Record<string, string> = {
    row: `phase ${PHASE_OF[row.phase] ?? '?'} epoch ${row.epoch} term ${row.term}`,
    permit: `${permit.open === 1 ? 'open' : 'closed'} epoch ${permit.epoch} term ${permit.term} lease ${['none', 'short', 'long'][permit.lease] ?? '?'} drain ${['none', 'short', 'long'][permit.drain] ?? '?'}`,
    acknowledged: bits(ghost.acknowledged),
    journal: bits(ghost.journal),
  };
  for (const [index, key] of keys.entries()) {
    texts[`document ${index}`] = documents.describe(key.document);
    texts[`row ${index}`] = documents.describe(key.row);
    texts[`dirty ${index}`] = key.dirty === 0 ? 'no' : 'yes';
  }
  return texts;
}
