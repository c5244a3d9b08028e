import type {
  CachedPolicy,
  CacheStore,
  Clock,
  ConfigSource,
  CosmosOnlyPolicy,
  DocumentStore,
  DualWritePolicy,
  Entity,
  LoadedConfig,
  PostgresPrimaryPolicy,
  RelationalStore,
} from '@polyphase/core';
import type { ProtocolOptions } from './protocol-limits.ts';
import type { Role } from './roles.ts';

/** The stores that a hybrid works with. Whoever made their clients closes them. */
export interface HybridStores {
  /** Made by `cosmosStore`. */
  readonly cosmos?: DocumentStore;
  /** Made by `postgresStore`. */
  readonly postgres?: RelationalStore;
  /** Made by `redisStore`. */
  readonly cache?: CacheStore;
}

type StorePolicyFor<Stores extends HybridStores> =
  | (Stores extends { readonly cosmos: DocumentStore } ? CosmosOnlyPolicy : never)
  | (Stores extends { readonly cosmos: DocumentStore; readonly postgres: RelationalStore }
      ? DualWritePolicy
      : never)
  | (Stores extends { readonly postgres: RelationalStore } ? PostgresPrimaryPolicy : never);

/** The policies that a set of stores can serve: one that needs a store which is not there is a compile error. */
export type PolicyFor<Stores extends HybridStores> =
  | StorePolicyFor<Stores>
  | (Stores extends { readonly cache: CacheStore }
      ? Omit<CachedPolicy, 'over'> & { readonly over: StorePolicyFor<Stores> }
      : never);

/** The config that fits a set of stores and entities: each entity has a policy, and no other may. */
export interface ConfigFor<Stores extends HybridStores, Entities extends readonly Entity<object>[]> {
  /** Rises with each change. A lower one is refused; an equal one must say the same. */
  readonly revision: number;
  /** One policy for each entity. */
  readonly entities: { readonly [Name in Entities[number]['name']]: PolicyFor<Stores> };
  /**
   * Entities whose records change in one unit of work, by a name of your choice: their authority moves in one step, so that a unit never
   * finds them on two sides. An entity is in one group at most, and the policies of a group lie on one side. @default none
   */
  readonly groups?: { readonly [group: string]: readonly Entities[number]['name'][] } | undefined;
}

/** The Kysely of the PostgreSQL store among a set of stores; `never` where there is none. */
export type KyselyOf<Stores extends HybridStores> = Stores extends {
  readonly postgres: { readonly kysely: infer Lent };
}
  ? Lent
  : never;

/** What {@link createHybrid} takes. */
export interface HybridOptions<Stores extends HybridStores, Entities extends readonly Entity<object>[]> {
  readonly stores: Stores;
  readonly entities: Entities;
  /** What is wanted of each entity, or where that is kept: a source is followed. See `Hybrid.configure` for changing it by hand. */
  readonly config: ConfigFor<Stores, Entities> | LoadedConfig | ConfigSource;
  /** Times and bounds of the protocol. @default those of the options */
  readonly protocol?: ProtocolOptions;
  /** How history is copied while application calls go on. */
  readonly backfill?: {
    /**
     * Request units that this process spends in a second, at most, in reads of the feed and in stamps, until history is copied. Below it the
     * rate falls when Cosmos DB answers 429 and rises again.
     *
     * @default none: it begins to be bounded with the first 429
     */
    readonly requestUnitsPerSecond?: number;
  };
  /** Where time comes from. @default the machine's clock */
  readonly clock?: Clock;
  /**
   * What this process does beside its own calls: a service of many processes may leave relays and the controller to a few workers.
   *
   * @default all: `["serve", "relay", "controller"]`
   */
  readonly roles?: readonly Role[];
  /** Name of this process in leases, for people who read them. @default a random one */
  readonly processName?: string;
  /** Aborts the opening. */
  readonly signal?: AbortSignal;
}
