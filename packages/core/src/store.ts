import type { CacheService } from './cache.ts';
import type { ChangeFeed } from './change-feed.ts';
import type { CheckpointStore } from './checkpoint.ts';
import type { ControlStore } from './control.ts';
import type { DirtyKeys } from './dirty-keys.ts';
import type { Entity } from './entity.ts';
import type { Journal } from './journal.ts';
import type { LeaseManager } from './lease.ts';
import type { Members } from './members.ts';
import type { PermitStore } from './permit.ts';
import type { CallOptions, RecordStore } from './record-store.ts';
import type { ShadowTallies } from './shadow-tallies.ts';
import type { RunUnit, UnitSql } from './unit-of-work.ts';

/** What a store says about an entity before a phase may change: one answer for each thing that was looked at. */
export interface GateAnswer {
  readonly name: string;
  readonly passed: boolean;
  /** What was found. */
  readonly seen: string;
  /** What must be found; where it is not, what to do. */
  readonly wanted: string;
}

/** Options of {@link RecordHost.verify}. */
export interface VerifyOptions extends CallOptions {
  /**
   * Whether no other store has followed this one yet: whoever else reads what is there is about to meet tombstones and stamps, and must
   * have been thought of.
   *
   * @default false
   */
  readonly adopting?: boolean | undefined;
  /** Names of the entities that change together with this one in units of work. @default none */
  readonly together?: readonly string[] | undefined;
}

/** What both kinds of store offer. Whoever made the driver's client closes it; closing a store stops only what the store started. */
export interface RecordHost {
  /** The records of an entity. Cheap; the same object each time. */
  records(entity: Entity): RecordStore;
  /** Runs work as one unit. */
  readonly runUnit: RunUnit;
  readonly checkpoints: CheckpointStore;
  readonly leases: LeaseManager;
  /**
   * Makes ready for these entities, or tells why it cannot.
   *
   * @throws `ConnectionError` while the store is down, `InvalidOptionsError` for what a person must mend
   */
  prepare(entities: readonly Entity[], options?: CallOptions): Promise<void>;
  /** Whether keys, indexes and unique keys of the entity fit what is in the store; with the exact fix where they do not. */
  verify(entity: Entity, options?: VerifyOptions): Promise<readonly GateAnswer[]>;
}

/** A store of documents that the migration leaves: Azure Cosmos DB. */
export interface DocumentStore extends RecordHost {
  readonly kind: 'documents';
  /** The change feed of an entity. */
  changes(entity: Entity): ChangeFeed;
  readonly permits: PermitStore;
}

/** A store of rows that the migration goes to: PostgreSQL. */
export interface RelationalStore extends RecordHost {
  readonly kind: 'rows';
  readonly control: ControlStore;
  readonly members: Members;
  readonly shadowTallies: ShadowTallies;
  readonly dirtyKeys: DirtyKeys;
  readonly journal: Journal;
  /**
   * Makes the query builder with which an application speaks SQL inside a unit, where the store has one. Cheap; `join` is called before
   * each statement, and the first statement begins the transaction and passes the fences. What it gives is the store's own type.
   */
  readonly sqlIn?: (join: () => Promise<UnitSql>) => unknown;
}

/** A store for the `cached` policy: Redis. */
export interface CacheStore {
  readonly kind: 'cache';
  /** The cache for keys that start with `namespace`. */
  cache(namespace: string): CacheService;
}
