import { type CallOptions, type Entity, type GateAnswer, InvalidOptionsError } from '@polyphase/core';
import { type CompositePath, compositeIndexesFor } from './composite-indexes.ts';
import type { ContainerInfo, CosmosContainer } from './cosmos-container.ts';
import { formatPath, type Path, parsePath, partitionPaths } from './partition-key.ts';

const text = (paths: readonly Path[]): string =>
  paths.length === 0 ? 'none' : paths.map(formatPath).join(', ');

/**
 * Refuses an entity that the container cannot hold at all.
 *
 * @throws `InvalidOptionsError` when the id field is not `id`, or the container's partition key is another
 */
export function checkFit(entity: Entity, info: ContainerInfo): void {
  const problems: string[] = [];
  const wanted = text(partitionPaths(entity));
  const seen = text(info.partitionPaths);
  if (wanted !== seen)
    problems.push(
      `its container is partitioned by ${seen}, the entity by ${wanted}; make key.partition say what the container has`,
    );
  if (problems.length > 0)
    throw new InvalidOptionsError({
      message: `Entity "${entity.name}" does not fit its container`,
      problems,
      entity: entity.name,
    });
}

/** Refuses an entity whose id is not where Cosmos DB has it. */
export function checkIdField(entity: Entity): void {
  if (entity.key.id === 'id') return;
  throw new InvalidOptionsError({
    message: `Cosmos DB names a document's id "id", and entity "${entity.name}" has key.id "${entity.key.id}"; name the field "id"`,
    entity: entity.name,
  });
}

/** What a container is asked before a phase may change: partition key, indexes, unique keys, lifetime. */
export async function verifyEntity(
  entity: Entity,
  items: CosmosContainer,
  options: CallOptions,
): Promise<readonly GateAnswer[]> {
  items.forget();
  const info = await items.info(options);
  return [
    partitionAnswer(entity, info),
    ...compositeIndexesFor(entity).map((index) => indexAnswer(index, info)),
    ...entity.indexes
      .filter((index) => index.unique === 'partition')
      .map((index) => uniqueAnswer(index.fields, info)),
    ttlAnswer(info),
  ];
}

function partitionAnswer(entity: Entity, info: ContainerInfo): GateAnswer {
  const wanted = text(partitionPaths(entity));
  const seen = text(info.partitionPaths);
  return { name: 'partition key', passed: wanted === seen, seen, wanted };
}

// An index serves its own order and the exact reverse. Paths may be written with or without quotes.
function indexAnswer(index: readonly CompositePath[], info: ContainerInfo): GateAnswer {
  const plain = (path: string): string => formatPath(parsePath(path));
  const passed = info.compositeIndexes.some((there) => {
    const orders = new Set(there.map((it) => it.order.toLowerCase()));
    return (
      orders.size === 1 &&
      there.length === index.length &&
      there.every((it, i) => plain(it.path) === plain(index[i]?.path ?? ''))
    );
  });
  return {
    name: `composite index ${index.map((it) => it.path).join(', ')}`,
    passed,
    seen: passed ? 'present' : 'missing',
    wanted: passed ? 'present' : `add to indexingPolicy.compositeIndexes: ${JSON.stringify(index)}`,
  };
}

function uniqueAnswer(fields: readonly string[], info: ContainerInfo): GateAnswer {
  const wanted = fields.map((field) => formatPath([field])).toSorted();
  const passed = info.uniqueKeys.some((paths) => paths.map(formatPath).toSorted().join() === wanted.join());
  return {
    name: `unique key ${wanted.join(', ')}`,
    passed,
    seen: info.uniqueKeys.map(text).join(' | ') || 'none',
    wanted: passed
      ? wanted.join(', ')
      : `a container created with uniqueKeyPolicy.uniqueKeys: [{ "paths": ${JSON.stringify(wanted)} }] (it cannot be added later: copy into a new container, or drop unique from the index)`,
  };
}

// Documents that expire by themselves leave no tombstone, so the other store would keep them.
function ttlAnswer(info: ContainerInfo): GateAnswer {
  const passed = info.defaultTtl === undefined || info.defaultTtl === -1;
  return {
    name: 'no default lifetime',
    passed,
    seen: info.defaultTtl === undefined ? 'off' : String(info.defaultTtl),
    wanted: 'defaultTtl off or -1: documents that expire by themselves leave nothing behind to copy',
  };
}
