import type { Clock, ShadowTally } from '@polyphase/core';
import type { Verdict } from './compare-answers.ts';

/** How far back a tally goes. */
export interface WindowLimits {
  /** Comparisons that end a block. */
  readonly shadowReads: number;
  /** Milliseconds that end a block. */
  readonly shadowWindowMs: number;
}

type Counts = { -readonly [Kind in Exclude<keyof ShadowTally, 'shape' | 'noise'>]: number } & {
  readonly noise: { agreed: number; answers: number };
};

const COUNTED: { readonly [Kind in Verdict['kind']]: Exclude<keyof Counts, 'noise'> } = {
  agrees: 'agreed',
  lags: 'lagged',
  moved: 'moved',
  record: 'records',
  answer: 'answers',
};

/**
 * Counts verdicts of one query shape in two blocks, the one that fills and the one before: so what was mended is forgotten after as many
 * reads as a gate wants to see twice, or after two windows of time, and what the gate sees is never less than one block.
 */
export class TallyWindow {
  readonly #shape: string;
  readonly #clock: Clock;
  readonly #limits: WindowLimits;
  #current = none();
  #before = none();
  #since: number;

  constructor(options: { readonly shape: string; readonly clock: Clock; readonly limits: WindowLimits }) {
    this.#shape = options.shape;
    this.#clock = options.clock;
    this.#limits = options.limits;
    this.#since = options.clock.monotonic();
  }

  /** Counts a verdict about PostgreSQL. */
  note(kind: Verdict['kind']): void {
    this.#turn();
    this.#current[COUNTED[kind]] += 1;
  }

  /** Counts a verdict about Cosmos DB compared with itself. Records that were written meanwhile say nothing about it. */
  noteNoise(kind: Verdict['kind']): void {
    this.#turn();
    if (kind === 'agrees') this.#current.noise.agreed += 1;
    if (kind === 'answer') this.#current.noise.answers += 1;
  }

  /** Both blocks in sum. */
  get tally(): ShadowTally {
    this.#turn();
    return addTallies({ shape: this.#shape, ...this.#current }, { shape: this.#shape, ...this.#before });
  }

  #turn(): void {
    const now = this.#clock.monotonic();
    const { shadowReads, shadowWindowMs } = this.#limits;
    const age = now - this.#since;
    if (age < shadowWindowMs && conclusive(this.#current) < shadowReads) return;
    // After two windows the block that filled is old as well.
    this.#before = age < 2 * shadowWindowMs ? this.#current : none();
    this.#current = none();
    this.#since = now;
  }
}

/** Reads of which something could be said. */
export function conclusive({
  agreed,
  records,
  answers,
}: Pick<ShadowTally, 'agreed' | 'records' | 'answers'>): number {
  return agreed + records + answers;
}

/** Two tallies of one shape in sum. */
export function addTallies(a: ShadowTally, b: ShadowTally): ShadowTally {
  return {
    shape: a.shape,
    agreed: a.agreed + b.agreed,
    lagged: a.lagged + b.lagged,
    moved: a.moved + b.moved,
    records: a.records + b.records,
    answers: a.answers + b.answers,
    noise: { agreed: a.noise.agreed + b.noise.agreed, answers: a.noise.answers + b.noise.answers },
  };
}

function none(): Counts {
  return { agreed: 0, lagged: 0, moved: 0, records: 0, answers: 0, noise: { agreed: 0, answers: 0 } };
}
