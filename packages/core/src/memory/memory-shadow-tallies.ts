import type { Clock } from '../clock.ts';
import type { CallOptions } from '../record-store.ts';
import type { NotedTallies, ShadowTallies, ShadowTally } from '../shadow-tallies.ts';
import { turn } from './memory-turn.ts';

interface Note extends NotedTallies {
  readonly at: number;
}

/** Shadow tallies in memory, timed by the store's clock. */
export class MemoryShadowTallies implements ShadowTallies {
  readonly #clock: Clock;
  readonly #notes = new Map<string, Note>();

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
  }

  async note(noted: NotedTallies, options?: CallOptions): Promise<void> {
    await turn(options);
    const name = JSON.stringify([noted.group, noted.holder]);
    const there = this.#notes.get(name);
    if (there && there.epoch > noted.epoch) return;
    this.#notes.set(name, { ...structuredClone(noted), at: this.#clock.monotonic() });
  }

  async list(
    group: string,
    epoch: number,
    withinMs: number,
    options?: CallOptions,
  ): Promise<readonly ShadowTally[]> {
    await turn(options);
    const since = this.#clock.monotonic() - withinMs;
    return [...this.#notes.values()]
      .filter((it) => it.group === group && it.epoch === epoch && it.at >= since)
      .flatMap(({ tallies }) => structuredClone(tallies));
  }
}
