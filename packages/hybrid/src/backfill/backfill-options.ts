import {
  type Clock,
  type DocumentStore,
  type Duration,
  type Entity,
  InvalidOptionsError,
  parseDuration,
  type RelationalStore,
  systemClock,
} from '@polyphase/core';

/** What {@link createBackfill} takes. */
export interface BackfillOptions<Entities extends readonly Entity<object>[]> {
  /** Both stores. Whoever made their clients closes them. */
  readonly stores: { readonly cosmos: DocumentStore; readonly postgres: RelationalStore };
  /** The entities that may be copied. */
  readonly entities: Entities;
  /**
   * Names of the entities that are copied, the most important first. Those that are not named stay where they are.
   *
   * @default all, in the order in which they are given
   */
  readonly order?: readonly Entities[number]['name'][];
  /** Entities that are copied at a time. @default 1 */
  readonly atOnce?: number;
  /** Feed ranges of an entity that this process copies at a time. @default 4 */
  readonly rangesAtOnce?: number;
  /**
   * Request units that this process spends in a second, at most, in reads of the feed and in stamps. Below it the rate falls when
   * Cosmos DB answers 429 and rises again.
   *
   * @default none: it begins to be bounded with the first 429
   */
  readonly requestUnitsPerSecond?: number;
  /** Whether to go on with what changes after history was copied, until it is stopped. @default false */
  readonly follow?: boolean;
  /** Pause between looks at what is wanted, at the progress, and at ranges where nothing is going on. @default "500ms" */
  readonly poll?: Duration;
  /** Length of the lease on a range: how long others wait for the ranges of a worker that died. @default "10s" */
  readonly lease?: Duration;
  /** Where time comes from. @default the machine's clock */
  readonly clock?: Clock;
  /** Name of this process in leases, for people who read them. @default a random one */
  readonly processName?: string;
}

/** {@link BackfillOptions}, checked, with every default filled in. */
export interface BackfillSettings {
  readonly stores: { readonly cosmos: DocumentStore; readonly postgres: RelationalStore };
  /** The entities that are copied, in their order. */
  readonly entities: readonly Entity[];
  readonly atOnce: number;
  readonly rangesAtOnce: number;
  readonly requestUnitsPerSecond: number | undefined;
  readonly follow: boolean;
  readonly pollMs: number;
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly holder: string;
}

const isCount = (value: number): boolean => Number.isInteger(value) && value >= 1;

/**
 * Checks the options of a backfill.
 *
 * @throws {@link InvalidOptionsError} with every problem
 */
export function backfillSettings(options: BackfillOptions<readonly Entity<object>[]>): BackfillSettings {
  const { stores, entities, atOnce = 1, rangesAtOnce = 4, requestUnitsPerSecond, follow = false } = options;
  const named = new Map(entities.map((entity) => [entity.name, entity]));
  const order = options.order ?? [...named.keys()];
  const pollMs = parseDuration(options.poll ?? 500);
  const leaseMs = parseDuration(options.lease ?? 10_000);
  const problems = [
    ...(named.size < entities.length ? ['entities: two have the same name; each needs its own'] : []),
    ...order.filter((name) => !named.has(name)).map((name) => `order: no entity "${name}" was given`),
    ...(new Set(order).size < order.length ? ['order names an entity twice'] : []),
    ...(isCount(atOnce) ? [] : ['atOnce must be a whole number, 1 or more']),
    ...(isCount(rangesAtOnce) ? [] : ['rangesAtOnce must be a whole number, 1 or more']),
    ...(requestUnitsPerSecond === undefined || requestUnitsPerSecond >= 10
      ? []
      : ['requestUnitsPerSecond must be a number, 10 or more']),
    ...(pollMs !== undefined && pollMs >= 1 ? [] : ['poll must be at least 1 ms, or text such as "500ms"']),
    ...(leaseMs !== undefined && leaseMs >= 1_000
      ? []
      : ['lease must be at least 1 s, or text such as "10s"']),
  ];
  if (problems.length > 0 || pollMs === undefined || leaseMs === undefined)
    throw new InvalidOptionsError({ message: 'The options of the backfill are not usable', problems });
  return {
    stores,
    entities: order.flatMap((name) => named.get(name) ?? []),
    atOnce,
    rangesAtOnce,
    requestUnitsPerSecond,
    follow,
    pollMs,
    leaseMs,
    clock: options.clock ?? systemClock,
    // Two processes of one name are two holders all the same.
    holder: `${options.processName ?? 'backfill'}-${crypto.randomUUID()}`,
  };
}
