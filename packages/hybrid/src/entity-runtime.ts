import {
  type CacheStore,
  type Clock,
  ConnectionError,
  type Entity,
  type GateAnswer,
  InvalidOptionsError,
  isTransientError,
  type Notices,
  type ResolvedPolicy,
  SealedError,
  sameWish,
  type Wish,
  type WriteResult,
} from '@polyphase/core';
import { BackgroundWork } from './background-work.ts';
import { DataRouter } from './data-router.ts';
import { EntityRecords } from './entity-records.ts';
import type { HybridNotices } from './hybrid-notices.ts';
import type { Pace } from './pace/pace.ts';
import type { Controller } from './phases/controller.ts';
import { Group, type RecordStores } from './phases/group.ts';
import { mayTryAgain } from './phases/may-try-again.ts';
import { openByPermit } from './phases/opening.ts';
import { OwnSession } from './phases/own-session.ts';
import type { ProtocolLimits } from './protocol-limits.ts';
import { type FeedStatus, NO_FEED } from './relay/feed-work.ts';
import type { Role } from './roles.ts';
import { SecondWriter } from './second-writer.ts';
import { ShadowReads } from './shadow/shadow-reads.ts';

/** What a runtime is made of. */
export interface EntityRuntimeOptions {
  readonly entity: Entity;
  readonly stores: RecordStores;
  readonly cache: CacheStore | undefined;
  readonly policy: ResolvedPolicy;
  readonly clock: Clock;
  readonly limits: ProtocolLimits;
  readonly roles: ReadonlySet<Role>;
  /** Name of this process in leases. */
  readonly holder: string;
  readonly notices: Notices<HybridNotices>;
  /** How fast history may be copied. */
  readonly pace: Pace;
  /** The runtime of another entity of this process. */
  readonly peer: (entity: string) => EntityRuntime | undefined;
}

/**
 * Everything that one entity needs in this process: the router that calls go through, and, where there is PostgreSQL, the loops
 * that walk its phases and copy its changes.
 *
 * States: opening (the row, or the permit, is looked for); working by the permit alone, while the row cannot be seen; working by
 * the row; closed.
 */
export class EntityRuntime {
  readonly group: Group;
  readonly records: EntityRecords;
  /** What PostgreSQL would have answered. */
  readonly shadow: ShadowReads;
  /** How fast history may be copied. */
  readonly pace: Pace;
  readonly #router: DataRouter;
  readonly #options: EntityRuntimeOptions;
  readonly #work: BackgroundWork | undefined;
  readonly #second: SecondWriter;
  readonly #session: OwnSession | undefined;
  #wish: Wish;

  constructor(options: EntityRuntimeOptions) {
    const { entity, stores, clock, limits, holder, notices } = options;
    this.#options = options;
    this.pace = options.pace;
    this.#wish = this.#reachable(options.policy.wish);
    this.group = new Group({
      entity,
      stores,
      clock,
      limits,
      holder,
      isMember: () => this.#work?.isMember === true,
      onPhase: (from, row) =>
        notices.tell('phase', { entity: entity.name, from, to: row.phase, term: row.term }),
    });
    const feed = stores.cosmos?.changes(entity);
    this.#session = feed && new OwnSession({ group: this.group, feed });
    this.#second = new SecondWriter({
      group: this.group,
      timeoutMs: limits.inlineTimeoutMs,
      onSkipped: (error) => notices.tell('inlineSkipped', { entity: entity.name, error }),
    });
    this.shadow = new ShadowReads({
      group: this.group,
      shadow: options.policy.shadow,
      holder,
      onMismatch: (mismatch) => notices.tell('shadowMismatch', { entity: entity.name, ...mismatch }),
    });
    this.#router = new DataRouter({
      group: this.group,
      policy: options.policy,
      shadow: this.shadow,
      refresh: (signal) => this.refresh(signal),
      assure: (signal) => this.assure(signal),
      copySecond: (results) => this.copySecond(results),
    });
    this.records = new EntityRecords({
      group: this.group,
      router: this.#router,
      cache: options.cache,
      cacheTtlMs: options.policy.cacheTtlMs,
      clock,
      onCacheError: (error) => notices.tell('cacheTrouble', { entity: entity.name, error }),
    });
    const { postgres } = stores;
    if (postgres)
      this.#work = new BackgroundWork({
        group: this.group,
        postgres,
        roles: options.roles,
        holder,
        notices,
        pace: options.pace,
        wish: () => this.#wish,
        peer: (name) => options.peer(name)?.controller,
      });
  }

  /** What walks the entity, where there is PostgreSQL. */
  get controller(): Controller | undefined {
    return this.#work?.controller;
  }

  /** What keeps the entity from where config wants it. */
  get blockedBy(): readonly GateAnswer[] {
    return this.#work?.blockedBy ?? [];
  }

  /** Where config wants the entity to be: this process's, or a later one that is in force. */
  get wish(): Wish {
    const there = this.group.row?.wish;
    return there && there.revision > this.#wish.revision ? there : this.#wish;
  }

  /** What is known of the change feed. */
  get feed(): FeedStatus {
    return this.#work?.feed ?? NO_FEED;
  }

  /**
   * Learns where the entity is, and starts its loops. While PostgreSQL is away, an open permit is enough to begin.
   *
   * @throws `InvalidOptionsError` when config cannot be obeyed
   * @throws `ConnectionError` when neither row nor permit can be seen
   */
  async open(signal?: AbortSignal): Promise<void> {
    try {
      if (this.#work) await this.#work.join(signal);
      else await openByPermit(this.group, signal);
    } catch (error) {
      if (!mayTryAgain(error)) throw error;
      this.#trouble('opening', error);
      if (!(await openByPermit(this.group, signal))) {
        throw new ConnectionError({
          message:
            'PostgreSQL cannot be reached and Cosmos DB grants no lease, so nobody here knows which store is the authority; try again when PostgreSQL is back',
          entity: this.#options.entity.name,
          cause: error,
        });
      }
    }
    this.#session?.begin();
    await this.#prepareCosmos(signal);
    this.#work?.start();
  }

  /** The second write of what was just written to Cosmos DB, in the phases that have one. */
  async copySecond(results: readonly WriteResult[]): Promise<void> {
    // Until the feed has brought it, PostgreSQL must not answer for what was written without it.
    if (!this.group.rules.inline) return this.group.noteBehind();
    // A repeated operation tells the version it made the first time, which later writes may have passed: the feed copies those.
    if (results.some((result) => result.repeated)) this.group.noteBehind();
    const records = results.filter((result) => !result.repeated).map((result) => result.record);
    if (records.length > 0) await this.#second.copy(records);
  }

  /** Looks at the control row again; where it cannot be seen, at the permit. */
  async refresh(signal?: AbortSignal): Promise<void> {
    try {
      if (await this.#work?.look(signal)) return;
    } catch (error) {
      if (!isTransientError(error)) throw error;
      // What is known already holds until the row says otherwise; what is written is fenced in the stores.
      if (this.group.view.kind !== 'unknown') return;
    }
    if (this.group.view.kind === 'unknown' && !(await openByPermit(this.group, signal))) {
      throw new ConnectionError({
        message: 'Nobody here knows yet which store is the authority; try again',
        entity: this.#options.entity.name,
      });
    }
  }

  /**
   * Makes sure, before a read that no store fences, that the authority is where this process takes it to be. The permit tells
   * while that is Cosmos DB, so that PostgreSQL is not needed. Where not even the permit can be asked, nobody knows: what was true before
   * the last lease ended may be wrong by now.
   *
   * @throws `SealedError` when Cosmos DB is the authority no more; whatever the stores throw
   */
  async assure(signal?: AbortSignal): Promise<void> {
    if (this.group.provenTerm === undefined) await this.#prove(signal);
    await this.#session?.cover(signal);
  }

  async #prove(signal?: AbortSignal): Promise<void> {
    const { group } = this;
    if (group.view.kind === 'unknown') await this.refresh(signal);
    else if (group.rules.authority === 'postgres') await this.#work?.look(signal);
    // The look may have shown that it is Cosmos DB by now.
    if (group.rules.authority === 'cosmos') await group.lease(signal);
    else if (group.provenTerm === undefined)
      throw new SealedError({
        message:
          'PostgreSQL answered so late that the authority may have moved meanwhile; nothing was read, try again',
        entity: this.#options.entity.name,
      });
  }

  /**
   * Asks the control row whether it would take another wish. While it cannot be reached, that is found out later.
   *
   * @throws `InvalidOptionsError` when its revision is lower than the row's, or equal with another wish
   */
  async checkWish(policy: ResolvedPolicy, signal?: AbortSignal): Promise<void> {
    const { entity, stores } = this.#options;
    const wish = this.#reachable(policy.wish);
    let there: Wish | undefined;
    try {
      there = (await stores.postgres?.control.read(entity.name, { signal }))?.wish;
    } catch (error) {
      if (!mayTryAgain(error)) throw error;
    }
    if (
      there &&
      (wish.revision < there.revision || (wish.revision === there.revision && !sameWish(wish, there)))
    )
      throw new InvalidOptionsError({
        message: `Config revision ${wish.revision} is not above ${there.revision}, which is in force for "${entity.name}"; raise it`,
      });
  }

  /**
   * Takes another wish. It is noted in the control row at once, or as soon as that can be reached.
   *
   * @throws `InvalidOptionsError` when its revision is lower than the row's
   */
  async configure(policy: ResolvedPolicy, signal?: AbortSignal): Promise<void> {
    const { entity, stores } = this.#options;
    const wish = this.#reachable(policy.wish);
    try {
      // Before this process has joined, there may be no row yet.
      const row = this.#work?.isJoined
        ? await stores.postgres?.control.submit(entity.name, wish, { signal })
        : undefined;
      if (row) this.group.observe(row);
    } catch (error) {
      if (!mayTryAgain(error)) throw error;
      this.#trouble('configuring', error);
    }
    this.#wish = wish;
    this.#router.policy = policy;
    this.shadow.options = policy.shadow;
    this.records.cacheTtlMs = policy.cacheTtlMs;
    this.#work?.wake();
  }

  /** Stops the loops, waits for calls that are under way, and gives leases up. */
  async close(drainMs: number): Promise<void> {
    const message = 'The hybrid was closed; make another one';
    this.group.fence(message);
    await this.#work?.stop(message);
    await this.shadow.close();
    const { clock } = this.#options;
    const timer = new AbortController();
    await Promise.race([this.group.gate.whenIdle(timer.signal), clock.sleep(drainMs, timer.signal)]).catch(
      () => undefined,
    );
    timer.abort();
    await this.records.close();
    await this.#work?.leave();
  }

  // With no Cosmos DB there is nothing to follow, and so no reverse sync.
  #reachable(wish: Wish): Wish {
    return wish.phase === '6' && !this.#options.stores.cosmos ? { ...wish, phase: '7' } : wish;
  }

  // A container that does not fit is told at the start. One that cannot be reached is not waited for: calls say so themselves.
  async #prepareCosmos(signal?: AbortSignal): Promise<void> {
    const { entity, stores } = this.#options;
    if (this.group.rules.authority !== 'cosmos') return;
    try {
      await stores.cosmos?.prepare([entity], { signal });
    } catch (error) {
      if (!mayTryAgain(error)) throw error;
      this.#trouble('opening', error);
    }
  }

  #trouble(where: string, error: unknown): void {
    this.#options.notices.tell('trouble', { entity: this.#options.entity.name, where, error });
  }
}
