import { setTimeout as pause } from 'node:timers/promises';
import type { Entity, Phase, RecordHost } from '@polyphase/core';
import type { EntityStatus, HybridNotices } from '@polyphase/hybrid';
import type { Counts } from './traffic.ts';

const COLUMNS = [
  ['phase', 34],
  ['Cosmos', 8],
  ['PostgreSQL', 11],
  ['lag ms', 7],
  ['reads', 7],
  ['writes', 7],
  ['errors', 7],
  ['held ms', 8],
] as const;

/** What the table reads. */
export interface Watched {
  readonly entities: readonly Entity[];
  readonly stores: { readonly cosmos: RecordHost; readonly postgres: RecordHost };
  status(entity: string): EntityStatus;
  on(name: 'phase', listener: (notice: HybridNotices['phase']) => void): () => void;
  /** What the service did since the last call. */
  take(): Counts;
}

/** Prints one row for each phase, when the last entity has left it, and one line of progress in between. */
export class PhaseTable {
  readonly #watched: Watched;
  readonly #visits = new Map<string, { phase: Phase; description: string }[]>();
  readonly #waiting = new Set<() => void>();
  #printed = 0;
  #printing: Promise<void> = Promise.resolve();

  constructor(watched: Watched) {
    this.#watched = watched;
    console.log(
      `\n${COLUMNS.map(([name, width], i) => (i === 0 ? name.padEnd(width) : name.padStart(width))).join(' ')}`,
    );
    for (const { name } of watched.entities) this.#enter(name);
    watched.on('phase', ({ entity }) => {
      this.#enter(entity);
      for (const wake of this.#waiting) wake();
    });
  }

  /** Resolves when every entity is in a phase, and its predecessors are printed. */
  async reached(phase: Phase): Promise<void> {
    const there = () =>
      this.#watched.entities.every(({ name }) => this.#watched.status(name).phase === phase);
    while (!there()) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
    await this.#printing;
  }

  /** Resolves when PostgreSQL holds everything that was written before the call. */
  async settled(): Promise<void> {
    const asked = performance.now();
    const behind = ({ name }: Entity) => performance.now() - this.#watched.status(name).lagMs < asked;
    while (this.#watched.entities.some(behind)) await pause(20);
  }

  /** Prints the phase that the entities are in. */
  async last(): Promise<void> {
    await this.#printing;
    await this.#print(this.#visits.get(this.#watched.entities[0]?.name ?? '')?.at(-1)?.description ?? '');
  }

  #enter(entity: string): void {
    const { phase, description } = this.#watched.status(entity);
    if (phase === undefined) return;
    const visits = this.#visits.get(entity) ?? [];
    visits.push({ phase, description });
    this.#visits.set(entity, visits);
    const left =
      Math.min(...this.#watched.entities.map(({ name }) => this.#visits.get(name)?.length ?? 0)) - 1;
    while (this.#printed < left) {
      const { description: done } = visits[this.#printed] ?? { description: '' };
      this.#printed += 1;
      this.#printing = this.#printNext(done);
    }
  }

  // One row at a time, in the order of the phases.
  async #printNext(description: string): Promise<void> {
    await this.#printing;
    await this.#print(description);
  }

  async #print(description: string): Promise<void> {
    const { entities, stores } = this.#watched;
    const count = async (store: RecordHost) =>
      (await Promise.all(entities.map((it) => store.records(it).count()))).reduce((a, b) => a + b, 0);
    const { reads, writes, errors } = this.#watched.take();
    const all = entities.map(({ name }) => this.#watched.status(name));
    const lag = Math.max(...all.map((it) => it.lagMs));
    const held = Math.max(...all.map((it) => it.longestHoldMs));
    const cells = [
      await count(stores.cosmos),
      await count(stores.postgres),
      lag,
      reads,
      writes,
      errors,
      held,
    ].map((it) => (Number.isFinite(it) ? Math.round(it).toLocaleString('en') : '–'));
    console.log(
      [description, ...cells]
        .map((cell, i) => (i === 0 ? cell.padEnd(COLUMNS[0][1]) : cell.padStart(COLUMNS[i]?.[1] ?? 8)))
        .join(' '),
    );
  }
}
