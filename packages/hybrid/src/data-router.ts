import {
  type CallOptions,
  ConnectionError,
  FencedError,
  keyLabel,
  type QueryPlan,
  type RecordKey,
  type RecordStore,
  type RepositoryStore,
  SealedError,
  type StoredRecord,
  type WriteIntent,
  type WriteLease,
  type WriteResult,
} from '@polyphase/core';
import type { Group } from './phases/group.ts';

/**
 * Sends each call of one entity to the store that answers in its phase. The caller sees one repository; what moves underneath is
 * the control row.
 *
 * A call that met a move of the authority on its way (fenced or sealed inside the store, permit closed) looks again and goes
 * where the authority is now, with the same operation id; nothing was written by the attempt before. It does so for as long as a
 * call may be held, and then fails with a retryable error.
 */
export class DataRouter implements RepositoryStore {
  readonly #group: Group;
  readonly #copySecond: (results: readonly WriteResult[]) => Promise<void>;
  readonly #refresh: (signal?: AbortSignal) => Promise<void>;
  #maxStalenessMs: number;

  constructor(options: {
    readonly group: Group;
    readonly maxStalenessMs: number;
    /** Reads the control row again. */
    readonly refresh: (signal?: AbortSignal) => Promise<void>;
    /** Makes the second write of the dual phases. */
    readonly copySecond: (results: readonly WriteResult[]) => Promise<void>;
  }) {
    this.#group = options.group;
    this.#copySecond = options.copySecond;
    this.#refresh = options.refresh;
    this.#maxStalenessMs = options.maxStalenessMs;
  }

  /** How far PostgreSQL may be behind and still answer reads, in milliseconds. */
  set maxStalenessMs(ms: number) {
    this.#maxStalenessMs = ms;
  }

  read(key: RecordKey, options: CallOptions = {}): Promise<StoredRecord | undefined> {
    return this.#read((records) => records.read(key, options), options);
  }

  readMany(
    keys: readonly RecordKey[],
    options: CallOptions = {},
  ): Promise<readonly (StoredRecord | undefined)[]> {
    return this.#read((records) => records.readMany(keys, options), options);
  }

  query(plan: QueryPlan, options: CallOptions = {}): Promise<readonly StoredRecord[]> {
    return this.#read((records) => records.query(plan, options), options);
  }

  async write(intent: WriteIntent, options: CallOptions = {}): Promise<WriteResult> {
    return this.#routed(options.signal, () =>
      this.#group.rules.authority === 'cosmos'
        ? this.#writeCosmos(intent, options)
        : this.#writePostgres(intent, options),
    );
  }

  async #read<Answer>(ask: (records: RecordStore) => Promise<Answer>, options: CallOptions): Promise<Answer> {
    return this.#routed(options.signal, async () => {
      const { rules } = this.#group;
      if (rules.authority === 'postgres') return ask(this.#group.records('postgres'));
      if (rules.freshReads && this.#group.isFresh(this.#maxStalenessMs)) {
        try {
          return await ask(this.#group.records('postgres'));
        } catch (error) {
          // PostgreSQL is not the authority yet: losing it may cost a read its short cut, never its answer.
          if (!ConnectionError.isInstance(error)) throw error;
          this.#group.noteBehind();
        }
      }
      return ask(this.#group.records('cosmos'));
    });
  }

  async #routed<Answer>(signal: AbortSignal | undefined, call: () => Promise<Answer>): Promise<Answer> {
    const { clock, limits, gate } = this.#group;
    const until = clock.monotonic() + limits.holdMs;
    for (;;) {
      if (this.#group.view.kind === 'unknown') await this.#refresh(signal);
      const ticket = await gate.enter(signal);
      try {
        return await call();
      } catch (error) {
        if (!this.#mayRetry(error) || clock.monotonic() >= until) throw error;
      } finally {
        ticket.leave();
      }
      await clock.sleep(Math.min(limits.pollMs, 100), signal);
      await this.#refresh(signal);
    }
  }

  // Each of these says that nothing was written by the attempt, so that another is no second write.
  #mayRetry(error: unknown): boolean {
    if (this.#group.isFenced) return false;
    if (FencedError.isInstance(error) || SealedError.isInstance(error)) return true;
    return this.#group.rules.authority === 'postgres' && ConnectionError.isInstance(error);
  }

  async #writeCosmos(intent: WriteIntent, options: CallOptions): Promise<WriteResult> {
    const records = this.#group.records('cosmos');
    const lease = await this.#leased();
    const result = await records.write(intent, { ...options, term: lease.term });
    const { entity } = this.#group;
    await this.#group.confirm(lease, {
      operation: intent.kind,
      entity: entity.name,
      key: keyLabel(intent.key),
      operationId: intent.operationId,
    });
    await this.#copySecond([result]);
    return result;
  }

  async #leased(): Promise<WriteLease> {
    const lease = await this.#group.lease();
    if (lease) return lease;
    throw new SealedError({
      message: 'Cosmos DB grants no lease to write: the authority is moving, or has moved',
      entity: this.#group.entity.name,
    });
  }

  async #writePostgres(intent: WriteIntent, options: CallOptions): Promise<WriteResult> {
    const { row, entity } = this.#group;
    const records = this.#group.records('postgres');
    return records.write(intent, { ...options, term: row?.term ?? 1, fence: entity.name });
  }
}
