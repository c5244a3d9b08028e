import type { Clock } from '../clock.ts';
import { FencedError } from '../errors.ts';
import type { Lease, LeaseAnswer, LeaseHeld, LeaseManager } from '../lease.ts';
import { compareText } from '../order.ts';
import type { CallOptions } from '../record-store.ts';
import { turn } from './memory-turn.ts';

interface Held {
  /** Undefined: released. The token stays, so that it never falls. */
  readonly holder: string | undefined;
  readonly token: number;
  readonly endsAt: number;
}

/** Leases in memory, timed by the store's clock. */
export class MemoryLeases implements LeaseManager {
  readonly #clock: Clock;
  readonly #leases = new Map<string, Held>();

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
  }

  async acquire(
    name: string,
    holder: string,
    durationMs: number,
    options?: CallOptions,
  ): Promise<LeaseAnswer> {
    await turn(options);
    const now = this.#clock.monotonic();
    const there = this.#leases.get(name);
    if (there?.holder !== undefined && there.holder !== holder && there.endsAt > now) {
      const by = { holder: there.holder, token: there.token, remainingMs: there.endsAt - now };
      return { kind: 'held', by };
    }
    const token = there?.holder === holder ? there.token : (there?.token ?? 0) + 1;
    this.#leases.set(name, { holder, token, endsAt: now + durationMs });
    return { kind: 'acquired', lease: { name, holder, token, durationMs } };
  }

  async renew(lease: Lease, options?: CallOptions): Promise<Lease> {
    await turn(options);
    if (!this.isHeld(lease.name, lease.token))
      throw new FencedError({ message: 'The lease was lost', operation: 'renew', key: lease.name });
    const { holder, token, durationMs } = lease;
    this.#leases.set(lease.name, { holder, token, endsAt: this.#clock.monotonic() + durationMs });
    return lease;
  }

  async release(lease: Lease, options?: CallOptions): Promise<void> {
    await turn(options);
    if (!this.isHeld(lease.name, lease.token)) return;
    this.#leases.set(lease.name, { holder: undefined, token: lease.token, endsAt: 0 });
  }

  async list(prefix: string, options?: CallOptions): Promise<ReadonlyMap<string, LeaseHeld>> {
    await turn(options);
    const now = this.#clock.monotonic();
    const found = [...this.#leases].flatMap(([name, { holder, token, endsAt }]): [string, LeaseHeld][] =>
      name.startsWith(prefix) && holder !== undefined && endsAt > now
        ? [[name, { holder, token, remainingMs: endsAt - now }]]
        : [],
    );
    return new Map(found.toSorted(([a], [b]) => compareText(a, b)));
  }

  /** Whether a token is still the last one of its lease: not released, and taken by nobody since. */
  isHeld(name: string, token: number): boolean {
    const there = this.#leases.get(name);
    return there?.holder !== undefined && there.token === token;
  }
}
