import type { Entity } from '@polyphase/core';
import { sortPaths } from './cosmos-sql.ts';
import { formatPath } from './partition-key.ts';

/** One path of a composite index, as an indexing policy has it. */
export interface CompositePath {
  path: string;
  order: 'ascending' | 'descending';
}

/**
 * The composite indexes that an entity's queries need, for `indexingPolicy.compositeIndexes` of its container: one for each
 * declared index and one for the order by key. Each serves both directions. Cosmos DB refuses to sort by several fields without.
 *
 * @example
 * ```ts
 * import type { Database } from '@azure/cosmos';
 * import type { Entity } from '@polyphase/core';
 * import { compositeIndexesFor } from '@polyphase/cosmos';
 *
 * export async function createContainer(database: Database, entity: Entity): Promise<void> {
 *   await database.containers.createIfNotExists({
 *     id: entity.name,
 *     partitionKey: { paths: entity.key.partition.map((path) => `/${path.replaceAll('.', '/')}`) },
 *     indexingPolicy: { compositeIndexes: compositeIndexesFor(entity) },
 *   });
 * }
 * ```
 */
export function compositeIndexesFor(entity: Entity): CompositePath[][] {
  const orders = [[], ...entity.indexes.map((index) => index.fields)];
  const indexes = orders
    .map((orderBy) => sortPaths(entity, { orderBy, partition: undefined }))
    .filter((paths) => paths.length > 1)
    .map((paths) => paths.map((path): CompositePath => ({ path: formatPath(path), order: 'ascending' })));
  const texts = indexes.map((index) => JSON.stringify(index));
  return indexes.filter((_, i) => texts.indexOf(texts[i] ?? '') === i);
}
