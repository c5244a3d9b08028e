import {
  type CacheStore,
  type Entity,
  InvalidOptionsError,
  type NoticeListener,
  Notices,
  parseConfig,
  type ResolvedConfig,
  type ResolvedPolicy,
  StoreRepository,
  systemClock,
} from '@polyphase/core';
import { EntityRuntime } from './entity-runtime.ts';
import type { HybridNotices } from './hybrid-notices.ts';
import type { ConfigFor, HybridOptions, HybridStores, LoadedConfig } from './hybrid-options.ts';
import type { RepositoryOf } from './hybrid-repository.ts';
import { type EntityStatus, type PlannedStep, planOf, statusOf } from './hybrid-status.ts';
import { HybridTransaction, type HybridUnit, type TransactionOptions } from './hybrid-transaction.ts';
import { protocolLimits } from './protocol-limits.ts';

const DRAIN_MS = 5_000;

interface Registered {
  readonly entity: Entity<object>;
  readonly runtime: EntityRuntime;
  policy: ResolvedPolicy;
}

/**
 * Repositories whose records live where config says: in Cosmos DB, in PostgreSQL, on the way between them, behind a cache.
 * Make one with {@link createHybrid}.
 */
export class Hybrid<
  Stores extends HybridStores = HybridStores,
  Entities extends readonly Entity<object>[] = readonly Entity<object>[],
> {
  readonly #cache: CacheStore | undefined;
  readonly #registered: ReadonlyMap<string, Registered>;
  readonly #notices: Notices<HybridNotices>;
  #revision: number;
  #closed: Promise<void> | undefined;

  /** @internal Use {@link createHybrid}, which also opens it. */
  constructor(options: {
    readonly registered: ReadonlyMap<string, Registered>;
    readonly notices: Notices<HybridNotices>;
    readonly cache: CacheStore | undefined;
    readonly revision: number;
  }) {
    this.#registered = options.registered;
    this.#notices = options.notices;
    this.#cache = options.cache;
    this.#revision = options.revision;
  }

  /**
   * The repository of an entity. Cheap; it stays good while config changes.
   *
   * @throws {@link InvalidOptionsError} when the entity is not registered
   */
  repository<E extends Entities[number]>(entity: E): RepositoryOf<E> {
    const registered = this.#of(entity);
    return new StoreRepository({ entity, store: registered.runtime.router });
  }

  /**
   * Runs work as one unit: everything it writes through its own repositories commits together, or nothing does.
   *
   * While Cosmos DB is the authority, a unit is one transactional batch: at most 100 writes in one logical partition of one container;
   * in PostgreSQL it is a transaction. Entities whose authority differs are refused.
   *
   * @throws `TransactionConflictError` when somebody else changed a record meanwhile: run it again
   * @throws `UnknownOutcomeError` when the commit was sent and its reply lost: run it again with the same `operationId`
   */
  async transaction<Result>(
    work: (unit: HybridUnit) => Promise<Result>,
    options: TransactionOptions = {},
  ): Promise<Result> {
    return new HybridTransaction({ runtimeOf: (entity) => this.#of(entity).runtime, options }).run(work);
  }

  /**
   * Takes another config. It is checked as a whole; a bad one is refused and the running one stays. The phases follow in the
   * background, each step behind its gates: watch {@link Hybrid.status} and the notices.
   *
   * @returns the steps that lie ahead
   * @throws {@link InvalidOptionsError} with every problem, or when the revision is lower than the one that runs
   */
  async configure(config: ConfigFor<Stores, Entities> | LoadedConfig): Promise<readonly PlannedStep[]> {
    const resolved = resolve(
      config,
      [...this.#registered.values()].map((it) => it.entity),
      { cache: this.#cache },
    );
    if (resolved.revision < this.#revision) {
      throw new InvalidOptionsError({
        message: `Config revision ${resolved.revision} is lower than ${this.#revision}, which runs; raise it to change anything`,
      });
    }
    for (const [name, policy] of resolved.entities) {
      const registered = this.#registered.get(name);
      if (!registered) continue;
      await registered.runtime.configure(policy);
      registered.policy = policy;
    }
    this.#revision = resolved.revision;
    return [...this.#registered].flatMap(([name, { runtime }]) => planOf(name, runtime));
  }

  /**
   * Where an entity is, where config wants it, and what is in the way.
   *
   * @throws {@link InvalidOptionsError} when no entity of that name is registered
   */
  status(name: Entities[number]['name']): EntityStatus {
    return statusOf(this.#named(name).runtime);
  }

  /** Calls `listener` at each notice of that name, until the returned function is called. */
  on<Name extends keyof HybridNotices & string>(
    name: Name,
    listener: NoticeListener<HybridNotices[Name]>,
  ): () => void {
    return this.#notices.on(name, listener);
  }

  /**
   * Stops background work, waits for calls that are under way, and gives leases up, so that the next process need not wait for them.
   * The stores' clients stay open: whoever made them closes them.
   */
  async close(
    options: {
      /** Longest wait for calls that are under way, in milliseconds. @default 5000 */ readonly drainMs?: number;
    } = {},
  ): Promise<void> {
    this.#closed ??= Promise.all(
      [...this.#registered.values()].map(({ runtime }) => runtime.close(options.drainMs ?? DRAIN_MS)),
    ).then(() => undefined);
    return this.#closed;
  }

  /** The same as {@link Hybrid.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #of(entity: Entity): Registered {
    const registered = this.#named(entity.name);
    if (registered.entity.fingerprint !== entity.fingerprint)
      throw new InvalidOptionsError({
        message: `Another entity is registered under the name "${entity.name}"`,
      });
    return registered;
  }

  #named(name: string): Registered {
    const registered = this.#registered.get(name);
    if (!registered)
      throw new InvalidOptionsError({
        message: `No entity "${name}" is registered; there are ${[...this.#registered.keys()].join(', ')}`,
      });
    return registered;
  }
}

function resolve(
  config: unknown,
  entities: readonly Entity<object>[],
  stores: HybridStores | { readonly cache: CacheStore | undefined },
): ResolvedConfig {
  const plain = typeof config === 'object' && config !== null && 'loaded' in config ? config.loaded : config;
  const resolved = parseConfig(
    plain,
    entities.map((entity) => entity.name),
  );
  const problems: string[] = [];
  for (const [name, policy] of resolved.entities) {
    const needs = (what: 'cosmos' | 'postgres' | 'cache') => {
      if (what in stores && !Reflect.get(stores, what))
        problems.push(`entities.${name}: its policy needs the ${what} store, which was not given`);
    };
    if (policy.cacheTtlMs !== undefined) needs('cache');
    if (policy.wish.phase !== '6' && policy.wish.phase !== '7') needs('cosmos');
    if (policy.wish.phase !== '0') needs('postgres');
  }
  if (problems.length > 0)
    throw new InvalidOptionsError({ message: 'The config is not usable; the running one stays', problems });
  return resolved;
}

/**
 * Opens repositories over the stores that are given, as config says.
 *
 * Where PostgreSQL is down, entities that may still live in Cosmos DB begin there, and the rest follows when it is back.
 *
 * @throws {@link InvalidOptionsError} for a config or options that cannot be used, or while another process is at work on a control row
 * @throws `ConnectionError` when an entity's authority cannot be found out
 *
 * @example
 * ```ts
 * import { defineEntity } from '@polyphase/core';
 * import { memoryDocumentStore, memoryRelationalStore } from '@polyphase/core/memory';
 * import { createHybrid } from '@polyphase/hybrid';
 * import { z } from 'zod';
 *
 * const Account = defineEntity({
 *   name: 'accounts',
 *   schema: z.object({ id: z.string(), tenantId: z.string(), email: z.string() }),
 *   key: { partition: 'tenantId', id: 'id' },
 * });
 *
 * await using hybrid = await createHybrid({
 *   stores: { cosmos: memoryDocumentStore(), postgres: memoryRelationalStore() },
 *   entities: [Account],
 *   config: { revision: 1, entities: { accounts: { policy: 'dual-write' } } },
 * });
 * const accounts = hybrid.repository(Account);
 * await accounts.create({ id: 'a1', tenantId: 't1', email: 'ada@example.com' });
 * ```
 */
export async function createHybrid<
  const Stores extends HybridStores,
  const Entities extends readonly Entity<object>[],
>(options: HybridOptions<Stores, Entities>): Promise<Hybrid<Stores, Entities>> {
  const { stores, entities, clock = systemClock } = options;
  const limits = protocolLimits(options.protocol ?? {});
  const names = entities.map((entity) => entity.name);
  if (new Set(names).size !== names.length)
    throw new InvalidOptionsError({ message: 'Two entities have the same name; each needs its own' });
  const given = { cosmos: stores.cosmos, postgres: stores.postgres, cache: stores.cache };
  const config = resolve(options.config, entities, given);
  const notices = new Notices<HybridNotices>({
    onListenerError: (error) =>
      queueMicrotask(() => process.emitWarning(error instanceof Error ? error : String(error))),
  });
  const holder = options.processName ?? `process-${crypto.randomUUID()}`;
  const registered = new Map<string, Registered>();
  for (const entity of entities) {
    const policy = config.entities.get(entity.name);
    if (policy)
      registered.set(entity.name, {
        entity,
        policy,
        runtime: new EntityRuntime({ entity, stores: given, policy, clock, limits, holder, notices }),
      });
  }
  const hybrid = new Hybrid<Stores, Entities>({
    registered,
    notices,
    cache: stores.cache,
    revision: config.revision,
  });
  try {
    await Promise.all([...registered.values()].map(({ runtime }) => runtime.open(options.signal)));
  } catch (error) {
    await hybrid.close({ drainMs: 0 });
    throw error;
  }
  return hybrid;
}
