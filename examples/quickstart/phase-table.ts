import { setTimeout as pause } from 'node:timers/promises';
import type { Entity, Phase, RecordHost } from '@polyphase/core';
import type { EntityStatus, HybridNotices } from '@polyphase/hybrid';
import type { Counts, Name } from './traffic.ts';

const COLUMNS = ['phase', 'Cosmos', 'PostgreSQL', 'lag ms', 'reads', 'writes', 'errors', 'held ms'] as const;
const WIDTHS = [34, 8, 11, 7, 7, 7, 7, 8] as const;

/** What the table reads. */
export interface Watched {
  readonly entities: readonly Entity<object, Name>[];
  readonly stores: { readonly cosmos: RecordHost; readonly postgres: RecordHost };
  status(entity: Name): EntityStatus;
  on(name: 'phase', listener: (notice: HybridNotices['phase']) => void): () => void;
  /** What the service did with an entity since the last call. */
  take(entity: Name): Counts;
}

/** What one entity did in one phase. */
interface Visit extends Counts {
  readonly description: string;
  readonly lagMs: number;
  readonly heldMs: number;
}

/** Prints one row for each phase, when the last entity has left it: what every entity did in it, in sum. */
export class PhaseTable {
  readonly #watched: Watched;
  readonly #visits = new Map<Name, Visit[]>();
  readonly #now = new Map<Name, EntityStatus>();
  #printed = 0;
  #printing: Promise<void> = Promise.resolve();

  constructor(watched: Watched) {
    this.#watched = watched;
    console.log(`\n${row(COLUMNS)}`);
    for (const { name } of watched.entities) this.#now.set(name, watched.status(name));
    watched.on('phase', ({ entity }) => {
      for (const { name } of watched.entities) if (name === entity) this.#leave(name);
    });
  }

  /** Resolves when every entity is in a phase, and the rows before it are printed. */
  async reached(phase: Phase): Promise<void> {
    while (this.#watched.entities.some(({ name }) => this.#watched.status(name).phase !== phase))
      await pause(10);
    await this.#printing;
  }

  /** Prints the row of the phase that the entities are in, once PostgreSQL holds everything that was written before the call. */
  async last(): Promise<void> {
    const asked = performance.now();
    const isBehind = ({ name }: Entity<object, Name>) =>
      performance.now() - this.#watched.status(name).lagMs < asked;
    while (this.#watched.entities.some(isBehind)) await pause(10);
    for (const { name } of this.#watched.entities) this.#leave(name);
    await this.#printing;
  }

  #leave(name: Name): void {
    const before = this.#now.get(name);
    const now = this.#watched.status(name);
    const visits = this.#visits.get(name) ?? [];
    visits.push({
      ...this.#watched.take(name),
      description: before?.description ?? '',
      lagMs: now.lagMs,
      heldMs: now.heldMs - (before?.heldMs ?? 0),
    });
    this.#visits.set(name, visits);
    this.#now.set(name, now);
    const complete = this.#watched.entities
      .map((it) => this.#visits.get(it.name)?.[this.#printed])
      .filter((it) => it !== undefined);
    if (complete.length < this.#watched.entities.length) return;
    this.#printed += 1;
    this.#printing = this.#print(complete, this.#printing);
  }

  async #print(visits: readonly Visit[], before: Promise<void>): Promise<void> {
    await before;
    const { entities, stores } = this.#watched;
    const count = async (store: RecordHost) =>
      sum(await Promise.all(entities.map((it) => store.records(it).count())));
    const total = (of: (visit: Visit) => number) => sum(visits.map(of));
    const most = (of: (visit: Visit) => number) => Math.max(...visits.map(of));
    const numbers = [
      await count(stores.cosmos),
      await count(stores.postgres),
      most((it) => it.lagMs),
      total((it) => it.reads),
      total((it) => it.writes),
      total((it) => it.errors),
      most((it) => it.heldMs),
    ];
    console.log(
      row([
        visits[0]?.description ?? '',
        ...numbers.map((it) => (Number.isFinite(it) ? Math.round(it).toLocaleString('en') : '–')),
      ]),
    );
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

function row(cells: readonly string[]): string {
  return cells.map((cell, i) => (i === 0 ? cell.padEnd(WIDTHS[0]) : cell.padStart(WIDTHS[i] ?? 8))).join(' ');
}
