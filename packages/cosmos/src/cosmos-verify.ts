import {
  type CallOptions,
  type Entity,
  type EntityIndex,
  type GateAnswer,
  InvalidOptionsError,
} from '@polyphase/core';
import { type CompositePath, compositeIndexesFor } from './composite-indexes.ts';
import type { ContainerInfo } from './cosmos-container.ts';
import type { RecordPlace } from './cosmos-write.ts';
import type { Discriminator } from './discriminator.ts';
import { formatPath, type Path, parsePath, partitionPaths } from './partition-key.ts';

const text = (paths: readonly Path[]): string =>
  paths.length === 0 ? 'none' : paths.map(formatPath).join(', ');

/**
 * Refuses an entity that the container cannot hold at all.
 *
 * @throws `InvalidOptionsError` when the container's partition key is another, or nothing expires in it and the entity's records do
 */
export function checkFit(entity: Entity, info: ContainerInfo): void {
  const problems: string[] = [];
  const wanted = text(partitionPaths(entity));
  const seen = text(info.partitionPaths);
  if (wanted !== seen)
    problems.push(
      `its container is partitioned by ${seen}, the entity by ${wanted}; make key.partition say what the container has`,
    );
  if (entity.ttl !== undefined && info.defaultTtl === undefined)
    problems.push(
      `its records expire, and in its container nothing does; set the container's defaultTtl to ${entity.ttl ?? -1}`,
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
  { entity, items, discriminator, removes }: RecordPlace,
  options: CallOptions,
): Promise<readonly GateAnswer[]> {
  items.forget();
  const info = await items.info(options);
  return [
    partitionAnswer(entity, info),
    ...compositeIndexesFor(entity).map((index) => indexAnswer(index, info)),
    ...declaredAnswers(entity, discriminator, info),
    ...undeclaredAnswers(entity, discriminator, info),
    ...entity.indexes.filter((index) => index.unique === 'global').map(globalAnswer),
    ttlAnswer(entity, info),
    ...(removes ? [removalAnswer(entity)] : []),
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

const uniqueText = (paths: readonly Path[]): string => paths.map(formatPath).toSorted().join(', ');

// What tells an entity's documents apart is the same in all of them: in a unique key it makes no difference inside the entity.
function ownPaths(paths: readonly Path[], { fields }: Discriminator): readonly Path[] {
  return paths.filter(([name = '', ...deeper]) => deeper.length > 0 || !fields.has(name));
}

function declaredKeys(entity: Entity, discriminator: Discriminator): readonly string[] {
  const declared = entity.indexes.filter((index) => index.unique === 'partition');
  return declared.map((index) =>
    uniqueText(
      ownPaths(
        index.fields.map((field) => [field]),
        discriminator,
      ),
    ),
  );
}

function declaredAnswers(
  entity: Entity,
  discriminator: Discriminator,
  info: ContainerInfo,
): readonly GateAnswer[] {
  const there = new Set(info.uniqueKeys.map((paths) => uniqueText(ownPaths(paths, discriminator))));
  return declaredKeys(entity, discriminator).map((wanted) => {
    const passed = there.has(wanted);
    return {
      name: `unique key ${wanted}`,
      passed,
      seen: info.uniqueKeys.map(text).join(' | ') || 'none',
      wanted: passed
        ? wanted
        : `a container created with uniqueKeyPolicy.uniqueKeys: [{ "paths": ${JSON.stringify(wanted.split(', '))} }] (it cannot be added later: copy into a new container, or drop unique from the index)`,
    };
  });
}

// Of the container's own keys the other store knows nothing: it would accept what cannot be copied back.
function undeclaredAnswers(
  entity: Entity,
  discriminator: Discriminator,
  info: ContainerInfo,
): readonly GateAnswer[] {
  const declared = new Set(declaredKeys(entity, discriminator));
  const others = info.uniqueKeys
    .map((paths) => ownPaths(paths, discriminator))
    .filter((paths) => !declared.has(uniqueText(paths)));
  return others.map((paths) => ({
    name: `unique key ${uniqueText(paths)} of the container`,
    passed: false,
    seen: 'not declared by the entity',
    wanted: paths.some((path) => path.length > 1)
      ? 'a container without it: an entity declares unique top-level fields only, and PostgreSQL would accept what this container refuses'
      : `add to the entity: indexes: [{ fields: ${JSON.stringify(paths.flat())}, unique: "partition" }]; the container refuses records of one partition that share it, a missing value counting as null`,
  }));
}

// Nothing to mend here: it says what holds when.
function globalAnswer({ fields }: EntityIndex): GateAnswer {
  return {
    name: `unique over all partitions ${fields.map((field) => formatPath([field])).join(', ')}`,
    passed: true,
    seen: 'not enforced: Cosmos DB knows unique keys inside a partition only',
    wanted:
      'nothing of the container; PostgreSQL enforces it from phase 6 on, and the gates to the flip stay closed while two records share a value',
  };
}

// Documents that expire by themselves leave nothing behind to copy: the other store must know when they do.
function ttlAnswer({ name, ttl }: Entity, { defaultTtl }: ContainerInfo): GateAnswer {
  const declared = ttl === null ? -1 : ttl;
  const passed = declared === defaultTtl;
  const toDeclare = defaultTtl === -1 ? 'null' : `"${defaultTtl}s"`;
  const declare = `declare in entity "${name}" what the container says: ttl: ${toDeclare}`;
  const change = `set the container's defaultTtl to ${declared}`;
  const fix = [defaultTtl === undefined ? [] : [declare], declared === undefined ? [] : [change]]
    .flat()
    .join('; or ');
  return {
    name: 'time to live',
    passed,
    seen: defaultTtl === undefined ? 'off' : `defaultTtl ${defaultTtl}`,
    wanted: passed
      ? 'the same in container and entity; whatever is stamped or copied back gets what remains as its ttl, which other readers see'
      : fix,
  };
}

// A feed does not tell of a document that was removed, so the other store would keep it.
function removalAnswer(entity: Entity): GateAnswer {
  return {
    name: 'deletes leave tombstones',
    passed: false,
    seen: 'deletes: "hard" in the map of cosmosStore',
    wanted: `take deletes out of map[${JSON.stringify(entity.name)}] in cosmosStore and start anew: from then on a deleted record stays as a tombstone, which other readers of the container see`,
  };
}
