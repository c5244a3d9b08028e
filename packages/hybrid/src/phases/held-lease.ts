import { type Clock, type Lease, type LeaseManager, TimeoutError } from '@polyphase/core';

/** What {@link HeldLease} works with. */
export interface HeldLeaseOptions {
  readonly leases: LeaseManager;
  readonly name: string;
  /** Name of this process in leases. */
  readonly holder: string;
  readonly durationMs: number;
  readonly clock: Clock;
}

/**
 * The exclusive right to one kind of background work of a group, which one process after the other has.
 *
 * States: none; held; run out, until the store says whether it is ours still. Losing it is nothing to the process: another does the
 * work, and what was begun is refused by the token that it carries.
 */
export class HeldLease {
  readonly #options: HeldLeaseOptions;
  #lease: Lease | undefined;
  #endsAt = Number.NEGATIVE_INFINITY;

  constructor(options: HeldLeaseOptions) {
    this.#options = options;
  }

  /** Whether nobody else can have it now. False after a pause, until it is taken again. */
  get isProven(): boolean {
    return this.#lease !== undefined && this.#options.clock.monotonic() < this.#endsAt;
  }

  /** Takes the lease where it is free, and makes it last when a third of it is used up. Tells whether it is held. */
  async take(signal?: AbortSignal): Promise<boolean> {
    const { leases, name, holder, durationMs, clock } = this.#options;
    if (this.#lease && this.#endsAt - clock.monotonic() > (durationMs * 2) / 3) return true;
    const askedAt = clock.monotonic();
    const answer = await leases.acquire(name, holder, durationMs, { signal });
    this.#lease = answer.kind === 'acquired' ? answer.lease : undefined;
    this.#endsAt = askedAt + durationMs;
    return this.isProven;
  }

  /** Makes a lease that is held last. Nothing happens to one that is not. */
  async keep(signal?: AbortSignal): Promise<void> {
    if (this.#lease) await this.take(signal);
  }

  /**
   * What a guarded write carries, so that the store refuses it once another process has the lease.
   *
   * @throws {@link TimeoutError} while it has run out here; whether it is lost, only the store knows
   */
  proof(): { readonly name: string; readonly token: number } {
    if (!this.#lease || !this.isProven)
      throw new TimeoutError({ message: `The lease ${this.#options.name} ran out and is being renewed` });
    return { name: this.#options.name, token: this.#lease.token };
  }

  /** Gives the lease up, so that the next process need not wait. */
  async leave(): Promise<void> {
    const lease = this.#lease;
    this.#lease = undefined;
    this.#endsAt = Number.NEGATIVE_INFINITY;
    if (lease) await this.#options.leases.release(lease);
  }
}
