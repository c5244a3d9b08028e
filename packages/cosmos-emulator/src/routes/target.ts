import type { ServiceRequest } from '../http-message.ts';
import { badRequest, methodNotAllowed, notFound } from '../service-error.ts';
import { isTrue, type OperationKind, type ResourceKind, type Target } from './route-context.ts';

const resources: ReadonlyMap<string, ResourceKind> = new Map([
  ['', 'account'],
  ['offers', 'offers'],
  ['dbs', 'databases'],
  ['dbs/users', 'users'],
  ['dbs/users/permissions', 'permissions'],
  ['dbs/clientencryptionkeys', 'clientEncryptionKeys'],
  ['dbs/colls', 'containers'],
  ['dbs/colls/docs', 'items'],
  ['dbs/colls/pkranges', 'partitionKeyRanges'],
  ['dbs/colls/conflicts', 'conflicts'],
  ['dbs/colls/operations', 'partitionKeyDelete'],
  ['dbs/colls/sprocs', 'storedProcedures'],
  ['dbs/colls/triggers', 'triggers'],
  ['dbs/colls/udfs', 'userDefinedFunctions'],
]);

const singleOperations: ReadonlyMap<string, OperationKind> = new Map([
  ['GET', 'read'],
  ['PUT', 'replace'],
  ['PATCH', 'patch'],
  ['DELETE', 'delete'],
]);

/** What a POST to one resource does, where it does anything. */
const singlePosts: ReadonlyMap<ResourceKind, OperationKind> = new Map([
  ['partitionKeyDelete', 'delete'],
  ['storedProcedures', 'execute'],
]);

/** What can be read as a feed of its changes. */
const changing: ReadonlySet<ResourceKind> = new Set(['items', 'partitionKeyRanges']);

/** Understands what a request addresses and wants. Throws 404 where there is nothing of the kind, 405 for a wrong verb. */
export function targetOf(request: ServiceRequest): Target {
  const segments = segmentsOf(request);
  const resource = resources.get(segments.filter((_, at) => at % 2 === 0).join('/'));
  const isOther = resource === 'partitionKeyDelete' && segments[5]?.toLowerCase() !== 'partitionkeydelete';
  if (resource === undefined || isOther) throw notFound('Resource Not Found.');
  const operation = operationOf(request, resource, segments);
  if (operation === undefined) throw methodNotAllowed();
  const [root, database, kind, container, below, item] = segments;
  return {
    resource,
    operation,
    database: root === 'dbs' ? database : undefined,
    container: kind === 'colls' ? container : undefined,
    item: below === 'docs' ? item : undefined,
    segments,
  };
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
      throw badRequest('Request url is invalid.');
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
  if (single && method === 'POST') return singlePosts.get(resource);
  if (single) return singleOperations.get(method);
  if (method === 'GET') {
    return changing.has(resource) && headers['a-im'] !== undefined ? 'changeFeed' : 'list';
  }
  if (method !== 'POST') return undefined;
  if (isTrue(headers['x-ms-cosmos-is-batch-request'])) {
    return isTrue(headers['x-ms-cosmos-batch-atomic']) ? 'batch' : 'bulk';
  }
  if (isTrue(headers['x-ms-cosmos-is-query-plan-request'])) return 'queryPlan';
  const type = headers['content-type'] ?? '';
  if (isTrue(headers['x-ms-documentdb-isquery']) || type.includes('query+json')) return 'query';
  return isTrue(headers['x-ms-documentdb-is-upsert']) ? 'upsert' : 'create';
}
