import type { ServiceRequest } from '../http-message.ts';
import { isObject, type Json, type JsonObject, type Value } from '../json.ts';
import { type PartitionKey, parsePartitionKey } from '../partition/partition-key.ts';
import { overlaps, prefixRange } from '../partition/partition-ranges.ts';
import { badRequest, partitionGone } from '../service-error.ts';
import type { Container } from '../storage/container.ts';
import type { ItemScope } from '../storage/item-scope.ts';
import type { PhysicalPartition } from '../storage/physical-partition.ts';
import type { RouteContext } from './route-context.ts';

/** The container that a request addresses. Throws 404. */
export function containerOf({ account, target, request }: RouteContext): Container {
  const container = account.container(target.database ?? '', target.container ?? '');
  const intended = request.headers['x-ms-cosmos-intended-collection-rid'];
  if (intended !== undefined && intended !== container.rid) {
    throw badRequest('The container was deleted and created again since the client last read it.', 1024);
  }
  return container;
}

/** The partition key that the header of a request carries; undefined where it has none. */
export function headerKey(request: ServiceRequest, container: Container): PartitionKey | undefined {
  const header = request.headers['x-ms-documentdb-partitionkey'];
  return header === undefined ? undefined : parsePartitionKey(header, container.properties.partitionKey);
}

/** Demands every component of a hierarchical key. Throws status 400. */
export function wholeKey(key: PartitionKey, container: Container): PartitionKey {
  if (key.length === container.properties.partitionKey.paths.length) return key;
  throw badRequest('Partition key provided has fewer components than defined in the collection.', 1001);
}

/** The part of the container that the headers of a request ask for. Throws 410 for a range that is not there. */
export function scopeOf({ request }: RouteContext, container: Container): ItemScope {
  const { headers } = request;
  const min = headers['x-ms-start-epk'];
  const max = headers['x-ms-end-epk'];
  return {
    key: headerKey(request, container),
    physical: addressedPartition(request, container),
    range: min === undefined || max === undefined ? undefined : { min, max },
  };
}

/** The partition that a request names, if it does. Throws 410 for one that was split or never was. */
export function addressedPartition(
  { headers }: ServiceRequest,
  container: Container,
): PhysicalPartition | undefined {
  const header = headers['x-ms-documentdb-partitionkeyrangeid'];
  if (header === undefined) return undefined;
  // Some clients send the resource id of the container before the id of the range.
  const id = header.slice(header.lastIndexOf(',') + 1);
  const found = container.physicalPartitions.find((partition) => partition.id === id);
  if (found === undefined) throw partitionGone();
  return found;
}

/** The physical partitions in which a scope lies. */
export function partitionsOf(container: Container, scope: ItemScope): readonly PhysicalPartition[] {
  const { physical, key, range } = scope;
  if (physical !== undefined) return [physical];
  const definition = container.properties.partitionKey;
  if (key?.length === definition.paths.length) return [container.physicalOf(key)];
  const stretch = key === undefined || key.length === 0 ? range : prefixRange(key, definition);
  if (stretch === undefined) return container.physicalPartitions;
  return container.physicalPartitions.filter((partition) => overlaps(partition.range, stretch));
}

/** The session tokens of the partitions that a request touched. */
export function sessionToken(container: Container, scope: ItemScope): string {
  return partitionsOf(container, scope)
    .map((partition) => partition.sessionToken)
    .join(',');
}

/** Reads the parameters of a query by name. */
export function readParameters(body: JsonObject): ReadonlyMap<string, Value> {
  const list: readonly Json[] = Array.isArray(body.parameters) ? body.parameters : [];
  return new Map(
    list.map((entry) => {
      if (isObject(entry) && typeof entry.name === 'string') return [entry.name, entry.value] as const;
      throw badRequest('A query parameter needs a name.');
    }),
  );
}
