import type { PartitionKeyDefinition } from '../partition/partition-key.ts';
import { evenRanges, halves, type KeyRange } from '../partition/partition-ranges.ts';
import type { ChangeHistory } from './change-history.ts';
import type { PartitionLayout } from './journal.ts';
import { OrderedLog } from './ordered-log.ts';
import type { StoredItem } from './stored-item.ts';

/** A stretch of the container with its own sequence of writes. */
export class PhysicalPartition {
  readonly id: string;
  readonly rid: string;
  readonly range: KeyRange;
  /** The latest version of every item here, in the order of writes: the change feed. */
  readonly feed = new OrderedLog<StoredItem>((item) => item.lsn);
  /** Every change, in containers that keep them. */
  history: ChangeHistory | undefined;
  /** The partitions that were split into this one, oldest first. */
  readonly parents: readonly string[];
  #lsn: number;

  constructor({ id, rid, range, lsn, parents }: PartitionLayout) {
    this.id = id;
    this.rid = rid;
    this.range = range;
    this.#lsn = lsn;
    this.parents = parents;
  }

  /** What is kept of it, apart from its items. */
  get layout(): PartitionLayout {
    const { id, rid, range, lsn, parents } = this;
    return { id, rid, range, lsn, parents };
  }

  /** Number of the last write; 0 before the first. */
  get lsn(): number {
    return this.#lsn;
  }

  /** The token by which a client asks to read its own writes. */
  get sessionToken(): string {
    return `${this.id}:-1#${this.#lsn}`;
  }

  /** Moves on to a number: all that is written under it shows in the feed at once. */
  advance(lsn: number): void {
    this.#lsn = Math.max(this.#lsn, lsn);
  }
}

/** Lays out the partitions of a new container: so many ranges of the same size. */
export function evenLayout(
  count: number,
  definition: PartitionKeyDefinition,
  newRid: () => string,
): PartitionLayout[] {
  return evenRanges(count, definition).map((range, at) => {
    return { id: String(at), rid: newRid(), range, lsn: 0, parents: [] };
  });
}

/**
 * Lays out the partitions anew, with two in the place of one. They go on with its numbers, so what clients have of the
 * parent (session tokens, feed positions) holds for both. Throws a RangeError where there is no such partition.
 */
export function splitLayout(
  layout: readonly PartitionLayout[],
  id: string | undefined,
  context: { definition: PartitionKeyDefinition; newRid: () => string },
): PartitionLayout[] {
  const parent = id === undefined ? layout[0] : layout.find((partition) => partition.id === id);
  if (parent === undefined) throw new RangeError(`There is no partition key range '${id ?? ''}'.`);
  const next = nextPartitionId(layout);
  const parents = [...parent.parents, parent.id];
  const children = halves(parent.range, context.definition).map((range, at) => {
    return { id: String(next + at), rid: context.newRid(), range, lsn: parent.lsn, parents };
  });
  return layout.flatMap((partition) => (partition === parent ? children : [partition]));
}

/** The id that the next partition will have: they rise, so it tells how far a client's view of them has come. */
export function nextPartitionId(partitions: ReadonlyArray<Pick<PartitionLayout, 'id' | 'parents'>>): number {
  return 1 + Math.max(...partitions.flatMap(({ id, parents }) => [id, ...parents]).map(Number));
}
