import type { CallOptions } from './record-store.ts';
import type { RecordVersion } from './version.ts';

/** What a cache holds for a key: a value at a version, or the knowledge that there is none (`payload` undefined). */
export interface CacheEntry {
  readonly version: RecordVersion;
  /** The value as text. Undefined: nothing is stored under the key. */
  readonly payload: string | undefined;
}

/** What a miss gets: the right to fill, or the news that another loads. */
export type CacheMiss =
  | { readonly kind: 'leased'; readonly token: string }
  /** Another filled it meanwhile. */
  | { readonly kind: 'hit'; readonly entry: CacheEntry }
  /** Another is loading, or a write is under way: wait, or read the authority without filling. */
  | { readonly kind: 'busy'; readonly waitMs: number };

/** How an invalidation is made. */
export interface InvalidateOptions extends CallOptions {
  /** Whose guards of the key end. @default none */
  readonly writers?: readonly string[];
}

/**
 * A cache that is never stale after an acknowledged write: whoever loads may fill only with the token taken before the load, and
 * only with a version that is not below what was invalidated. A key that was evicted refuses the fill.
 *
 * A cache that cannot be reached throws `ConnectionError` or `TimeoutError` within its own time-out; it never hangs a call.
 */
export interface CacheService {
  /** The live entry under a key. */
  get(key: string, options?: CallOptions): Promise<CacheEntry | undefined>;
  /** After a miss: takes the lease to load a key. */
  lease(key: string, options?: CallOptions): Promise<CacheMiss>;
  /** Stores what was loaded, if the lease still stands and the version is not below the minimum. Tells whether it was stored. */
  fill(key: string, token: string, entry: CacheEntry, ttlMs: number, options?: CallOptions): Promise<boolean>;
  /**
   * Before a commit: keeps every fill out until {@link CacheService.invalidate} ends the guard of this writer, or for a bounded time
   * when the writer dies. Each write is a writer of its own, with a name that no other has. Safe to repeat: a request that a driver
   * sent again is the same guard.
   */
  guard(key: string, writer: string, options?: CallOptions): Promise<void>;
  /**
   * After a commit: drops the entry, refuses any fill below `version` from then on, and ends the guards of the writers that it names
   * and of no others. Safe to repeat.
   */
  invalidate(key: string, version: RecordVersion, options?: InvalidateOptions): Promise<void>;
}
