import {
  type CallOptions,
  FencedError,
  type Lease,
  type LeaseAnswer,
  type LeaseHeld,
  type LeaseManager,
} from '@polyphase/core';
import type { Connections } from './connections.ts';
import { acquireLease } from './sql/acquire-lease.ts';
import { listLeases } from './sql/list-leases.ts';
import { readLease } from './sql/read-lease.ts';
import { releaseLease } from './sql/release-lease.ts';
import { renewLease } from './sql/renew-lease.ts';

/** Leases in `polyphase.lease`, timed by the server's clock alone. */
export class PostgresLeaseManager implements LeaseManager {
  readonly #connections: Connections;

  constructor(options: { readonly connections: Connections }) {
    this.#connections = options.connections;
  }

  async acquire(
    name: string,
    holder: string,
    durationMs: number,
    { signal }: CallOptions = {},
  ): Promise<LeaseAnswer> {
    const place = { operation: 'acquire lease', key: name, signal };
    const bound = [acquireLease.bind({ name, holder, durationMs }), readLease.bind(name)];
    for (;;) {
      const [acquired, read] = await this.#connections.run(bound, place);
      const token = acquireLease.rows(acquired)[0];
      if (token !== undefined) return { kind: 'acquired', lease: { name, holder, token, durationMs } };
      const by = readLease.rows(read)[0];
      if (by) return { kind: 'held', by };
      // It was released between the two statements.
    }
  }

  async renew(lease: Lease, { signal }: CallOptions = {}): Promise<Lease> {
    const place = { operation: 'renew lease', key: lease.name, signal };
    const [result] = await this.#connections.run([renewLease.bind(lease)], place);
    if (result?.rows.length === 1) return lease;
    throw new FencedError({ message: 'The lease was lost', operation: place.operation, key: lease.name });
  }

  async release(lease: Lease, { signal }: CallOptions = {}): Promise<void> {
    const place = { operation: 'release lease', key: lease.name, signal };
    await this.#connections.run([releaseLease.bind(lease)], place);
  }
  async list(prefix: string, { signal }: CallOptions = {}): Promise<ReadonlyMap<string, LeaseHeld>> {
    const place = { operation: 'list leases', key: prefix, signal };
    const [result] = await this.#connections.run([listLeases.bind(prefix)], place);
    return new Map(listLeases.rows(result).map(({ name, ...held }) => [name, held]));
  }
}
