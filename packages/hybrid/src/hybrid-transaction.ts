import {
  type Entity,
  type EntityKey,
  type EntityValue,
  InvalidOptionsError,
  keyLabel,
  type RecordHost,
  type RelationalStore,
  type Repository,
  type RepositoryStore,
  SealedError,
  StoreRepository,
  type UnitOfWork,
  type UnitRecords,
  type UnitResult,
  type UnitSql,
  UnsupportedError,
  type WriteLease,
  type WriteOptions,
} from '@polyphase/core';
import type { CachedWrite } from './cached-records.ts';
import type { EntityRuntime } from './entity-runtime.ts';
import type { HybridStores, KyselyOf } from './hybrid-options.ts';
import type { Ticket } from './phases/call-gate.ts';
import { enterTogether } from './phases/enter-together.ts';

/** What work inside {@link Hybrid.transaction} can do. */
export interface HybridUnit<Stores extends HybridStores = HybridStores> {
  /** The repository of an entity inside this unit: its reads see the unit's own writes. */
  repository<E extends Entity<object>>(entity: E): Repository<EntityValue<E> & object, EntityKey<E>>;
  /**
   * Kysely on the unit's own transaction in PostgreSQL, for what repositories cannot say: it commits with them, or not at all. Costs
   * nothing until its first statement, which fences the entities of this hybrid that live in PostgreSQL. A statement that fails keeps
   * the unit from committing.
   *
   * What it forfeits: it goes where PostgreSQL is the authority only; no operation id keeps a repeated unit from doing it twice; no
   * schema checks what it stores; no cache hears of it. Records that it changes get their next version and their dirty key from the
   * tables' triggers, and must be read once more in this unit before they are written through a repository.
   *
   * @throws `UnsupportedError` at a statement, before any request, while Cosmos DB is the authority of an entity of this hybrid, unless
   * `postgresOnly` was given; for BEGIN, COMMIT, ROLLBACK, savepoints, `transaction()`, `connection()`, `stream()` and `destroy()`, and
   * for settings that would outlast the unit
   * @throws `ConflictError` at the write of a record that the unit had read before its SQL changed it
   */
  readonly kysely: KyselyOf<Stores>;
}

/** Options of {@link Hybrid.transaction}. */
export interface TransactionOptions {
  readonly signal?: AbortSignal | undefined;
  /** Names the unit, so that repeating it after a lost reply takes effect at most once. @default a new random id */
  readonly operationId?: string | undefined;
  /**
   * Runs the unit in PostgreSQL whatever lives elsewhere, so that `unit.kysely` can be used before every entity has moved. What is written
   * so is in no document and goes no way back; entities whose authority is Cosmos DB cannot join the unit, and SQL on their tables is drift.
   *
   * @default false
   */
  readonly postgresOnly?: boolean | undefined;
}

const NO_TICKET: Ticket = { leave: () => undefined };

interface Member {
  readonly runtime: EntityRuntime;
  readonly lease: WriteLease | undefined;
  /** The cache's part, where there is a cache. */
  readonly cached: CachedWrite | undefined;
  readonly fence: Pick<WriteOptions, 'term' | 'fence' | 'tombstones'>;
}

/**
 * One unit of work over the entities that join it. The first to join decides which store runs it; an entity whose authority is
 * another store is refused when it joins. A unit is never repeated here: its work is the caller's code, and may do other things.
 */
export class HybridTransaction<Stores extends HybridStores> {
  readonly #runtimes: readonly EntityRuntime[];
  readonly #postgres: RelationalStore | undefined;
  readonly #runtimeOf: (entity: Entity) => EntityRuntime;
  readonly #options: TransactionOptions;
  readonly #operationId: string;
  readonly #members = new Map<string, Promise<Member>>();
  readonly #tickets = new Map<string, Promise<Ticket>>();
  readonly #fences = new Map<string, Member['fence']>();
  #isCommitting = false;
  #isToldCaches = false;
  #ended = false;
  #unit: Promise<UnitOfWork> | undefined;
  #writes = 0;
  #authority: string | undefined;
  #running: Promise<UnitResult<void>> | undefined;
  #finish: (error?: unknown) => void = () => undefined;
  #kysely: unknown;
  #sql: Promise<UnitSql> | undefined;

  constructor(options: {
    readonly runtimes: readonly EntityRuntime[];
    readonly postgres: RelationalStore | undefined;
    readonly runtimeOf: (entity: Entity) => EntityRuntime;
    readonly options: TransactionOptions;
  }) {
    this.#runtimes = options.runtimes;
    this.#postgres = options.postgres;
    this.#runtimeOf = options.runtimeOf;
    this.#options = options.options;
    this.#operationId = options.options.operationId ?? crypto.randomUUID();
    if (options.options.postgresOnly === true) this.#authority = 'postgres';
  }

  /** Runs the work and commits what it wrote, or nothing. */
  async run<Result>(work: (unit: HybridUnit<Stores>) => Promise<Result>): Promise<Result> {
    const lend = (): unknown => this.#lendKysely();
    try {
      const newOperationId = () => this.#nextOperationId();
      const result = await work({
        repository: (entity) => new StoreRepository({ entity, store: this.#records(entity), newOperationId }),
        // The store made it, and its type is the one that was derived from the store's.
        get kysely() {
          return lend() as KyselyOf<Stores>;
        },
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
      for (const ticket of await Promise.allSettled(this.#tickets.values()))
        if (ticket.status === 'fulfilled') ticket.value.leave();
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
      return (await this.#begin(() => this.#host(entity))).records(entity);
    };
    // Cosmos DB answers whoever asks: the unit may have stood still since its lease was taken.
    const read = async <Answer>(ask: (records: UnitRecords) => Promise<Answer>): Promise<Answer> => {
      const answer = await ask(await joined());
      await this.#confirm(await this.#join(entity), '').catch(() => {
        throw new SealedError({
          message: 'The authority may have moved while the unit read; run it again',
          entity: entity.name,
        });
      });
      return answer;
    };
    return {
      read: (key, options) => read((records) => records.read(key, options)),
      getMany: (keys, options) => read((records) => records.getMany(keys, options)),
      query: (plan, options) => read((records) => records.query(plan, options)),
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
    this.#checkOpen();
    const member = this.#enter(this.#runtimeOf(entity));
    this.#members.set(entity.name, member);
    // Who could not join has no part in the unit, and may try again.
    member.catch(() => this.#members.delete(entity.name));
    return member;
  }

  async #enter(runtime: EntityRuntime): Promise<Member> {
    const { group } = runtime;
    if (group.view.kind === 'unknown') await runtime.refresh(this.#options.signal);
    this.#checkOpen();
    const { name } = group.entity;
    const ticket = await this.#ticketOf(runtime);
    try {
      await runtime.assure(this.#options.signal);
      const member = await this.#admit(runtime);
      this.#fences.set(name, member.fence);
      return member;
    } catch (error) {
      ticket.leave();
      this.#tickets.delete(name);
      throw error;
    }
  }

  async #ticketOf(runtime: EntityRuntime): Promise<Ticket> {
    const { name } = runtime.group.entity;
    const known = this.#tickets.get(name);
    if (known) return known;
    const names = runtime.group.row?.wish.together ?? [name];
    const entered = this.#runtimes.filter(
      ({ group: { entity } }) => names.includes(entity.name) && !this.#tickets.has(entity.name),
    );
    const entering = enterTogether(entered, this.#options.signal);
    for (const [i, { group }] of entered.entries()) {
      const ticket = entering.then((tickets) => tickets[i] ?? NO_TICKET);
      this.#tickets.set(group.entity.name, ticket);
      ticket.catch(() => this.#tickets.delete(group.entity.name));
    }
    return this.#tickets.get(name) ?? NO_TICKET;
  }

  async #admit(runtime: EntityRuntime): Promise<Member> {
    const { group } = runtime;
    const { authority } = group.rules;
    this.#authority ??= authority;
    if (this.#authority !== authority)
      throw new UnsupportedError({
        message: `A unit of work cannot span two authorities: ${group.entity.name} lives in ${authority}, this unit in ${this.#authority}`,
      });
    if (authority === 'postgres')
      return {
        runtime,
        cached: runtime.records.startWrite(),
        lease: undefined,
        fence: { term: group.row?.term ?? 1, fence: group.entity.name },
      };
    // The term is that of the lease: the row may never have been seen.
    const lease = await group.lease(this.#options.signal);
    const cached = runtime.records.startWrite();
    const fence = { term: lease.term, tombstones: group.keepsTombstones(lease) };
    return { runtime, cached, lease, fence };
  }

  // The store wants one function that does all the work; the caller's work runs outside of it and ends it.
  async #begin(host: () => RecordHost): Promise<UnitOfWork> {
    if (!this.#unit) this.#checkOpen();
    this.#unit ??= new Promise<UnitOfWork>((resolve, reject) => {
      const ended = new Promise<void>((done, failed) => {
        this.#finish = (error) => (error === undefined ? done() : failed(error));
      });
      // The store may refuse the unit before it waits for this.
      ended.catch(() => undefined);
      this.#running = host().runUnit(
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

  // Once the work has returned, nobody would end what began then.
  #checkOpen(): void {
    if (this.#ended || this.#isCommitting)
      throw new InvalidOptionsError({
        message: 'This unit of work has ended; await every call inside the work',
      });
  }

  #lendKysely(): unknown {
    const host = this.#postgres;
    if (!host?.sqlIn)
      throw new UnsupportedError({
        message: 'unit.kysely needs a store of rows that speaks SQL: the one of postgresStore',
      });
    this.#kysely ??= host.sqlIn(() => {
      this.#sql ??= this.#joinSql(host).catch((error: unknown) => {
        this.#sql = undefined;
        throw error;
      });
      return this.#sql;
    });
    return this.#kysely;
  }

  // Nobody knows which tables a statement is about, so every entity that lives in PostgreSQL joins.
  async #joinSql(host: RecordHost): Promise<UnitSql> {
    this.#checkOpen();
    const elsewhere = this.#runtimes.filter(({ group }) => group.rules.authority !== 'postgres');
    const [first] = elsewhere;
    if (this.#authority === 'cosmos' || (first && this.#options.postgresOnly !== true))
      throw new UnsupportedError({
        message: `unit.kysely goes where PostgreSQL is the authority, and ${first?.group.entity.name ?? 'this unit'} lives in Cosmos DB; give postgresOnly: true for SQL that concerns PostgreSQL alone`,
        operation: 'kysely',
      });
    this.#authority = 'postgres';
    const fencedBy = this.#runtimes.filter((it) => !elsewhere.includes(it)).map(({ group }) => group.entity);
    await Promise.all(fencedBy.map((entity) => this.#join(entity)));
    return { unit: await this.#begin(() => host), fencedBy };
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
      const own = written.filter((it) => it.entity.name === member.runtime.group.entity.name);
      const [first] = own;
      if (!member.lease || !first) continue;
      await this.#confirm(member, keyLabel(first.result.record.key));
      await member.runtime.copySecond(own.map((it) => it.result));
    }
  }

  async #confirm({ runtime, lease }: Member, key: string): Promise<void> {
    const entity = runtime.group.entity.name;
    const call = { operation: 'transaction', entity, key, operationId: this.#operationId };
    if (lease) await runtime.group.confirm(lease, call);
  }

  async #tellCaches(tell: (cached: CachedWrite, entity: Entity) => Promise<void>): Promise<void> {
    if (this.#isToldCaches) return;
    this.#isToldCaches = true;
    for (const member of await Promise.allSettled(this.#members.values()))
      if (member.status === 'fulfilled' && member.value.cached)
        await tell(member.value.cached, member.value.runtime.group.entity);
  }
}
