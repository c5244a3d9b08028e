import {
  type ConfigSource,
  type Entity,
  InvalidOptionsError,
  type LoadedConfig,
  type NoticeListener,
  Notices,
  type ResolvedConfig,
  StoreRepository,
  systemClock,
} from '@polyphase/core';
import { ConfigFollower, type ConfigFollowerOptions } from './config/config-follower.ts';
import { checkRevision, resolveConfig } from './config/resolve-config.ts';
import { EntityRuntime } from './entity-runtime.ts';
import type { HybridNotices } from './hybrid-notices.ts';
import type { ConfigFor, HybridOptions, HybridStores } from './hybrid-options.ts';
import type { RepositoryOf } from './hybrid-repository.ts';
import { type EntityStatus, type PlannedStep, planOf, statusOf } from './hybrid-status.ts';
import { HybridTransaction, type HybridUnit, type TransactionOptions } from './hybrid-transaction.ts';
import { Pace } from './pace/pace.ts';
import { type EntityPlan, type PlanOptions, planEntity } from './plan-entity.ts';
import { protocolLimits } from './protocol-limits.ts';
import { ROLES, type Role } from './roles.ts';

const DRAIN_MS = 5_000;

interface Registered {
  readonly entity: Entity<object>;
  readonly runtime: EntityRuntime;
}

/**
 * Repositories whose records live where config says: in Cosmos DB, in PostgreSQL, on the way between them, behind a cache.
 * Make one with {@link createHybrid}.
 */
export class Hybrid<
  Stores extends HybridStores = HybridStores,
  Entities extends readonly Entity<object>[] = readonly Entity<object>[],
> {
  readonly #stores: HybridStores;
  readonly #registered: ReadonlyMap<string, Registered>;
  readonly #notices: Notices<HybridNotices>;
  #config: ResolvedConfig;
  #configuring: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | undefined;
  #follower: ConfigFollower | undefined;

  /** @internal Use {@link createHybrid}, which also opens it. */
  constructor(options: {
    readonly registered: ReadonlyMap<string, Registered>;
    readonly notices: Notices<HybridNotices>;
    readonly stores: HybridStores;
    readonly config: ResolvedConfig;
  }) {
    this.#registered = options.registered;
    this.#notices = options.notices;
    this.#stores = options.stores;
    this.#config = options.config;
  }

  /**
   * The repository of an entity. Cheap; it stays good while config changes.
   *
   * @throws `InvalidOptionsError` when the entity is not registered
   */
  repository<E extends Entities[number]>(entity: E): RepositoryOf<E> {
    const registered = this.#of(entity);
    return new StoreRepository({ entity, store: registered.runtime.records });
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
    work: (unit: HybridUnit<Stores>) => Promise<Result>,
    options: TransactionOptions = {},
  ): Promise<Result> {
    return new HybridTransaction<Stores>({
      runtimes: [...this.#registered.values()].map(({ runtime }) => runtime),
      postgres: this.#stores.postgres,
      runtimeOf: (entity) => this.#of(entity).runtime,
      options,
    }).run(work);
  }

  /**
   * Takes another config. It is checked as a whole; a bad one is refused and the running one stays. The phases follow in the
   * background, each step behind its gates: watch {@link Hybrid.status} and the notices.
   *
   * @returns the steps that lie ahead
   * @throws `InvalidOptionsError` with every problem, or when the revision is lower than the one that runs, or the same and
   * says something else
   */
  async configure(config: ConfigFor<Stores, Entities> | LoadedConfig): Promise<readonly PlannedStep[]> {
    const turn = this.#configuring.then(() => this.#configure(config));
    this.#configuring = turn.catch(() => undefined);
    return turn;
  }

  async #configure(config: unknown): Promise<readonly PlannedStep[]> {
    const runtimes = [...this.#registered.values()];
    const resolved = resolveConfig(
      config,
      runtimes.map((it) => it.entity),
      this.#stores,
    );
    checkRevision(this.#config, resolved);
    const given = runtimes.flatMap(({ entity, runtime }) => {
      const policy = resolved.entities.get(entity.name);
      return policy ? [{ runtime, policy }] : [];
    });
    // Every control row is asked before any is changed: a config is taken as a whole.
    for (const { runtime, policy } of given) await runtime.checkWish(policy);
    for (const { runtime, policy } of given) await runtime.configure(policy);
    this.#config = resolved;
    return runtimes.flatMap(({ entity, runtime }) => planOf(entity.name, runtime));
  }

  /**
   * Where an entity is, where config wants it, and what is in the way.
   *
   * @throws `InvalidOptionsError` when no entity of that name is registered
   */
  status(name: Entities[number]['name']): EntityStatus {
    return statusOf(this.#named(name).runtime);
  }

  /**
   * The steps between an entity and where config wants it, with every gate of the next one asked now; of later steps those whose answers
   * mean something already. Changes nothing: no table, no stamp, no marker.
   *
   * Gates that compare the stores read all records of both, and where history is still to be copied the change feed is read to its end.
   *
   * @throws `InvalidOptionsError` when no entity of that name is registered
   *
   * @example
   * ```ts
   * import type { Hybrid } from '@polyphase/hybrid';
   *
   * export async function printPlan(hybrid: Hybrid): Promise<void> {
   *   const { steps, copy } = await hybrid.plan('accounts');
   *   for (const { from, to, gates } of steps) {
   *     console.log(`${from} → ${to}`);
   *     for (const { name, answers = [] } of gates)
   *       for (const { passed, seen, wanted } of answers)
   *         console.log(passed ? 'passes' : 'refuses', name, seen, passed ? '' : `wanted: ${wanted}`);
   *   }
   *   if (copy) console.log(`${copy.unstamped} documents to stamp: ${copy.requestUnits.stamping} RU`);
   * }
   * ```
   */
  async plan(name: Entities[number]['name'], options: PlanOptions = {}): Promise<EntityPlan> {
    return planEntity(this.#named(name).runtime, options);
  }

  /** Calls `listener` at each notice of that name, until the returned function is called. */
  on<Name extends keyof HybridNotices>(
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
    this.#closed ??= this.#close(options.drainMs ?? DRAIN_MS);
    return this.#closed;
  }

  /** The same as {@link Hybrid.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** @internal Takes what a source holds from now on, until it is closed. */
  follow(options: Omit<ConfigFollowerOptions, 'configure' | 'notices'>): void {
    const configure = async (config: LoadedConfig): Promise<void> => {
      const steps = await this.configure(config);
      this.#notices.tell('config', { revision: this.#config.revision, steps });
    };
    this.#follower = new ConfigFollower({ ...options, configure, notices: this.#notices });
    this.#follower.start();
  }

  async #close(drainMs: number): Promise<void> {
    await this.#follower?.stop();
    await Promise.all([...this.#registered.values()].map(({ runtime }) => runtime.close(drainMs)));
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

/**
 * Opens repositories over the stores that are given, as config says.
 *
 * Where PostgreSQL is down, entities that may still live in Cosmos DB begin there, and the rest follows when it is back.
 *
 * Config from a source is followed: whenever what is there changes, it is taken as by {@link Hybrid.configure}, with the notice
 * `config`, or refused with the notice `configKept`, and the running one stays.
 *
 * @throws `InvalidOptionsError` for a config or options that cannot be used
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
  const roles = rolesOf(options.roles);
  const names = entities.map((entity) => entity.name);
  if (new Set(names).size !== names.length)
    throw new InvalidOptionsError({ message: 'Two entities have the same name; each needs its own' });
  const source = isSource(options.config) ? options.config : undefined;
  const running = await source?.read({ signal: options.signal });
  const config = resolveConfig(running ?? options.config, entities, stores);
  const notices = new Notices<HybridNotices>({
    onListenerError: (error) =>
      queueMicrotask(() => process.emitWarning(error instanceof Error ? error : String(error))),
  });
  // Two processes of one name are two holders all the same.
  const holder = `${options.processName ?? 'process'}-${crypto.randomUUID()}`;
  const pace = new Pace({ clock, mostPerSecond: requestUnits(options) });
  const registered = new Map<string, Registered>();
  for (const entity of entities) {
    // A store that maps names checks the map against all entities, and is prepared for them one by one.
    stores.cosmos?.records(entity);
    stores.postgres?.records(entity);
    const policy = config.entities.get(entity.name);
    if (policy)
      registered.set(entity.name, {
        entity,
        runtime: new EntityRuntime({
          entity,
          stores,
          cache: stores.cache,
          policy,
          clock,
          limits,
          roles,
          holder,
          notices,
          pace,
          peer: (name) => registered.get(name)?.runtime,
        }),
      });
  }
  const hybrid = new Hybrid<Stores, Entities>({ registered, notices, stores, config });
  await openAll(
    [...registered.values()].map(({ runtime }) => runtime),
    options.signal,
  ).catch(async (error: unknown) => {
    await hybrid.close({ drainMs: 0 });
    throw error;
  });
  if (source && running) hybrid.follow({ source, running, clock, pollMs: limits.pollMs });
  return hybrid;
}

function rolesOf(roles: readonly Role[] = ROLES): ReadonlySet<Role> {
  const known: readonly string[] = ROLES;
  const strange = roles.filter((role) => !known.includes(role));
  if (strange.length > 0 || roles.length === 0)
    throw new InvalidOptionsError({
      message: `roles must be some of ${ROLES.join(', ')}; there is ${strange.join(', ') || 'none'}`,
    });
  return new Set(roles);
}

function requestUnits({ backfill }: Pick<HybridOptions<HybridStores, []>, 'backfill'>): number | undefined {
  const most = backfill?.requestUnitsPerSecond;
  if (most === undefined || most >= 10) return most;
  throw new InvalidOptionsError({ message: 'backfill.requestUnitsPerSecond must be a number, 10 or more' });
}

function isSource(config: object): config is ConfigSource {
  return 'watch' in config && typeof config.watch === 'function';
}

// When one cannot open, the others are stopped, and have ended before the failure is told: nothing is left behind.
async function openAll(runtimes: readonly EntityRuntime[], signal: AbortSignal | undefined): Promise<void> {
  const failed = new AbortController();
  const bounded = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal;
  const opening = runtimes.map(async (runtime) => {
    try {
      await runtime.open(bounded);
    } catch (error) {
      failed.abort(error);
    }
  });
  await Promise.all(opening);
  if (failed.signal.aborted) throw failed.signal.reason;
}
