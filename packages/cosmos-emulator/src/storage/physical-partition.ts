import type { KeyRange } from '../partition/partition-ranges.ts';
import { OrderedLog } from './ordered-log.ts';
import type { StoredItem } from './stored-item.ts';

/** A stretch of the container with its own sequence of writes. */
export class PhysicalPartition {
  readonly id: string;
  readonly rid: string;
  readonly range: KeyRange;
  /** The latest version of every item here, in the order of writes: the change feed. */
  readonly feed = new OrderedLog<StoredItem>((item) => item.lsn);
  #lsn = 0;

  constructor(id: string, rid: string, range: KeyRange) {
    this.id = id;
    this.rid = rid;
    this.range = range;
  }

  /** Number of the last write; 0 before the first. */
  get lsn(): number {
    return this.#lsn;
  }

  /** The token by which a client asks to read its own writes. */
  get sessionToken(): string {
    return `${this.id}:-1#${this.#lsn}`;
  }

  /** Takes the next number: all that is written under it shows in the feed at once. */
  advance(): void {
    this.#lsn++;
  }
}
