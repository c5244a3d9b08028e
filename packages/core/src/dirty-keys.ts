import type { RecordKey } from './key.ts';
import type { CallOptions } from './record-store.ts';
import type { RecordVersion } from './version.ts';

/** A key whose record changed in PostgreSQL and has not reached Cosmos yet. Entries coalesce: one for each key. */
export interface DirtyKey {
  readonly key: RecordKey;
  /** Version of the newest change. */
  readonly version: RecordVersion;
}

/** The keys that the reverse relay has still to copy, written in the transaction of the change itself. */
export interface DirtyKeys {
  /** Up to `limit` entries of an entity that nobody else holds, held for `holdMs`. Oldest first. */
  claim(entity: string, limit: number, holdMs: number, options?: CallOptions): Promise<readonly DirtyKey[]>;
  /** Removes entries whose version is the one that was copied; lets go of those that changed since. */
  settle(entity: string, copied: readonly DirtyKey[], options?: CallOptions): Promise<void>;
  /** Number of entries, and the age of the oldest in milliseconds (0 where there is none). */
  lag(entity: string, options?: CallOptions): Promise<{ readonly count: number; readonly oldestMs: number }>;
  /** Makes an entry for every record of an entity: the start of a reverse backfill. */
  markAll(entity: string, options?: CallOptions): Promise<void>;
}
