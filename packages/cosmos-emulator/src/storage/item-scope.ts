import { keyText, type PartitionKey } from '../partition/partition-key.ts';
import { inRange, isFullRange, type KeyRange } from '../partition/partition-ranges.ts';
import type { LogicalPartition } from './logical-partition.ts';
import type { PhysicalPartition } from './physical-partition.ts';

/** The part of a container that a request speaks about. */
export interface ItemScope {
  /** A whole key, or the first components of a hierarchical one. */
  readonly key?: PartitionKey | undefined;
  readonly physical?: PhysicalPartition | undefined;
  readonly range?: KeyRange | undefined;
  /** Only items with one of these ids. */
  readonly ids?: readonly string[] | undefined;
}

/** Gives the test that tells which logical partitions lie in a scope. */
export function scopeFilter({ key, physical, range }: ItemScope): (partition: LogicalPartition) => boolean {
  const prefix = key === undefined ? '' : keyText(key);
  const part = range === undefined || isFullRange(range) ? undefined : range;
  return (partition) =>
    (prefix === '' || partition.keyText.startsWith(prefix)) &&
    (physical === undefined || partition.physical === physical) &&
    (part === undefined || inRange(part, partition.effectiveKey()));
}
