import type { Clock } from './clock.ts';
import { FencedError, TimeoutError } from './errors.ts';
import type { Lease, LeaseManager } from './lease.ts';

/** What {@link HeldLease} works with. */
export interface HeldLeaseOptions {
  readonly leases: LeaseManager;
  readonly name: string;
  /** Name of this process in leases: no other process may have it, nor this one after a restart. */
  readonly holder: string;
  readonly durationMs: number;
  readonly clock: Clock;
}

/**
 * A lease as the process sees that has it, counted on its own monotonic clock from before it asked: so it is over here before the
 * store gives it to another.
 *
 * States: none; held; run out, until the store says whether it is ours still. Losing it is no failure: another does the work, and
 * what was begun is refused by the token that it carries.
 *
 * @example
 * ```ts
 * import { HeldLease, systemClock } from '@polyphase/core';
 * import { memoryRelationalStore } from '@polyphase/core/memory';
 *
 * const { leases } = memoryRelationalStore();
 * const lease = new HeldLease({ leases, name: 'nightly', holder: 'worker-1', durationMs: 30_000, clock: systemClock });
 * if (await lease.take()) console.log('at work under', lease.proof().token);
 * await lease.leave();
 * ```
 */
export class HeldLease {
  readonly #options: HeldLeaseOptions;
  #lease: Lease | undefined;
  #endsAt = Number.NEGATIVE_INFINITY;
  #over: AbortController | undefined;

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
    const lease = answer.kind === 'acquired' ? answer.lease : undefined;
    // With the token that it had, nobody else had it meanwhile, however late this is.
    if (lease?.token !== this.#lease?.token) this.#end('another process has it, or had it');
    this.#lease = lease;
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

  /** Aborts with a `FencedError` as soon as the lease is not proven any more: it ran out, another has it, or it was given up. */
  whileHeld(): AbortSignal {
    if (!this.isProven) return AbortSignal.abort(this.#fenced('it ran out'));
    if (this.#over) return this.#over.signal;
    const over = new AbortController();
    this.#over = over;
    // Ends with the signal, which is all that can end it.
    this.#watch(over.signal).catch(() => undefined);
    return over.signal;
  }

  /** Gives the lease up, so that the next process need not wait. */
  async leave(): Promise<void> {
    const lease = this.#lease;
    this.#lease = undefined;
    this.#endsAt = Number.NEGATIVE_INFINITY;
    this.#end('it was given up');
    if (lease) await this.#options.leases.release(lease);
  }

  async #watch(over: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    for (;;) {
      const leftMs = this.#endsAt - clock.monotonic();
      if (leftMs <= 0) return this.#end('it ran out');
      await clock.sleep(leftMs, over);
    }
  }

  #end(why: string): void {
    const over = this.#over;
    this.#over = undefined;
    over?.abort(this.#fenced(why));
  }

  #fenced(why: string): FencedError {
    return new FencedError({ message: `The lease is over: ${why}`, key: this.#options.name });
  }
}
