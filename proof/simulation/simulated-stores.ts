import {
  authorityOf,
  type ChangeFeed,
  type ControlRow,
  type DocumentStore,
  type Journaled,
  keyOfValue,
  keyText,
  type RecordHost,
  type RecordStore,
  type RelationalStore,
  type StoredRecord,
  type WriteResult,
} from '@polyphase/core';
import {
  type ForeignDocuments,
  type MemoryCacheStore,
  type MemoryDocumentStore,
  memoryCacheStore,
  memoryDocumentStore,
  memoryRelationalStore,
} from '@polyphase/core/memory';
import type { Move, Straggler } from './history.ts';
import { Note } from './note.ts';
import { simulatedClock } from './process-clock.ts';
import type { Random } from './random.ts';
import { Replicas } from './replicas.ts';
import type { Scheduler } from './scheduler.ts';

/** How long a statement may take in PostgreSQL once it has passed its fence. */
export const LONGEST_IN_FLIGHT_MS = 2_000;

// Fewer than there are keys, so that entries are evicted.
const CACHE_ENTRIES = 4;

/** What {@link SimulatedStores} are made of. */
export interface SimulatedStoresOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  /** Ranges of the change feed. */
  readonly ranges: number;
  /** Whether the account promises each session its own writes, and nobody those of others. */
  readonly session: boolean;
}

/** The stores of a simulated world, and what became of them: every move of the authority, every write that came too late. */
export class SimulatedStores {
  readonly postgres: RelationalStore;
  readonly cache: MemoryCacheStore;
  readonly foreign: ForeignDocuments;
  readonly moves: Move[] = [];
  readonly stragglers: Straggler[] = [];
  readonly #scheduler: Scheduler;
  readonly #documents: DocumentStore;
  readonly #whole: MemoryDocumentStore;
  readonly #rows: RelationalStore;
  readonly #random: Random;
  readonly #replicas: Replicas | undefined;
  /** How far the stores' dates are off, in milliseconds. */
  offMs = 0;

  constructor(options: SimulatedStoresOptions) {
    const { scheduler, random, ranges } = options;
    this.#scheduler = scheduler;
    this.#random = random;
    const clock = simulatedClock(scheduler, undefined, { offMs: () => this.offMs });
    const documents = memoryDocumentStore({ clock, ranges });
    this.#whole = documents;
    this.cache = memoryCacheStore({ clock, maxEntries: CACHE_ENTRIES });
    this.#documents = this.#watchWrites(documents);
    this.#replicas = options.session
      ? new Replicas({ scheduler, random, documents: this.#documents })
      : undefined;
    this.foreign = this.#watchForeign(documents.foreign);
    this.#rows = memoryRelationalStore({ clock, inFlight: () => this.#inFlight() });
    this.postgres = this.#watchMoves(this.#rows);
  }

  /** Cosmos DB as one process has it: one session of its account. */
  cosmos(): DocumentStore {
    return this.#replicas?.session() ?? this.#documents;
  }

  /** Puts two ranges of the feed in the place of one, as Cosmos DB does when a partition grows. */
  async split(): Promise<void> {
    const ranges = await this.#whole.changes(Note).ranges();
    this.#whole.split(Note, ranges[this.#random.below(ranges.length)]?.id);
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

  // Many statements are over at once, and some take their time.
  async #inFlight(): Promise<void> {
    if (this.#random.chance(0.3))
      await this.#scheduler.wait(0, this.#random.chance(0.1) ? LONGEST_IN_FLIGHT_MS : 20, 'in flight');
  }

  #watchForeign(foreign: ForeignDocuments): ForeignDocuments {
    return {
      put: async (entity, value, options) => {
        await foreign.put(entity, value, options);
        await this.#replicas?.changed(entity, keyOfValue(entity, value));
      },
      remove: async (entity, key) => {
        await foreign.remove(entity, key);
        await this.#replicas?.changed(entity, key);
      },
    };
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
        advanceAll: async (steps, options) => {
          const moved = await control.advanceAll(steps, options);
          for (const row of moved ?? []) note(row);
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
      changes: (entity) => this.#cutPages(documents.changes(entity)),
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

  // Pages of any length: what was changed again meanwhile comes later than a reader may think.
  #cutPages(feed: ChangeFeed): ChangeFeed {
    return {
      ranges: (options) => feed.ranges(options),
      read: (range, position, options) => {
        const limit = this.#random.chance(0.3) ? 1 + this.#random.below(3) : options?.limit;
        return feed.read(range, position, { ...options, limit });
      },
      mark: (range, options) => feed.mark(range, options),
      passed: (position, marker) => feed.passed(position, marker),
      behind: (position, marker) => feed.behind(position, marker),
      positionOf: (range, positions) => feed.positionOf(range, positions),
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
