import type { Container } from '@azure/cosmos';
import type { DocumentStore, Phase } from '@polyphase/core';
import type { Pool } from 'pg';
import type { Move } from '../simulation/history.ts';
import { Note } from '../simulation/note.ts';
import { type Step, StepWatch } from './steps.ts';

/** What {@link Observer} works with: ways of its own into both stores. */
export interface ObserverOptions {
  readonly pool: Pool;
  readonly cosmos: DocumentStore;
  readonly container: Container;
  readonly now: () => number;
}

const ROW = `select c.phase, c.epoch::int, c.term,
    coalesce((select string_agg(name || revision, ' ' order by name) from polyphase.checkpoint where name like 'feed:%'), '') as checkpoints,
    (select holder from polyphase.lease where name = 'controller:notes') as controller,
    (select holder from polyphase.lease where name like 'feed:notes:range:%' and holder is not null order by name limit 1) as relay
  from polyphase.control c where group_name = 'notes'`;
const MARKERS = "select value c._etag from c where c._h.k = 'marker'";
const MARKING = new Set(['4', '5', '6', "5'"]);

interface RowSeen {
  readonly phase: Phase;
  readonly epoch: number;
  readonly term: number;
  readonly checkpoints: string;
  readonly controller: string | null;
  readonly relay: string | null;
}

/** Looks into both stores, and knows the step that the walk is in, and who is at work. */
export class Observer {
  readonly moves: Move[] = [];
  readonly #options: ObserverOptions;
  readonly #watch = new StepWatch();
  #lookedAt: number;
  #row: RowSeen | undefined;
  #markers = '';
  step: Step | undefined;

  constructor(options: ObserverOptions) {
    this.#options = options;
    this.#lookedAt = options.now();
  }

  get phase(): Phase {
    return this.#row?.phase ?? '0';
  }

  /** Who has the lease of a kind of work, as it is named there. */
  holder(kind: 'controller' | 'relay'): string | undefined {
    return this.#row?.[kind] ?? undefined;
  }

  /** Looks again. A store that cannot be asked now is asked at the next look. */
  async look(): Promise<void> {
    const { now } = this.#options;
    const before = now();
    try {
      const row = await this.#readRow();
      const permit = await this.#options.cosmos.permits.read(Note.name);
      if (row && MARKING.has(row.phase)) this.#markers = await this.#readMarkers();
      this.#note(row);
      this.step = this.#watch.see({
        row,
        permit,
        markers: this.#markers,
        checkpoints: row?.checkpoints ?? '',
      });
      this.#lookedAt = before;
    } catch {
      this.step = undefined;
    }
  }

  #note(row: RowSeen | undefined): void {
    const { term = 1, phase = '0' } = row ?? {};
    if (row && (row.phase !== this.#row?.phase || term !== this.#row.term))
      this.moves.push({ at: this.#options.now(), notBefore: this.#lookedAt, term, phase });
    this.#row = row;
  }

  async #readRow(): Promise<RowSeen | undefined> {
    return (await this.#options.pool.query<RowSeen>(ROW)).rows[0];
  }

  async #readMarkers(): Promise<string> {
    const { resources } = await this.#options.container.items.query<string>(MARKERS).fetchAll();
    return resources.toSorted().join(' ');
  }
}
