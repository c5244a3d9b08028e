import type { ServiceRequest } from '../http-message.ts';
import { isObject, type Json, type JsonObject, type Value } from '../json.ts';
import { type PartitionKey, parsePartitionKey } from '../partition/partition-key.ts';
import { badRequest, partitionGone } from '../service-error.ts';
import type { Container, ItemScope } from '../storage/container.ts';
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

/** The part of the container that the headers of a request ask for. Throws 410 for a range that is not there. */
export function scopeOf({ request }: RouteContext, container: Container): ItemScope {
  const { headers } = request;
  const min = headers['x-ms-start-epk'];
  const max = headers['x-ms-end-epk'];
  return {
    key: headerKey(request, container),
    physical: physicalPartition(container, headers['x-ms-documentdb-partitionkeyrangeid']),
    range: min === undefined || max === undefined ? undefined : { min, max },
  };
}

function physicalPartition(container: Container, header: string | undefined): PhysicalPartition | undefined {
  if (header === undefined) return undefined;
  // Some clients send the resource id of the container before the id of the range.
  const id = header.slice(header.lastIndexOf(',') + 1);
  const found = container.physicalPartitions.find((partition) => partition.id === id);
  if (found === undefined) throw partitionGone();
  return found;
}

/** The session tokens of the partitions that a request touched. */
export function sessionToken(container: Container, scope: ItemScope): string {
  if (scope.physical !== undefined) return scope.physical.sessionToken;
  const whole = scope.key?.length === container.properties.partitionKey.paths.length;
  if (scope.key !== undefined && whole) return container.physicalOf(scope.key).sessionToken;
  return container.physicalPartitions.map((partition) => partition.sessionToken).join(',');
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
