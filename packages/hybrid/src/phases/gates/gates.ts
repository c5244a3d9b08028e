import { type GateAnswer, isPolyphaseError, type Phase, type RelationalStore } from '@polyphase/core';
import type { Comparison } from '../../reconcile/compare-stores.ts';
import type { FeedWatch } from '../../relay/feed-watch.ts';
import type { Group } from '../group.ts';
import { Comparisons } from './comparisons.ts';
import { answer, type Gate, type GatePlace } from './gate.ts';
import { gatesOf } from './gates-of-steps.ts';
import { conflictsDecided, deadLettersMended } from './journal-empty.ts';

/** A gate of a step that lies ahead. */
export interface PlannedGate {
  readonly name: string;
  /** What it would answer now; undefined: it is asked when the step is the next one, or looking changes something and is left to it. */
  readonly answers: readonly GateAnswer[] | undefined;
}

/** The gates of one group, with what they remember from step to step. Which step has which is told by {@link gatesOf}. */
export class Gates {
  readonly #place: GatePlace;
  readonly #foreseen = new Map<Gate, readonly GateAnswer[]>();

  constructor(options: {
    readonly group: Group;
    readonly postgres: RelationalStore;
    readonly watch: FeedWatch | undefined;
  }) {
    this.#place = { ...options, comparisons: new Comparisons(options) };
  }

  /** Everything that must hold before the step from one phase to the next. Answers come in order; the first that fails ends the list. */
  async check(from: Phase, to: Phase, signal: AbortSignal): Promise<readonly GateAnswer[]> {
    const answers: GateAnswer[] = [];
    for (const gate of gatesOf(from, to)) {
      const found = await gate.look(this.#place, signal);
      answers.push(...found);
      if (found.some(({ passed }) => !passed)) break;
    }
    return answers;
  }

  /**
   * What the gates of a step would answer now, all of them, looked at without changing anything. Of a step that is not the next one
   * only those are asked whose answer means something already.
   */
  async foresee(
    step: { readonly from: Phase; readonly to: Phase; readonly isNext: boolean },
    signal: AbortSignal,
  ): Promise<readonly PlannedGate[]> {
    const planned: PlannedGate[] = [];
    for (const gate of gatesOf(step.from, step.to)) {
      const look = gate.foresee ?? gate.look;
      const isAsked = look !== 'left to the step' && (step.isNext || gate.ahead === true);
      if (isAsked && !this.#foreseen.has(gate))
        this.#foreseen.set(gate, await told(gate, () => look(this.#place, signal)));
      planned.push({ name: gate.name, answers: isAsked ? this.#foreseen.get(gate) : undefined });
    }
    return planned;
  }

  /** Whether nothing waits in the journal for a person to say which of two bodies holds. */
  async conflictsDecided(signal: AbortSignal): Promise<readonly GateAnswer[]> {
    return conflictsDecided.look(this.#place, signal);
  }

  /** Whether nothing that could not be copied, or that others changed in PostgreSQL, waits in the journal to be mended. */
  async deadLettersMended(signal: AbortSignal): Promise<readonly GateAnswer[]> {
    return deadLettersMended.look(this.#place, signal);
  }

  /** Compares what was written to Cosmos DB since the last clean comparison began; a clean answer becomes the new beginning. */
  async compareSinceClean(signal: AbortSignal): Promise<Comparison> {
    return this.#place.comparisons.sinceClean(signal);
  }

  /** Forgets comparisons: the stores have changed hands since. */
  reset(): void {
    this.#place.comparisons.reset();
  }
}

// A plan goes on where a store cannot be asked: that is an answer too.
async function told(gate: Gate, look: () => Promise<readonly GateAnswer[]>): Promise<readonly GateAnswer[]> {
  try {
    return await look();
  } catch (error) {
    if (!isPolyphaseError(error)) throw error;
    return [answer(gate.name, false, error.message, 'an answer')];
  }
}
