import {
  type CallOptions,
  FencedError,
  isTransientError,
  keyLabel,
  type LiveRecord,
  type QueryPlan,
  type RecordKey,
  type RecordStore,
  type RepositoryStore,
  type ResolvedPolicy,
  SealedError,
  type StoredRecord,
  TimeoutError,
  type WriteIntent,
  type WriteResult,
} from '@polyphase/core';
import type { Group } from './phases/group.ts';
import { orAborted } from './phases/or-aborted.ts';
import { withinTime } from './phases/time-limit.ts';
import { ReadShare } from './read-share.ts';
import { getManyOf, queryOf, type RoutedRead, readManyOf, readOf } from './routed-read.ts';
import type { ShadowReads } from './shadow/shadow-reads.ts';

/** What config says of reads. */
type ReadPolicy = Pick<ResolvedPolicy, 'maxStalenessMs' | 'reads'>;

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
  readonly #assure: (signal?: AbortSignal) => Promise<void>;
  readonly #shadow: ShadowReads;
  #maxStalenessMs: number;
  #share: ReadShare;
  #waiting = 0;

  constructor(options: {
    readonly group: Group;
    readonly policy: ReadPolicy;
    /** Is offered every read that Cosmos DB answered. */
    readonly shadow: ShadowReads;
    /** Reads the control row again. */
    readonly refresh: (signal?: AbortSignal) => Promise<void>;
    /** Makes sure that the authority is where this process takes it to be. */
    readonly assure: (signal?: AbortSignal) => Promise<void>;
    /** Makes the second write of the dual phases. */
    readonly copySecond: (results: readonly WriteResult[]) => Promise<void>;
  }) {
    this.#group = options.group;
    this.#copySecond = options.copySecond;
    this.#refresh = options.refresh;
    this.#assure = options.assure;
    this.#shadow = options.shadow;
    this.#maxStalenessMs = options.policy.maxStalenessMs;
    this.#share = new ReadShare(options.policy.reads);
  }

  /** Which reads PostgreSQL may answer while Cosmos DB is the authority, and how far it may be behind then. */
  set policy({ maxStalenessMs, reads }: ReadPolicy) {
    this.#maxStalenessMs = maxStalenessMs;
    this.#share = new ReadShare(reads);
  }

  /** The same, but reads by key are answered by the authority alone, however fresh the other store is: what a cache is filled from. */
  get authority(): RepositoryStore & Pick<RecordStore, 'readMany'> {
    return {
      read: (key, options) => this.#read(readOf(key), options, false),
      readMany: (keys, options) => this.#read(readManyOf(keys), options, false),
      getMany: (keys, options) => this.#read(getManyOf(keys), options, false),
      query: (plan, options) => this.query(plan, options),
      write: (intent, options) => this.write(intent, options),
    };
  }

  read(key: RecordKey, options: CallOptions = {}): Promise<StoredRecord | undefined> {
    return this.#read(readOf(key), options);
  }

  getMany(
    keys: readonly RecordKey[],
    options: CallOptions = {},
  ): Promise<readonly (LiveRecord | undefined)[]> {
    return this.#read(getManyOf(keys), options);
  }

  query(plan: QueryPlan, options: CallOptions = {}): Promise<readonly LiveRecord[]> {
    return this.#read(queryOf(plan), options);
  }

  async write(intent: WriteIntent, options: CallOptions = {}): Promise<WriteResult> {
    return this.#routed(options.signal, () =>
      this.#group.rules.authority === 'cosmos'
        ? this.#writeCosmos(intent, options)
        : this.#writePostgres(intent, options),
    );
  }

  // Stores fence writes. A read is answered by whoever is asked, so that whom to ask must be certain, before and after: what is read
  // once the authority has moved on may be a straggler's, which nothing that comes later descends from.
  async #read<Answer>(
    read: RoutedRead<Answer>,
    { signal }: CallOptions = {},
    mayBeFresh = true,
  ): Promise<Answer> {
    return this.#routed(signal, async () => {
      await this.#assure(signal);
      const { provenTerm } = this.#group;
      const answer = await this.#ask(read, signal, mayBeFresh);
      if (this.#group.provenTerm === provenTerm) return answer;
      await this.#assure(signal);
      if (this.#group.provenTerm === provenTerm) return answer;
      throw new SealedError({
        message: 'The authority moved while it was read; read again',
        entity: this.#group.entity.name,
      });
    });
  }

  async #ask<Answer>(
    read: RoutedRead<Answer>,
    signal: AbortSignal | undefined,
    mayBeFresh: boolean,
  ): Promise<Answer> {
    const { rules } = this.#group;
    if (rules.authority === 'postgres') return read.ask(this.#group.records('postgres'), signal);
    if (mayBeFresh && this.#mayAskFresh(read)) {
      try {
        return await this.#askFresh(read, signal);
      } catch {
        // PostgreSQL is not the authority yet: losing it may cost a read its short cut, never its answer.
        signal?.throwIfAborted();
        this.#group.noteBehind();
      }
    }
    const answer = await read.ask(this.#group.records('cosmos'), signal);
    if (this.#shadow.isOn) this.#offer(read, answer);
    return answer;
  }

  #mayAskFresh({ partitions }: Pick<RoutedRead<never>, 'partitions'>): boolean {
    return (
      this.#group.rules.freshReads &&
      this.#share.covers(partitions) &&
      this.#group.isFresh(this.#maxStalenessMs)
    );
  }

  #offer<Answer>(read: RoutedRead<Answer>, answer: Answer): void {
    this.#shadow.offer(read.shape(), () => ({
      answer: read.listed(answer),
      ask: async (records, signal) => read.listed(await read.ask(records, signal)),
    }));
  }

  // An answer that takes longer than it may be stale is not waited for.
  #askFresh<Answer>(read: RoutedRead<Answer>, signal: AbortSignal | undefined): Promise<Answer> {
    const ms = this.#maxStalenessMs;
    const late = () =>
      new TimeoutError({
        message: `PostgreSQL took longer than ${ms} ms to read`,
        entity: this.#group.entity.name,
      });
    return withinTime({ clock: this.#group.clock, ms, signal, late }, (bounded) =>
      orAborted(read.ask(this.#group.records('postgres'), bounded), bounded),
    );
  }

  async #routed<Answer>(signal: AbortSignal | undefined, call: () => Promise<Answer>): Promise<Answer> {
    const { clock, limits } = this.#group;
    const until = clock.monotonic() + limits.holdMs;
    for (;;) {
      if (this.#group.view.kind === 'unknown') await this.#refresh(signal);
      const ticket = await this.#group.enter(signal, until);
      try {
        return await call();
      } catch (error) {
        if (!this.#mayRetry(error) || clock.monotonic() >= until || this.#waiting >= limits.holdCalls)
          throw error;
      } finally {
        ticket.leave();
      }
      await this.#wait(signal);
    }
  }

  async #wait(signal: AbortSignal | undefined): Promise<void> {
    const { clock, limits } = this.#group;
    this.#waiting += 1;
    try {
      await clock.sleep(Math.min(limits.pollMs, 100), signal);
      await this.#refresh(signal);
    } finally {
      this.#waiting -= 1;
    }
  }

  // Each of these says that nothing was written by the attempt, so that another is no second write.
  #mayRetry(error: unknown): boolean {
    if (this.#group.isFenced) return false;
    if (FencedError.isInstance(error) || SealedError.isInstance(error)) return true;
    return this.#group.rules.authority === 'postgres' && isTransientError(error);
  }

  async #writeCosmos(intent: WriteIntent, options: CallOptions): Promise<WriteResult> {
    const records = this.#group.records('cosmos');
    const lease = await this.#group.lease(options.signal);
    const result = await records.write(intent, {
      ...options,
      term: lease.term,
      tombstones: this.#group.keepsTombstones(lease),
    });
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

  async #writePostgres(intent: WriteIntent, options: CallOptions): Promise<WriteResult> {
    const { row, entity } = this.#group;
    const records = this.#group.records('postgres');
    return records.write(intent, { ...options, term: row?.term ?? 1, fence: entity.name });
  }
}
