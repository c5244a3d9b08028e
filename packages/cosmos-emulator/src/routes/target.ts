import type { ServiceRequest } from '../http-message.ts';
import { notFound } from '../service-error.ts';
import { isTrue, type OperationKind, type ResourceKind, type Target } from './route-context.ts';

const resources: ReadonlyMap<string, ResourceKind> = new Map([
  ['', 'account'],
  ['dbs', 'databases'],
  ['dbs/colls', 'containers'],
  ['dbs/colls/docs', 'items'],
  ['dbs/colls/pkranges', 'partitionKeyRanges'],
]);

const singleOperations: ReadonlyMap<string, OperationKind> = new Map([
  ['GET', 'read'],
  ['PUT', 'replace'],
  ['PATCH', 'patch'],
  ['DELETE', 'delete'],
]);

/** Understands what a request addresses and wants. Throws 404 where there is nothing of the kind. */
export function targetOf(request: ServiceRequest): Target {
  const segments = segmentsOf(request);
  const resource = resources.get(segments.filter((_, at) => at % 2 === 0).join('/'));
  const operation = resource === undefined ? undefined : operationOf(request, resource, segments);
  if (resource === undefined || operation === undefined) {
    throw notFound(`The emulator has no answer to ${request.method} ${segments.join('/')}.`);
  }
  return { resource, operation, database: segments[1], container: segments[3], item: segments[5], segments };
}

/** The path in its parts, as they were written. */
export function rawSegments(request: ServiceRequest): string[] {
  const path = request.target.split('?', 1)[0] ?? '';
  return path.split('/').filter((segment) => segment !== '');
}

function segmentsOf(request: ServiceRequest): string[] {
  return rawSegments(request).map((segment) => {
    try {
      return decodeURIComponent(segment);
    } catch {
      return segment;
    }
  });
}

function operationOf(
  { method, headers }: ServiceRequest,
  resource: ResourceKind,
  segments: readonly string[],
): OperationKind | undefined {
  const single = segments.length % 2 === 0;
  if (resource === 'account') return method === 'GET' ? 'read' : undefined;
  if (single) return singleOperations.get(method);
  if (method === 'GET') return headers['a-im'] === undefined ? 'list' : 'changeFeed';
  if (method !== 'POST') return undefined;
  if (isTrue(headers['x-ms-cosmos-is-batch-request'])) {
    return isTrue(headers['x-ms-cosmos-batch-atomic']) ? 'batch' : 'bulk';
  }
  if (isTrue(headers['x-ms-cosmos-is-query-plan-request'])) return 'queryPlan';
  const type = headers['content-type'] ?? '';
  if (isTrue(headers['x-ms-documentdb-isquery']) || type.includes('query+json')) return 'query';
  return isTrue(headers['x-ms-documentdb-is-upsert']) ? 'upsert' : 'create';
}
