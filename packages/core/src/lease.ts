import type { CallOptions } from './record-store.ts';

/** Exclusive ownership of a name, until it ends. */
export interface Lease {
  readonly name: string;
  readonly holder: string;
  /** Rises with each change of holder. A guarded write carries it; a lower one is refused. */
  readonly token: number;
  /** Length in milliseconds, counted from before it was asked for. */
  readonly durationMs: number;
}

/** What a refused caller learns. */
export interface LeaseHeld {
  readonly holder: string;
  readonly token: number;
  /** Milliseconds until it ends unless it is renewed, by the store's clock. */
  readonly remainingMs: number;
}

/** What {@link LeaseManager.acquire} answers. */
export type LeaseAnswer =
  | { readonly kind: 'acquired'; readonly lease: Lease }
  | { readonly kind: 'held'; readonly by: LeaseHeld };

/** Gives out exclusive ownership with an end and a fencing token. Time is the store's, so that no two clocks are compared. */
export interface LeaseManager {
  /** Takes a free or expired lease, or tells who has it. The same holder gets its own lease again, with the same token. */
  acquire(name: string, holder: string, durationMs: number, options?: CallOptions): Promise<LeaseAnswer>;
  /**
   * Makes a lease last another `durationMs` from now.
   *
   * @throws {@link FencedError} when it was lost: it ran out and another took it, or it was released
   */
  renew(lease: Lease, options?: CallOptions): Promise<Lease>;
  /** Gives a lease up. Nothing happens when it was lost already. */
  release(lease: Lease, options?: CallOptions): Promise<void>;
  /**
   * The leases that somebody has now, by their names: those that start with `prefix`. Released ones and those that ran out are not
   * among them. A view, which may be old by the time that it is read: only {@link LeaseManager.acquire} decides who has one.
   */
  list(prefix: string, options?: CallOptions): Promise<ReadonlyMap<string, LeaseHeld>>;
}
