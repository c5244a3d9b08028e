import type { PartitionKey } from '../partition/partition-key.ts';
import type { PhysicalPartition } from './physical-partition.ts';
import type { StoredItem } from './stored-item.ts';

/** The items that share one partition key; ids are unique in here. */
export interface LogicalPartition {
  readonly key: PartitionKey;
  readonly keyText: string;
  /** Place in the space of effective partition keys; computed when first asked for. */
  readonly effectiveKey: () => string;
  /** Another one after its partition was split. */
  physical: PhysicalPartition;
  /** By id, in the order of creation. */
  readonly items: Map<string, StoredItem>;
}
