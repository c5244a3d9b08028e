import { type Entity, splitPath } from '../entity.ts';
import { InvalidDataError } from '../errors.ts';
import { expiryOf } from '../expiry.ts';
import { type JsonObject, valueAt } from '../json.ts';
import type { PartitionLevel, RecordKey } from '../key.ts';
import { recordDigest } from '../record.ts';
import { UNSTAMPED } from '../version.ts';
import type { MemoryTable } from './memory-table.ts';
import { turn } from './memory-turn.ts';

/** Writes that go around the SDK, as older programs and other teams do: no checks, no stamp, deletes without a trace. For tests. */
export interface ForeignDocuments {
  /** Puts a document there as it is. With `keepStamp`, the stamp of the document before stays over the new body. */
  put(entity: Entity, value: JsonObject, options?: { readonly keepStamp?: boolean }): Promise<void>;
  /** Removes a document; no tombstone stays. */
  remove(entity: Entity, key: RecordKey): Promise<void>;
}

// Cosmos DB counts a partition value that is no scalar as absent.
function levelAt(value: JsonObject, path: string): PartitionLevel {
  const level = valueAt(value, splitPath(path));
  return typeof level === 'object' && level !== null ? undefined : level;
}

/** The way around the SDK into a memory store of documents. */
export function foreignDocuments(tableOf: (entity: Entity) => MemoryTable): ForeignDocuments {
  return {
    async put(entity, value, options = {}) {
      await turn();
      const id = valueAt(value, [entity.key.id]);
      if (typeof id !== 'string')
        throw new InvalidDataError({
          message: 'A document needs an id',
          operation: 'put',
          entity: entity.name,
        });
      const key = { partition: entity.key.partition.map((path) => levelAt(value, path)), id };
      const table = tableOf(entity);
      const stamp = options.keepStamp === true ? table.get(key) : undefined;
      const { version, operations } = stamp ?? { version: UNSTAMPED, operations: [] };
      const expiresAtMs = expiryOf(entity, value, table.now());
      table.put({ key, version, value, digest: recordDigest(value), operations, expiresAtMs });
    },
    async remove(entity, key) {
      await turn();
      tableOf(entity).remove(key);
    },
  };
}
