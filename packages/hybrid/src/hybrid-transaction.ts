import {
  type Entity,
  type EntityKey,
  type EntityValue,
  InvalidOptionsError,
  keyLabel,
  type RecordHost,
  type Repository,
  type RepositoryStore,
  StoreRepository,
  type UnitOfWork,
  type UnitRecords,
  type UnitResult,
  UnsupportedError,
  type WriteLease,
  type WriteOptions,
} from '@polyphase/core';
import type { CachedWrite } from './cached-records.ts';
import type { EntityRuntime } from './entity-runtime.ts';
import type { Ticket } from './phases/call-gate.ts';

/** What work inside {@link Hybrid.transaction} can do. */
export interface HybridUnit {
  /** The repository of an entity inside this unit: its reads see the unit's own writes. */
  repository<E extends Entity<object>>(entity: E): Repository<EntityValue<E> & object, EntityKey<E>>;
}

/** Options of {@link Hybrid.transaction}. */
export interface TransactionOptions {
  readonly signal?: AbortSignal | undefined;
  /** Names the unit, so that repeating it after a lost reply takes effect at most once. @default a new random id */
  readonly operationId?: string | undefined;
}

interface Member {
  readonly runtime: EntityRuntime;
  readonly ticket: Ticket;
  readonly lease: WriteLease | undefined;
  /** The cache's part, where there is a cache. */
  readonly cached: CachedWrite | undefined;
  readonly fence: Pick<WriteOptions, 'term' | 'fence' | 'tombstones'>;
}

/**
 * One unit of work over the entities that join it. The first to join decides which store runs it; an entity whose authority is
 * another store is refused when it joins. A unit is never repeated here: its work is the caller's code, and may do other things.
 */
export class HybridTransaction {
  readonly #runtimeOf: (entity: Entity) => EntityRuntime;
  readonly #options: TransactionOptions;
  readonly #operationId: string;
  readonly #members = new Map<string, Promise<Member>>();
  readonly #fences = new Map<string, Member['fence']>();
  #isCommitting = false;
  #isToldCaches = false;
  #ended = false;
  #unit: Promise<UnitOfWork> | undefined;
  #writes = 0;
  #authority: string | undefined;
  #running: Promise<UnitResult<void>> | undefined;
  #finish: (error?: unknown) => void = () => undefined;

  constructor(options: {
    readonly runtimeOf: (entity: Entity) => EntityRuntime;
    readonly options: TransactionOptions;
  }) {
    this.#runtimeOf = options.runtimeOf;
    this.#options = options.options;
    this.#operationId = options.options.operationId ?? crypto.randomUUID();
  }

  /** Runs the work and commits what it wrote, or nothing. */
  async run<Result>(work: (unit: HybridUnit) => Promise<Result>): Promise<Result> {
    try {
      const newOperationId = () => this.#nextOperationId();
      const result = await work({
        repository: (entity) => new StoreRepository({ entity, store: this.#records(entity), newOperationId }),
      });
      this.#isCommitting = true;
      this.#finish();
      const done = await this.#running;
      await this.#acknowledge(done);
      return result;
    } catch (error) {
      this.#finish(error ?? new Error('The work of the unit failed'));
      await this.#running?.catch(() => undefined);
      await this.#tellCaches((cached) =>
        // Work that failed committed nothing, whatever it failed with.
        this.#isCommitting ? cached.failed(error) : cached.committed([]),
      );
      throw error;
    } finally {
      this.#ended = true;
      for (const member of await Promise.allSettled(this.#members.values()))
        if (member.status === 'fulfilled') member.value.ticket.leave();
    }
  }

  // Work that is repeated writes in the same order, so its writes are named by their place in the unit.
  #nextOperationId(): string {
    this.#writes += 1;
    return `${this.#operationId}:${this.#writes}`;
  }

  #records(entity: Entity): RepositoryStore {
    const joined = async (): Promise<UnitRecords> => {
      await this.#join(entity);
      return (await this.#begin(entity)).records(entity);
    };
    return {
      read: async (key, options) => (await joined()).read(key, options),
      readMany: async (keys, options) => (await joined()).readMany(keys, options),
      query: async (plan, options) => (await joined()).query(plan, options),
      write: async (intent, options) => {
        const records = await joined();
        await (await this.#join(entity)).cached?.guard(intent.key);
        return records.write(intent, options);
      },
    };
  }

  async #join(entity: Entity): Promise<Member> {
    const known = this.#members.get(entity.name);
    if (known) return known;
    if (this.#ended)
      throw new InvalidOptionsError({
        message: 'This unit of work has ended; await every call inside the work',
      });
    const member = this.#enter(this.#runtimeOf(entity));
    this.#members.set(entity.name, member);
    return member;
  }

  async #enter(runtime: EntityRuntime): Promise<Member> {
    const { group } = runtime;
    if (group.view.kind === 'unknown') await runtime.refresh(this.#options.signal);
    const ticket = await group.enter(this.#options.signal);
    try {
      await runtime.assure(this.#options.signal);
      const member = await this.#admit(runtime, ticket);
      this.#fences.set(group.entity.name, member.fence);
      return member;
    } catch (error) {
      ticket.leave();
      throw error;
    }
  }

  async #admit(runtime: EntityRuntime, ticket: Ticket): Promise<Member> {
    const { group } = runtime;
    const { authority } = group.rules;
    this.#authority ??= authority;
    if (this.#authority !== authority)
      throw new UnsupportedError({
        message: `A unit of work cannot span two authorities: ${group.entity.name} lives in ${authority}, what joined before it in ${this.#authority}`,
      });
    if (authority === 'postgres')
      return {
        runtime,
        ticket,
        cached: runtime.records.startWrite(),
        lease: undefined,
        fence: { term: group.row?.term ?? 1, fence: group.entity.name },
      };
    // The term is that of the lease: the row may never have been seen.
    const lease = await group.lease(this.#options.signal);
    const cached = runtime.records.startWrite();
    const fence = { term: lease.term, tombstones: group.keepsTombstones };
    return { runtime, ticket, cached, lease, fence };
  }

  // The store wants one function that does all the work; the caller's work runs outside of it and ends it.
  #begin(first: Entity): Promise<UnitOfWork> {
    this.#unit ??= new Promise<UnitOfWork>((resolve, reject) => {
      const ended = new Promise<void>((done, failed) => {
        this.#finish = (error) => (error === undefined ? done() : failed(error));
      });
      // The store may refuse the unit before it waits for this.
      ended.catch(() => undefined);
      this.#running = this.#host(first).runUnit(
        async (unit) => {
          resolve(unit);
          await ended;
        },
        {
          signal: this.#options.signal,
          operationId: this.#operationId,
          fenceOf: (entity) => this.#fences.get(entity.name) ?? { term: 1 },
        },
      );
      this.#running.catch(reject);
    });
    return this.#unit;
  }

  #host(entity: Entity): RecordHost {
    const { stores, rules } = this.#runtimeOf(entity).group;
    const host = stores[rules.authority];
    if (!host)
      throw new InvalidOptionsError({
        message: `${entity.name} lives in a store that this process was not given`,
        entity: entity.name,
      });
    return host;
  }

  async #acknowledge(done: UnitResult<void> | undefined): Promise<void> {
    const written = done?.written ?? [];
    // Before anybody is told of the write, and before anything else can fail.
    await this.#tellCaches((cached, entity) =>
      cached.committed(written.filter((it) => it.entity.name === entity.name).map((it) => it.result.record)),
    );
    for (const member of await Promise.all(this.#members.values())) {
      const { runtime, lease } = member;
      const own = written.filter((it) => it.entity.name === runtime.group.entity.name);
      const [first] = own;
      if (!lease || !first) continue;
      await runtime.group.confirm(lease, {
        operation: 'transaction',
        entity: runtime.group.entity.name,
        key: keyLabel(first.result.record.key),
        operationId: this.#operationId,
      });
      await runtime.copySecond(own.map((it) => it.result));
    }
  }

  async #tellCaches(tell: (cached: CachedWrite, entity: Entity) => Promise<void>): Promise<void> {
    if (this.#isToldCaches) return;
    this.#isToldCaches = true;
    for (const member of await Promise.allSettled(this.#members.values()))
      if (member.status === 'fulfilled' && member.value.cached)
        await tell(member.value.cached, member.value.runtime.group.entity);
  }
}
