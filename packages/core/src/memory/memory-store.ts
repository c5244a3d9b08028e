import { type Clock, systemClock } from '../clock.ts';
import type { Entity } from '../entity.ts';
import { InvalidOptionsError } from '../errors.ts';
import type { RecordStore } from '../record-store.ts';
import type { CacheStore, DocumentStore, RecordHost, RelationalStore } from '../store.ts';
import { MemoryCache, MemorySlots } from './memory-cache.ts';
import { MemoryCheckpoints } from './memory-checkpoints.ts';
import { MemoryControl } from './memory-control.ts';
import { MemoryDirtyKeys } from './memory-dirty-keys.ts';
import { MemoryFeed } from './memory-feed.ts';
import { type ForeignDocuments, foreignDocuments } from './memory-foreign.ts';
import { MemoryJournal } from './memory-journal.ts';
import { MemoryLeases } from './memory-leases.ts';
import { MemoryMembers } from './memory-members.ts';
import { MemoryPermits } from './memory-permits.ts';
import { MemoryRecords, type RowParts } from './memory-records.ts';
import { MemorySequence } from './memory-sequence.ts';
import { MemoryShadowTallies } from './memory-shadow-tallies.ts';
import { MemoryTable } from './memory-table.ts';
import { turn } from './memory-turn.ts';
import { memoryRunUnit } from './memory-unit-of-work.ts';

/** What every memory store takes. */
export interface MemoryStoreOptions {
  /** The store's own clock: dates of records, ends of leases. @default systemClock */
  readonly clock?: Clock | undefined;
}

/** Options of {@link memoryRelationalStore}. */
export interface MemoryRelationalStoreOptions extends MemoryStoreOptions {
  /**
   * Waited for by each write between its fence and its effect, so that a test can come between: an exclusive step waits for the write.
   *
   * @default nothing is waited for
   */
  readonly inFlight?: (() => Promise<void>) | undefined;
}

/** Options of {@link memoryDocumentStore}. */
export interface MemoryDocumentStoreOptions extends MemoryStoreOptions {
  /** Number of ranges in each change feed. @default 1 */
  readonly ranges?: number | undefined;
}

/** Options of {@link memoryCacheStore}. */
export interface MemoryCacheStoreOptions extends MemoryStoreOptions {
  /** Keys that are kept; the one used longest ago is evicted. @default 100000 */
  readonly maxEntries?: number | undefined;
}

/** A store of documents in memory, with a way around the SDK for tests. */
export interface MemoryDocumentStore extends DocumentStore {
  readonly foreign: ForeignDocuments;
  /** Puts two ranges of an entity's feed in the place of one (the first, where none is named), as Cosmos DB does when a partition grows. */
  split(entity: Entity, range?: string): void;
}

/** A cache in memory. */
export interface MemoryCacheStore extends CacheStore {
  /** Forgets everything, as a server that is flushed or restarted does. */
  flush(): void;
}

/** The value under a key, made the first time. */
function made<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const there = map.get(key) ?? make();
  map.set(key, there);
  return there;
}

class MemoryTables {
  readonly #kind: 'documents' | 'rows';
  readonly #clock: Clock;
  readonly #tables = new Map<string, MemoryTable>();
  readonly sequence = new MemorySequence();

  constructor(options: { readonly kind: 'documents' | 'rows'; readonly clock: Clock }) {
    this.#kind = options.kind;
    this.#clock = options.clock;
  }

  of(entity: Entity): MemoryTable {
    const now = () => this.#clock.now();
    const options = { entity, kind: this.#kind, sequence: this.sequence, now };
    return made(this.#tables, entity.name, () => new MemoryTable(options));
  }

  named(entity: string): MemoryTable | undefined {
    return this.#tables.get(entity);
  }
}

function recordHost(options: {
  readonly clock: Clock;
  readonly tables: MemoryTables;
  readonly leases: MemoryLeases;
  readonly checkpoints: MemoryCheckpoints;
  readonly rows?: RowParts;
}): RecordHost {
  const { clock, tables, leases, checkpoints, rows } = options;
  const stores = new Map<Entity, RecordStore>();
  return {
    records: (entity) =>
      made(stores, entity, () => new MemoryRecords({ table: tables.of(entity), clock, rows })),
    runUnit: memoryRunUnit({ clock, tableOf: (entity) => tables.of(entity), rows }),
    checkpoints,
    leases,
    async prepare(entities, callOptions) {
      await turn(callOptions);
      for (const entity of entities) tables.of(entity);
    },
    async verify(entity, callOptions) {
      await turn(callOptions);
      const clashing = tables.of(entity).clashes();
      const seen = `${clashing} records share a unique value with another`;
      return [{ name: 'unique', passed: clashing === 0, seen, wanted: 'none; mend those that do' }];
    },
  };
}

/**
 * A store of documents that lives in this process: the reference of `DocumentStore`, for tests and for trying things out. It keeps
 * every guarantee but durability.
 *
 * @throws `InvalidOptionsError` when `ranges` is not a whole number above 0
 *
 * @example
 * ```ts
 * import { defineEntity, repositoryIn } from '@polyphase/core';
 * import { memoryDocumentStore } from '@polyphase/core/memory';
 * import { z } from 'zod';
 *
 * const Account = defineEntity({
 *   name: 'accounts',
 *   schema: z.object({ id: z.string(), tenantId: z.string() }),
 *   key: { partition: 'tenantId', id: 'id' },
 * });
 * const accounts = repositoryIn(memoryDocumentStore(), Account);
 * const stored = await accounts.get({ tenantId: 't1', id: 'a1' });
 * ```
 */
export function memoryDocumentStore(options: MemoryDocumentStoreOptions = {}): MemoryDocumentStore {
  const { clock = systemClock, ranges = 1 } = options;
  if (!Number.isInteger(ranges) || ranges < 1)
    throw new InvalidOptionsError({ message: 'ranges must be a whole number above 0' });
  const tables = new MemoryTables({ kind: 'documents', clock });
  const leases = new MemoryLeases({ clock });
  const checkpoints = new MemoryCheckpoints({ leases });
  const feeds = new Map<string, MemoryFeed>();
  const feedOf = (entity: Entity): MemoryFeed =>
    made(
      feeds,
      entity.name,
      () => new MemoryFeed({ table: tables.of(entity), sequence: tables.sequence, clock, ranges }),
    );
  return {
    kind: 'documents',
    ...recordHost({ clock, tables, leases, checkpoints }),
    changes: feedOf,
    split: (entity, range) => feedOf(entity).split(range),
    permits: new MemoryPermits(),
    foreign: foreignDocuments((entity) => tables.of(entity)),
  };
}

/**
 * A store of rows that lives in this process: the reference of `RelationalStore`. Writes are fenced by its control rows, captured
 * in dirty keys, and waited for by exclusive steps, as in PostgreSQL.
 *
 * @example
 * ```ts
 * import { memoryRelationalStore } from '@polyphase/core/memory';
 *
 * const store = memoryRelationalStore();
 * const wish = { phase: '7', flip: 'manual', revision: 1 } as const;
 * await store.control.create({ group: 'accounts', epoch: 1, phase: '7', term: 1, wish });
 * ```
 */
export function memoryRelationalStore(options: MemoryRelationalStoreOptions = {}): RelationalStore {
  const { clock = systemClock, inFlight } = options;
  const tables = new MemoryTables({ kind: 'rows', clock });
  const leases = new MemoryLeases({ clock });
  const checkpoints = new MemoryCheckpoints({ leases });
  const journal = new MemoryJournal();
  const control = new MemoryControl({ journal });
  const dirtyKeys = new MemoryDirtyKeys({ clock, tableOf: (name) => tables.named(name) });
  const rows = { control, dirtyKeys, journal, checkpoints, inFlight };
  return {
    kind: 'rows',
    ...recordHost({ clock, tables, leases, checkpoints, rows }),
    control,
    members: new MemoryMembers({ clock, control }),
    shadowTallies: new MemoryShadowTallies({ clock }),
    dirtyKeys,
    journal,
  };
}

/**
 * A cache that lives in this process: the reference of `CacheStore`. It is not shared between processes, so where several write,
 * each sees its own invalidations only.
 *
 * @example
 * ```ts
 * import { memoryCacheStore } from '@polyphase/core/memory';
 *
 * const cache = memoryCacheStore().cache('accounts:');
 * const miss = await cache.lease('a1');
 * if (miss.kind === 'leased')
 *   await cache.fill('a1', miss.token, { version: { term: 1, counter: 1 }, payload: '{}' }, 60_000);
 * ```
 */
export function memoryCacheStore(options: MemoryCacheStoreOptions = {}): MemoryCacheStore {
  const slots = new MemorySlots({
    clock: options.clock ?? systemClock,
    maxEntries: options.maxEntries ?? 100_000,
  });
  const caches = new Map<string, MemoryCache>();
  return {
    kind: 'cache',
    cache: (namespace) => made(caches, namespace, () => new MemoryCache({ slots, namespace })),
    flush: () => slots.clear(),
  };
}
