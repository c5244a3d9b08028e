import type { GateAnswer, Phase, RelationalStore } from '@polyphase/core';
import type { Comparison } from '../../reconcile/compare-stores.ts';
import type { FeedWatch } from '../../relay/feed-watch.ts';
import type { Group } from '../group.ts';
import { Comparisons } from './comparisons.ts';
import type { GatePlace } from './gate.ts';
import { gatesOf } from './gates-of-steps.ts';
import { conflictsDecided, deadLettersMended } from './journal-empty.ts';

/** The gates of one group, with what they remember from step to step. Which step has which is told by {@link gatesOf}. */
export class Gates {
  readonly #place: GatePlace;

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
