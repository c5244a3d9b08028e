import {
  type CacheStore,
  type Clock,
  ConnectionError,
  type Entity,
  FencedError,
  type GateAnswer,
  InvalidOptionsError,
  isTransientError,
  type Notices,
  type Phase,
  type ResolvedPolicy,
  type Wish,
  type WriteResult,
} from '@polyphase/core';
import { DataRouter } from './data-router.ts';
import { EntityRecords } from './entity-records.ts';
import type { HybridNotices } from './hybrid-notices.ts';
import { Loops } from './loops.ts';
import { Controller } from './phases/controller.ts';
import { Group, type RecordStores } from './phases/group.ts';
import { mayTryAgain } from './phases/may-try-again.ts';
import { Membership } from './phases/membership.ts';
import { openByPermit, openByRow } from './phases/opening.ts';
import { PHASES } from './phases/phase-table.ts';
import type { ProtocolLimits } from './protocol-limits.ts';
import { FeedRelay } from './relay/feed-relay.ts';
import { ReverseRelay } from './relay/reverse-relay.ts';
import { SecondWriter } from './second-writer.ts';

/** What a runtime is made of. */
export interface EntityRuntimeOptions {
  readonly entity: Entity;
  readonly stores: RecordStores;
  readonly cache: CacheStore | undefined;
  readonly policy: ResolvedPolicy;
  readonly clock: Clock;
  readonly limits: ProtocolLimits;
  /** Name of this process in leases. */
  readonly holder: string;
  readonly notices: Notices<HybridNotices>;
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
  readonly #router: DataRouter;
  readonly #options: EntityRuntimeOptions;
  readonly #membership: Membership | undefined;
  readonly #controller: Controller | undefined;
  readonly #relay: FeedRelay | undefined;
  readonly #reverse: ReverseRelay | undefined;
  readonly #loops: Loops;
  readonly #second: SecondWriter;
  #wish: Wish;
  #joined = false;

  constructor(options: EntityRuntimeOptions) {
    const { entity, stores, clock, limits, holder, notices } = options;
    this.#options = options;
    this.#wish = this.#reachable(options.policy.wish);
    this.group = new Group({
      entity,
      stores,
      clock,
      limits,
      holder,
      onPhase: (from, row) =>
        notices.tell('phase', { entity: entity.name, from, to: row.phase, term: row.term }),
    });
    this.#second = new SecondWriter({
      group: this.group,
      timeoutMs: limits.inlineTimeoutMs,
      onSkipped: (error) => notices.tell('inlineSkipped', { entity: entity.name, error }),
    });
    this.#router = new DataRouter({
      group: this.group,
      maxStalenessMs: options.policy.maxStalenessMs,
      refresh: (signal) => this.refresh(signal),
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
    this.#loops = new Loops({
      clock,
      pollMs: limits.pollMs,
      onFailure: (name, error) => this.#failed(name, error),
    });
    const { cosmos, postgres } = stores;
    if (!postgres) return;
    const membership = new Membership({
      leases: postgres.leases,
      group: entity.name,
      holder,
      durationMs: limits.memberLeaseMs,
      clock,
    });
    this.#membership = membership;
    if (cosmos) {
      this.#relay = new FeedRelay({ group: this.group, feed: cosmos.changes(entity), membership });
      this.#reverse = new ReverseRelay({ group: this.group, postgres, membership });
    }
    const onBlocked = (to: Phase, answers: readonly GateAnswer[]) =>
      notices.tell('blocked', { entity: entity.name, to, answers });
    this.#controller = new Controller({
      group: this.group,
      postgres,
      cosmos,
      relay: this.#relay,
      reverse: this.#reverse,
      onBlocked,
    });
  }

  /** What keeps the entity from where config wants it. */
  get blockedBy(): readonly GateAnswer[] {
    if (!this.#options.stores.postgres || this.#joined) return this.#controller?.blockedBy ?? [];
    return [
      {
        name: 'control row',
        passed: false,
        seen: 'PostgreSQL cannot be reached',
        wanted: 'a connection: the phase is kept there',
      },
    ];
  }

  /** Where config wants the entity to be. */
  get wish(): Wish {
    return this.#wish;
  }

  /** Records that the feed relay has read, and whether it has seen the end of history. */
  get copied(): { readonly read: number; readonly historyRead: boolean } {
    return this.#relay?.progress ?? { read: 0, historyRead: false };
  }

  /**
   * Learns where the entity is, and starts its loops. While PostgreSQL is away, an open permit is enough to begin.
   *
   * @throws `InvalidOptionsError` when config cannot be obeyed, or another process is at work on the control row
   * @throws `ConnectionError` when neither row nor permit can be seen
   */
  async open(signal?: AbortSignal): Promise<void> {
    try {
      await this.#join(signal);
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
    await this.#prepareCosmos(signal);
    if (!this.#options.stores.postgres) return;
    this.#loops.start('controller', () => this.#walk());
    this.#loops.start('membership', () => this.#keep());
    if (!this.#relay) return;
    this.#loops.start('feed relay', () => this.#forward());
    this.#loops.start('reverse relay', () => this.#back());
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
    const { postgres } = this.#options.stores;
    try {
      const row = await postgres?.control.read(this.#options.entity.name, { signal });
      if (row) return this.group.observe(row);
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
    const isSame = there?.phase === wish.phase && there.flip === wish.flip;
    if (there && (wish.revision < there.revision || (wish.revision === there.revision && !isSame)))
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
      const row = this.#joined
        ? await stores.postgres?.control.submit(entity.name, wish, { signal })
        : undefined;
      if (row) this.group.observe(row);
    } catch (error) {
      if (!mayTryAgain(error)) throw error;
      this.#trouble('configuring', error);
    }
    this.#wish = wish;
    this.#router.maxStalenessMs = policy.maxStalenessMs;
    this.records.cacheTtlMs = policy.cacheTtlMs;
    this.#loops.wake();
  }

  /** Stops the loops, waits for calls that are under way, and gives leases up. */
  async close(drainMs: number): Promise<void> {
    const message = 'The hybrid was closed; make another one';
    const isOurs = this.#joined && !this.group.isFenced;
    this.group.fence(message);
    await this.#loops.stop(message);
    if (isOurs) await this.#controller?.release().catch((error: unknown) => this.#trouble('closing', error));
    const { clock } = this.#options;
    const timer = new AbortController();
    await Promise.race([this.group.gate.whenIdle(timer.signal), clock.sleep(drainMs, timer.signal)]).catch(
      () => undefined,
    );
    timer.abort();
    await this.records.close();
    await this.#membership?.leave().catch((error: unknown) => this.#trouble('closing', error));
  }

  // With no Cosmos DB there is nothing to follow, and so no reverse sync.
  #reachable(wish: Wish): Wish {
    return wish.phase === '6' && !this.#options.stores.cosmos ? { ...wish, phase: '7' } : wish;
  }

  async #join(signal?: AbortSignal): Promise<void> {
    const { stores, entity } = this.#options;
    if (!stores.postgres) {
      await openByPermit(this.group, signal);
      return;
    }
    await stores.postgres.prepare([entity], { signal });
    await this.#membership?.join(signal);
    await openByRow(this.group, stores.postgres, this.#wish, signal);
    this.#joined = true;
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

  // PostgreSQL was away when this process began, and is back.
  async #joinLate(): Promise<void> {
    try {
      await this.#join(this.#loops.signal);
    } catch (error) {
      // At the start either would have been refused. Now calls are, when another process is at work; and where only the wish is
      // refused, this process follows the one that is in force.
      if (this.#membership?.state === 'taken') this.group.fence(messageOf(error));
      else if (InvalidOptionsError.isInstance(error) && this.#membership?.state === 'held' && this.group.row)
        this.#joined = true;
      throw error;
    }
  }

  async #walk(): Promise<number> {
    const { signal } = this.#loops;
    if (!this.#joined) await this.#joinLate();
    const { pollMs } = this.#options.limits;
    // A wish that could not be noted when config changed is noted now.
    const { row } = this.group;
    if (row && row.wish.revision < this.#wish.revision)
      await this.#options.stores.postgres?.control.submit(row.group, this.#wish, { signal });
    return (await this.#controller?.step(signal)) === true ? 0 : pollMs;
  }

  async #keep(): Promise<number> {
    if (this.#joined) await this.#membership?.keep(this.#loops.signal);
    return this.#options.limits.memberLeaseMs / 6;
  }

  async #forward(): Promise<number> {
    const { entity, limits, notices } = this.#options;
    if (!this.#joined || !this.#relay || !this.group.row || !PHASES[this.group.row.phase].feed)
      return limits.pollMs;
    const { applied, idle } = await this.#relay.round(this.#loops.signal);
    if (applied > 0) notices.tell('copied', { entity: entity.name, direction: 'forward', records: applied });
    return idle ? Math.min(limits.pollMs, 100) : 0;
  }

  async #back(): Promise<number> {
    const { entity, limits, notices } = this.#options;
    if (!this.#joined || !this.#reverse || !this.group.row || !PHASES[this.group.row.phase].reverse)
      return limits.pollMs;
    const { copied, idle } = await this.#reverse.round(this.#loops.signal);
    if (copied > 0) notices.tell('copied', { entity: entity.name, direction: 'reverse', records: copied });
    return idle ? Math.min(limits.pollMs, 100) : 0;
  }

  // Whether the loop must end: only where another process has taken over. Anything else may be mended while it goes on.
  #failed(name: string, error: unknown): boolean {
    if (FencedError.isInstance(error))
      this.group.fence(`Another process has taken over this entity: ${error.message}`);
    this.#trouble(name, error);
    return this.group.isFenced;
  }

  #trouble(where: string, error: unknown): void {
    this.#options.notices.tell('trouble', { entity: this.#options.entity.name, where, error });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
