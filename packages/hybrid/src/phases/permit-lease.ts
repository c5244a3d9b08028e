import { type Clock, type PermitStore, UnknownOutcomeError, type WriteLease } from '@polyphase/core';

/** A lease as it is held: when it ends on our own monotonic clock. */
interface RunningLease extends WriteLease {
  readonly endsAt: number;
}

/**
 * This process's right to write one group to Cosmos DB. The lease is counted from before it was asked for, checked before the
 * store is called, and again before the caller is told: checking only before would lose an acknowledged write.
 *
 * States: none; held; held and being renewed; given up (a seal was acknowledged), in which an answer still on its way counts
 * for nothing.
 */
export class PermitLease {
  readonly #permits: PermitStore;
  readonly #group: string;
  readonly #holder: string;
  readonly #clock: Clock;
  #held: RunningLease | undefined;
  #renewal: Promise<RunningLease | undefined> | undefined;
  #generation = 0;
  #lastTerm = 1;

  constructor(options: {
    readonly permits: PermitStore;
    readonly group: string;
    readonly holder: string;
    readonly clock: Clock;
  }) {
    this.#permits = options.permits;
    this.#group = options.group;
    this.#holder = options.holder;
    this.#clock = options.clock;
  }

  /** The term of a lease that is valid now: the authority cannot have left Cosmos DB yet. */
  get provenTerm(): number | undefined {
    return this.#valid()?.term;
  }

  /** The highest term that a lease was granted in: the authority is of that term, or of a later one. */
  get lastTerm(): number {
    return this.#lastTerm;
  }

  /**
   * A lease that is valid now, renewed when a third of it is used up. Undefined when the permit is closed or absent.
   *
   * @throws whatever the store throws while no valid lease is held
   */
  async ensure(): Promise<WriteLease | undefined> {
    const held = this.#valid();
    if (!held) return this.#renew();
    if (held.endsAt - this.#clock.monotonic() < (held.leaseMs * 2) / 3) this.#renew().catch(() => undefined);
    return held;
  }

  /**
   * The second check: the same opening of the permit must still be leased (renewed, if need be), not any. Over a flip and back, a
   * new lease would acknowledge a straggler.
   *
   * @throws {@link UnknownOutcomeError} when it is not
   */
  async confirm(
    lease: WriteLease,
    write: {
      readonly operation: string;
      readonly entity: string;
      readonly key: string;
      readonly operationId: string;
    },
  ): Promise<void> {
    const now = this.#valid() ?? (await this.#renew().catch(() => undefined));
    if (now?.opening === lease.opening) return;
    throw new UnknownOutcomeError({
      message:
        'The lease to write ran out before the write was acknowledged; repeat it with the same operation id',
      ...write,
    });
  }

  /** Gives the lease up and disowns renewals under way. */
  giveUp(): void {
    this.#generation += 1;
    this.#held = undefined;
    this.#renewal = undefined;
  }

  #valid(): RunningLease | undefined {
    return this.#held && this.#clock.monotonic() < this.#held.endsAt ? this.#held : undefined;
  }

  #renew(): Promise<RunningLease | undefined> {
    if (this.#renewal) return this.#renewal;
    const renewal = this.#ask().finally(() => {
      if (this.#renewal === renewal) this.#renewal = undefined;
    });
    this.#renewal = renewal;
    return renewal;
  }

  async #ask(): Promise<RunningLease | undefined> {
    const generation = this.#generation;
    const askedAt = this.#clock.monotonic();
    const lease = await this.#permits.renew(this.#group, this.#holder);
    this.#lastTerm = Math.max(this.#lastTerm, lease?.term ?? 1);
    if (generation !== this.#generation) return undefined;
    this.#held = lease && { ...lease, endsAt: askedAt + lease.leaseMs };
    return this.#valid();
  }
}
