import {
  type Clock,
  InvalidOptionsError,
  type Lease,
  type LeaseManager,
  TimeoutError,
} from '@polyphase/core';

/**
 * This process's exclusive right to work on a control row: to walk its phases and to run its relays.
 *
 * States: none; held; lost (it ran out and another process took it), after which this process stops for good.
 */
export class Membership {
  readonly #leases: LeaseManager;
  readonly #name: string;
  readonly #holder: string;
  readonly #durationMs: number;
  readonly #clock: Clock;
  #lease: Lease | undefined;
  #endsAt = Number.NEGATIVE_INFINITY;
  #taken = false;

  constructor(options: {
    readonly leases: LeaseManager;
    readonly group: string;
    readonly holder: string;
    readonly durationMs: number;
    readonly clock: Clock;
  }) {
    this.#leases = options.leases;
    this.#name = `member:${options.group}`;
    this.#holder = options.holder;
    this.#durationMs = options.durationMs;
    this.#clock = options.clock;
  }

  /** Whether this process has the right; `taken`: a living process has it. */
  get state(): 'none' | 'held' | 'taken' {
    if (this.#taken) return 'taken';
    return this.#lease ? 'held' : 'none';
  }

  /** Whether nobody else can have worked on the control row since it was looked at. False after a pause, until it is renewed. */
  get isProven(): boolean {
    return this.#lease !== undefined && this.#clock.monotonic() < this.#endsAt;
  }

  /**
   * Takes the lease. One that a dead process left behind is waited for; one that is renewed meanwhile belongs to a living one.
   *
   * @throws {@link InvalidOptionsError} when another process works on this control row
   */
  async join(signal?: AbortSignal): Promise<void> {
    const options = { signal };
    let first: number | undefined;
    let until: number | undefined;
    for (;;) {
      const askedAt = this.#clock.monotonic();
      const answer = await this.#leases.acquire(this.#name, this.#holder, this.#durationMs, options);
      if (answer.kind === 'acquired') return this.#took(answer.lease, askedAt);
      // A living holder renews every third of the time: more time left than at the first look proves one.
      const { remainingMs } = answer.by;
      first ??= remainingMs + 1;
      // The holder's lease may be longer than ours would be.
      until ??= askedAt + Math.max(remainingMs, this.#durationMs) * 1.5;
      if (remainingMs > first || this.#clock.monotonic() >= until) {
        this.#taken = true;
        throw new InvalidOptionsError({
          message: `Another process (${answer.by.holder}) is at work on "${this.#name.slice('member:'.length)}". One process at a time may; stop the other, or wait until it has ended`,
        });
      }
      first = remainingMs;
      await this.#clock.sleep(Math.min(remainingMs + 10, this.#durationMs / 4), signal);
    }
  }

  /**
   * Makes the lease last, when a third of it is used up.
   *
   * @throws `FencedError` when another process has taken it
   */
  async keep(signal?: AbortSignal): Promise<void> {
    if (!this.#lease || this.#endsAt - this.#clock.monotonic() > (this.#durationMs * 2) / 3) return;
    const askedAt = this.#clock.monotonic();
    this.#took(await this.#leases.renew(this.#lease, { signal }), askedAt);
  }

  /**
   * What a guarded write carries, so that the store refuses it once another process has taken over.
   *
   * @throws {@link TimeoutError} while it has run out here and is not renewed yet; whether it is lost, only the store knows
   */
  proof(): { readonly name: string; readonly token: number } {
    if (!this.#lease || !this.isProven)
      throw new TimeoutError({ message: 'The lease of the control row ran out and is being renewed' });
    return { name: this.#name, token: this.#lease.token };
  }

  /** Gives the lease up, so that the next process need not wait. */
  async leave(): Promise<void> {
    const lease = this.#lease;
    this.#lease = undefined;
    if (lease) await this.#leases.release(lease);
  }

  #took(lease: Lease, askedAt: number): void {
    this.#lease = lease;
    this.#endsAt = askedAt + lease.durationMs;
  }
}
