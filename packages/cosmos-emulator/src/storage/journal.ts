import type { Json, JsonObject } from '../json.ts';
import type { KeyRange } from '../partition/partition-ranges.ts';
import type { ChangeRecord } from './change-history.ts';

/** A resource as clients read it: what they sent, and what the service adds. */
export interface Resource extends JsonObject {
  readonly id: string;
  readonly _rid: string;
  readonly _self: string;
  readonly _etag: string;
}

/** A physical partition as it is kept: where it lies, and how far its writes have come. */
export interface PartitionLayout {
  readonly id: string;
  readonly rid: string;
  readonly range: KeyRange;
  readonly lsn: number;
  /** The partitions that were split into this one, oldest first. */
  readonly parents: readonly string[];
}

/** A version of an item: its place in the order of creation, and the document as JSON text. */
export interface ItemVersion {
  readonly sequence: number;
  readonly text: string;
}

/** What one transaction did to one item: its new version, or none when it was deleted. */
export interface ItemWrite {
  readonly id: string;
  readonly version?: ItemVersion;
  /** Set when it was deleted because its time to live had passed. */
  readonly expired?: true;
}

/** A change as it is kept, with the partition key of its item as the wire writes it. */
export interface KeptChange extends ChangeRecord {
  readonly key: readonly Json[];
}

/**
 * One change of the account's state. Applying the same entries in the same order gives the same state: this is what
 * snapshots hold and what the data folder logs.
 */
export type JournalEntry =
  /** So many resource ids have been given out. */
  | { readonly type: 'ids'; readonly count: number }
  | { readonly type: 'put'; readonly collection: string; readonly resource: Resource }
  | { readonly type: 'delete'; readonly collection: string; readonly id: string }
  | { readonly type: 'partitions'; readonly container: string; readonly layout: readonly PartitionLayout[] }
  | {
      readonly type: 'items';
      /** Resource id of the container. */
      readonly container: string;
      readonly partition: string;
      /** The partition key as the wire writes it: it survives JSON even where it is absent. */
      readonly key: readonly Json[];
      readonly lsn: number;
      /** Seconds since the Unix epoch. */
      readonly time: number;
      readonly writes: readonly ItemWrite[];
    }
  | {
      /** All that a physical partition has kept of its changes, in the place of what it had before. */
      readonly type: 'history';
      readonly container: string;
      readonly partition: string;
      /** Changes up to this number are gone. */
      readonly since: number;
      readonly changes: readonly KeptChange[];
    };

/** The entry of one type. */
export type JournalEntryOf<T extends JournalEntry['type']> = Extract<JournalEntry, { readonly type: T }>;

/** Takes note of each change before it is made true. */
export interface Journal {
  /** Keeps entries, all or none. When it throws, the change does not happen, and the client is told so. */
  append(...entries: readonly JournalEntry[]): void;
}
