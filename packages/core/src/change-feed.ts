import type { Issue } from './json.ts';
import type { StoredRecord } from './record.ts';
import type { CallOptions } from './record-store.ts';

/** A part of the key space whose changes come in one order. */
export interface FeedRange {
  /** Stable name, good for a checkpoint. */
  readonly id: string;
}

/** A committed change: the record as it was when the page was read. Changes of one key that follow each other quickly coalesce. */
export type Change =
  | { readonly kind: 'record'; readonly record: StoredRecord }
  /** A document that no record can be made of, with what is wrong with it. */
  | {
      readonly kind: 'unmappable';
      readonly label: string;
      readonly body: string;
      readonly issues: readonly Issue[];
    };

/** One page of a range's changes. */
export interface FeedPage {
  readonly changes: readonly Change[];
  /** Where the next page begins. */
  readonly position: string;
  /** Whether nothing was there at the moment of asking. Proves nothing about the moment after. */
  readonly idle: boolean;
  /** The store's own date when it answered, in milliseconds: what first counters of unstamped documents start from. */
  readonly serverNowMs: number;
}

/** Options of {@link ChangeFeed.read}. */
export interface FeedReadOptions extends CallOptions {
  /** Changes in a page, at most. @default 500 */
  readonly limit?: number | undefined;
}

/**
 * Committed changes of one entity, in order per key, resumable, from the beginning of its history: snapshot and log in one.
 * Deletes appear as tombstones. The SDK's own documents do not appear.
 */
export interface ChangeFeed {
  /** The ranges as they are now. */
  ranges(options?: CallOptions): Promise<readonly FeedRange[]>;
  /** The changes of a range after `position`; from the beginning where that is undefined. */
  read(range: FeedRange, position: string | undefined, options?: FeedReadOptions): Promise<FeedPage>;
  /**
   * Where a range goes on, from where ranges were read to before: its own position where that is known, else one put together from
   * those of the whole that it came from, or of the parts that came from it. So nothing is read twice after a split, and nothing is
   * left out: what no position covers is read from the beginning. Undefined where that is all of it.
   */
  positionOf(range: FeedRange, known: ReadonlyMap<string, string>): string | undefined;
  /** Writes a marker into a range and tells where it is: whoever has read past it has read all that was committed before. */
  mark(range: FeedRange, options?: CallOptions): Promise<string>;
  /** Whether a position of that range lies at or past a marker. */
  passed(position: string | undefined, marker: string): boolean;
  /**
   * How many changes lie between a position of that range and a marker that it has not passed; 0 where it has. An estimate, for people to
   * read: what coalesces, and what is no record of this entity, may be counted as well.
   */
  behind(position: string | undefined, marker: string): number;
}
