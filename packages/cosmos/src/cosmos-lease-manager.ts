import {
  type CallOptions,
  FencedError,
  isJsonObject,
  type JsonObject,
  type Lease,
  type LeaseAnswer,
  type LeaseHeld,
  type LeaseManager,
  TransactionConflictError,
} from '@polyphase/core';
import type { CosmosContainer, ItemCall } from './cosmos-container.ts';
import { STAMP_FIELD } from './cosmos-document.ts';
import { SqlParameters, sqlPath } from './cosmos-sql.ts';
import { pause, WRITE_ATTEMPTS } from './cosmos-write.ts';
import {
  nameInId,
  reservedCall,
  reservedDocument,
  reservedId,
  reservedPartition,
} from './reserved-document.ts';

/** A lease as it is stored. */
interface StoredLease {
  /** Undefined: released. The token stays, so that it never falls. */
  readonly holder: string | undefined;
  readonly token: number;
  readonly durationMs: number;
  /** The service's date when it was last taken or renewed, in milliseconds. */
  readonly at: number;
}

// The service's dates are whole seconds: one that was noted may be a second earlier than the moment it stands for.
const DATE_STEP_MS = 1_000;

/**
 * Leases as documents under their ETag, timed by the service's date alone. A lease may outlast its duration by up to two seconds,
 * and is never given to another before it has run out.
 */
export class CosmosLeaseManager implements LeaseManager {
  readonly #itemsOf: () => CosmosContainer;

  constructor(options: { readonly itemsOf: () => CosmosContainer }) {
    this.#itemsOf = options.itemsOf;
  }

  async acquire(
    name: string,
    holder: string,
    durationMs: number,
    options: CallOptions = {},
  ): Promise<LeaseAnswer> {
    return this.#change<LeaseAnswer>(name, 'acquire', options, (there, now) => {
      const remainingMs = there ? remainingOf(there, now) : 0;
      if (there?.holder !== undefined && there.holder !== holder && remainingMs > 0) {
        return { answer: { kind: 'held', by: { holder: there.holder, token: there.token, remainingMs } } };
      }
      const token = there?.holder === holder ? there.token : (there?.token ?? 0) + 1;
      return {
        store: { holder, token, durationMs, at: now },
        answer: { kind: 'acquired', lease: { name, holder, token, durationMs } },
      };
    });
  }

  async renew(lease: Lease, options: CallOptions = {}): Promise<Lease> {
    return this.#change(lease.name, 'renew', options, (there, now) => {
      if (there?.holder !== lease.holder || there.token !== lease.token)
        throw new FencedError({
          message: 'The lease was lost: it ran out and another took it, or it was released',
          operation: 'renew',
          key: lease.name,
        });
      const { holder, token, durationMs } = lease;
      return { store: { holder, token, durationMs, at: now }, answer: lease };
    });
  }

  async release(lease: Lease, options: CallOptions = {}): Promise<void> {
    await this.#change(lease.name, 'release', options, (there) => {
      if (there?.holder !== lease.holder || there.token !== lease.token) return { answer: true };
      return { store: { ...there, holder: undefined }, answer: true };
    });
  }

  async list(prefix: string, options: CallOptions = {}): Promise<ReadonlyMap<string, LeaseHeld>> {
    const items = this.#itemsOf();
    const partition = reservedPartition(await items.info(options));
    const parameters = new SqlParameters();
    const id = sqlPath(['id']);
    // The service's own clock, in the answer itself: pages of a query have no date of their own.
    const query = `SELECT ${id}, ${sqlPath([STAMP_FIELD])}, GetCurrentTimestamp() AS now FROM c WHERE STARTSWITH(${id}, ${parameters.add(reservedId('lease', prefix))}) ORDER BY ${id}`;
    const spec = { query, parameters: parameters.list() };
    const found = new Map<string, LeaseHeld>();
    for await (const { rows } of items.query(spec, { operation: 'lease', partition, ...options }))
      for (const row of rows) {
        const there = leaseOf(row);
        const { id: rowId, now } = row;
        if (there?.holder === undefined || typeof rowId !== 'string' || typeof now !== 'number') continue;
        const remainingMs = remainingOf(there, now);
        if (remainingMs > 0)
          found.set(nameInId('lease', rowId), { holder: there.holder, token: there.token, remainingMs });
      }
    return found;
  }

  // Read, decide, write under the ETag; again when somebody was faster or no answer came. Each decision is safe to repeat: a holder
  // that finds its own name and token in the document had taken it.
  async #change<Answer>(
    name: string,
    operation: string,
    { signal }: CallOptions,
    decide: (
      there: StoredLease | undefined,
      now: number,
    ) => { readonly store?: StoredLease; readonly answer: Answer },
  ): Promise<Answer> {
    const items = this.#itemsOf();
    const info = await items.info({ signal });
    const call: ItemCall = reservedCall(info, reservedId('lease', name), { operation: 'lease', signal });
    for (let attempt = 1; attempt <= WRITE_ATTEMPTS; attempt += 1) {
      const { document, etag, serverNowMs } = await items.read(call);
      const { store, answer } = decide(document && leaseOf(document), serverNowMs);
      if (!store) return answer;
      const { holder, token, durationMs, at } = store;
      const next = reservedDocument(info, {
        kind: 'lease',
        id: call.id,
        content: { holder: holder ?? null, token, durationMs, at },
      });
      const outcome = await items.put(next, etag, call);
      if (outcome.kind === 'written') return answer;
      await pause(attempt, signal);
    }
    throw new TransactionConflictError({
      message: `The lease could not be changed in ${WRITE_ATTEMPTS} attempts; try again`,
      operation,
      key: name,
    });
  }
}

function remainingOf({ at, durationMs }: StoredLease, now: number): number {
  return Math.min(at + DATE_STEP_MS + durationMs - now, durationMs);
}

function leaseOf(document: JsonObject): StoredLease | undefined {
  const stamp = document[STAMP_FIELD];
  if (!isJsonObject(stamp)) return undefined;
  const { holder, token, durationMs, at } = stamp;
  if (typeof token !== 'number' || typeof durationMs !== 'number' || typeof at !== 'number') return undefined;
  return { holder: typeof holder === 'string' ? holder : undefined, token, durationMs, at };
}
