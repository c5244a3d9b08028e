import {
  type CacheStore,
  type CallOptions,
  type Clock,
  type LiveRecord,
  type QueryPlan,
  type RecordKey,
  type RepositoryStore,
  type StoredRecord,
  type WriteIntent,
  type WriteResult,
} from '@polyphase/core';
import { CachedRecords, type CachedWrite } from './cached-records.ts';
import type { DataRouter } from './data-router.ts';
import type { Group } from './phases/group.ts';

/** What {@link EntityRecords} works with. */
export interface EntityRecordsOptions {
  readonly group: Group;
  readonly router: DataRouter;
  readonly cache: CacheStore | undefined;
  /** Milliseconds that a cache entry may live; undefined: reads go past the cache. */
  readonly cacheTtlMs: number | undefined;
  readonly clock: Clock;
  readonly onCacheError: (error: unknown) => void;
}

/**
 * The records of one entity as its repositories see them: through the cache while the policy is `cached`, else from the stores.
 *
 * Where there is a cache store, every write invalidates, under every policy: `cached` may come and go, in this process and in
 * others, and an entry of before must not outlive a write of between.
 */
export class EntityRecords implements RepositoryStore {
  readonly #group: Group;
  readonly #router: DataRouter;
  readonly #cached: CachedRecords | undefined;
  #cacheTtlMs: number | undefined;
  #lastTtlMs: number;

  constructor(options: EntityRecordsOptions) {
    const { group, router, cache, cacheTtlMs, clock, onCacheError } = options;
    this.#group = group;
    this.#router = router;
    this.#cacheTtlMs = cacheTtlMs;
    this.#lastTtlMs = cacheTtlMs ?? 0;
    this.#cached =
      cache &&
      new CachedRecords({
        records: router.authority,
        cache: cache.cache(`${group.entity.name}:`),
        ttlMs: () => this.#lastTtlMs,
        term: () => group.term,
        clock,
        onCacheError,
      });
  }

  /** Milliseconds that a cache entry may live; undefined: reads go past the cache. */
  set cacheTtlMs(ms: number | undefined) {
    this.#cacheTtlMs = ms;
    this.#lastTtlMs = ms ?? this.#lastTtlMs;
  }

  read(key: RecordKey, options: CallOptions): Promise<StoredRecord | undefined> {
    return this.#readable.read(key, options);
  }

  getMany(keys: readonly RecordKey[], options: CallOptions): Promise<readonly (LiveRecord | undefined)[]> {
    return this.#readable.getMany(keys, options);
  }

  query(plan: QueryPlan, options: CallOptions): Promise<readonly LiveRecord[]> {
    return this.#router.query(plan, options);
  }

  write(intent: WriteIntent, options: CallOptions): Promise<WriteResult> {
    return (this.#cached ?? this.#router).write(intent, options);
  }

  /** The cache's part in writes of a unit of work, where there is a cache. */
  startWrite(): CachedWrite | undefined {
    return this.#cached?.startWrite();
  }

  /** Ends what goes on in the background. */
  async close(): Promise<void> {
    await this.#cached?.[Symbol.asyncDispose]();
  }

  // A process that was fenced off must not answer from the cache either; the router says why. Nor must one that cannot be sure of
  // the term, since the entries of an older one are not invalidated any more; the router makes sure. A member that has obeyed the seal of
  // the way back is waited for no longer: the authority may have moved already.
  get #readable(): RepositoryStore {
    const { isFenced, provenTerm, row } = this.#group;
    const isSure = !isFenced && provenTerm !== undefined && row?.phase !== "5'";
    return this.#cached && this.#cacheTtlMs !== undefined && isSure ? this.#cached : this.#router;
  }
}
