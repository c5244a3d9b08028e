import type { LogicalPartition } from './logical-partition.ts';
import type { StoredDocument } from './stored-item.ts';

/** What was done to one item by one write. */
export interface ChangeRecord {
  readonly operation: 'create' | 'replace' | 'delete';
  readonly lsn: number;
  /** Seconds since the Unix epoch. */
  readonly time: number;
  readonly id: string;
  /** The document as written; none after a delete. */
  readonly current?: StoredDocument;
  /** The document before, and the number of the write that made it; none before a create. */
  readonly previous?: StoredDocument;
  readonly previousLsn?: number;
  /** Set when the item was deleted because its time to live had passed. */
  readonly expired?: true;
}

/** A change, and the logical partition that it happened in. */
export interface Change extends ChangeRecord {
  readonly partition: LogicalPartition;
}

/** Every change of one physical partition, as long as the container keeps them. */
export class ChangeHistory {
  #changes: Change[];
  #since: number;

  constructor(init: { since: number; changes?: readonly Change[] }) {
    this.#since = init.since;
    this.#changes = [...(init.changes ?? [])];
  }

  /** Changes up to this number are gone. */
  get since(): number {
    return this.#since;
  }

  add(change: Change): void {
    this.#changes.push(change);
  }

  /** Forgets what happened before a time, in seconds since the Unix epoch. */
  forget(before: number): void {
    const end = this.#changes.findIndex(({ time }) => time >= before);
    const gone = this.#changes.splice(0, end < 0 ? this.#changes.length : end);
    this.#since = Math.max(this.#since, gone.at(-1)?.lsn ?? 0);
  }

  /** Changes after a number, in the order of writes. */
  *after(lsn: number): Generator<Change> {
    let low = 0;
    let high = this.#changes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#changes[middle]?.lsn ?? 0) <= lsn) low = middle + 1;
      else high = middle;
    }
    for (let at = low; at < this.#changes.length; at++) {
      const change = this.#changes[at];
      if (change !== undefined) yield change;
    }
  }
}
