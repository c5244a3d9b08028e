import {
  authorityOf,
  type ControlRow,
  type DocumentStore,
  type Journaled,
  keyText,
  type RecordHost,
  type RecordStore,
  type RelationalStore,
  type StoredRecord,
  type WriteResult,
} from '@polyphase/core';
import { type ForeignDocuments, memoryDocumentStore, memoryRelationalStore } from '@polyphase/core/memory';
import type { Move, Straggler } from './history.ts';
import { Note } from './note.ts';
import { simulatedClock } from './process-clock.ts';
import type { Scheduler } from './scheduler.ts';

/** The stores of a simulated world, and what became of them: every move of the authority, every write that came too late. */
export class SimulatedStores {
  readonly cosmos: DocumentStore;
  readonly postgres: RelationalStore;
  readonly foreign: ForeignDocuments;
  readonly moves: Move[] = [];
  readonly stragglers: Straggler[] = [];
  readonly #scheduler: Scheduler;
  readonly #documents: DocumentStore;
  readonly #rows: RelationalStore;
  /** How far the stores' dates are off, in milliseconds. */
  offMs = 0;

  constructor(options: { readonly scheduler: Scheduler; readonly ranges: number }) {
    const { scheduler, ranges } = options;
    this.#scheduler = scheduler;
    const clock = simulatedClock(scheduler, undefined, { offMs: () => this.offMs });
    const documents = memoryDocumentStore({ clock, ranges });
    this.foreign = documents.foreign;
    this.#documents = documents;
    this.#rows = memoryRelationalStore({ clock });
    this.cosmos = this.#watchWrites(documents);
    this.postgres = this.#watchMoves(this.#rows);
  }

  /** The last move of the authority, as its row was written. */
  get last(): Move | undefined {
    return this.moves.at(-1);
  }

  /** Every record of both stores, the journal, and what still waits to be copied back. */
  async contents(): Promise<{
    readonly cosmos: ReadonlyMap<string, StoredRecord>;
    readonly postgres: ReadonlyMap<string, StoredRecord>;
    readonly journal: readonly Journaled[];
    readonly dirty: number;
  }> {
    const [cosmos, postgres] = [await allOf(this.#documents), await allOf(this.#rows)];
    const journal = await this.#rows.journal.list(Note.name);
    const { count } = await this.#rows.dirtyKeys.lag(Note.name);
    return { cosmos, postgres, journal, dirty: count };
  }

  /** What waits in the journal for somebody to decide. */
  async conflicts(): Promise<readonly Journaled[]> {
    return (await this.#rows.journal.list(Note.name)).filter(({ kind }) => kind === 'conflict');
  }

  /** Closes an entry of the journal. */
  async close({ key, kind }: Journaled): Promise<void> {
    await this.#rows.journal.resolve(Note.name, [key], { kind });
  }

  #watchMoves(rows: RelationalStore): RelationalStore {
    const note = (row: ControlRow | undefined): void => {
      if (row) this.moves.push({ at: this.#scheduler.now, term: row.term, phase: row.phase });
    };
    const { control } = rows;
    return {
      ...rows,
      control: {
        read: (group, options) => control.read(group, options),
        submit: (group, wish, options) => control.submit(group, wish, options),
        create: async (row, options) => {
          const made = await control.create(row, options);
          if (this.moves.length === 0) note(made);
          return made;
        },
        advance: async (group, epoch, change, options) => {
          const moved = await control.advance(group, epoch, change, options);
          note(moved);
          return moved;
        },
      },
    };
  }

  #watchWrites(documents: DocumentStore): DocumentStore {
    const watched = new Map<unknown, RecordStore>();
    return {
      ...documents,
      records: (entity) => {
        const there = watched.get(entity);
        if (there) return there;
        const records = this.#watched(documents.records(entity));
        watched.set(entity, records);
        return records;
      },
      runUnit: async (work, options) => {
        const done = await documents.runUnit(work, options);
        for (const { result } of done.written) this.#noteWrite(result);
        return done;
      },
    };
  }

  #watched(records: RecordStore): RecordStore {
    return {
      read: (key, options) => records.read(key, options),
      readMany: (keys, options) => records.readMany(keys, options),
      getMany: (keys, options) => records.getMany(keys, options),
      query: (plan, options) => records.query(plan, options),
      write: async (intent, options) => {
        const result = await records.write(intent, options);
        this.#noteWrite(result);
        return result;
      },
      apply: (copies, options) => records.apply(copies, options),
      scan: (options) => records.scan(options),
      count: (options) => records.count(options),
    };
  }

  #noteWrite({ record, repeated }: WriteResult): void {
    const { last } = this;
    const [operation] = record.operations;
    if (repeated || !operation || !last || authorityOf(last.phase) === 'cosmos') return;
    if (record.version.term < last.term)
      this.stragglers.push({
        at: this.#scheduler.now,
        key: keyText(record.key),
        operationId: operation.id,
        value: record.value,
      });
  }
}

/** Every record of the one entity in a store, those that are deleted too. */
export async function allOf(host: RecordHost): Promise<ReadonlyMap<string, StoredRecord>> {
  const records = host.records(Note);
  const all = new Map<string, StoredRecord>();
  for await (const page of records.scan())
    for (const { key } of page) {
      const record = await records.read(key);
      if (record) all.set(keyText(key), record);
    }
  return all;
}
