import { isObject, type Json, type JsonObject, type Value } from '../json.ts';
import { badRequest, partitionGone } from '../service-error.ts';
import { prepareQuery, queryPage } from '../sql/query-engine.ts';
import type { Container, ItemScope } from '../storage/container.ts';
import type { PhysicalPartition } from '../storage/physical-partition.ts';
import { requestCharge } from '../storage/request-charge.ts';
import { containerOf } from './containers.ts';
import { headerKey } from './items.ts';
import {
  isTrue,
  pageSize,
  type Reply,
  type RouteContext,
  type RouteTable,
  readJson,
} from './route-context.ts';

/** Queries over items, their plans, and plain listings. */
export const queryRoutes: RouteTable = {
  'items.query': (context) => answer(context, readSpecification(context)),
  'items.list': (context) => answer(context, { text: 'SELECT * FROM c', parameters: new Map() }),
};

/** A query and its parameters. */
interface Specification {
  readonly text: string;
  readonly parameters: ReadonlyMap<string, Value>;
}

/** Reads `{ query, parameters }`. Throws status 400. */
export function readSpecification({ request }: RouteContext): Specification {
  const body = readJson(request);
  if (!isObject(body) || typeof body.query !== 'string' || body.query.trim() === '') {
    throw badRequest('The request payload is invalid. Ensure to provide a valid request payload.');
  }
  return { text: body.query, parameters: readParameters(body) };
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

function answer(context: RouteContext, { text, parameters }: Specification): Reply {
  const { request, clock } = context;
  const container = containerOf(context);
  const scope = scopeOf(context, container);
  const listed = context.target.operation === 'list';
  if (!listed && scope.key === undefined && scope.physical === undefined && !crossPartition(context)) {
    throw badRequest(
      'Cross partition query is required but disabled. Please set x-ms-documentdb-query-enablecrosspartition to true, specify x-ms-documentdb-partitionkey, or revise your query to avoid this exception.',
    );
  }
  const page = queryPage({
    container,
    prepared: prepareQuery(text, container.properties),
    parameters,
    scope,
    now: clock.now(),
    continuation: request.headers['x-ms-continuation'],
    maximum: pageSize(request),
  });
  const count = page.texts.length;
  const metrics = isTrue(request.headers['x-ms-documentdb-populatequerymetrics']);
  return {
    text: `{"_rid":${JSON.stringify(container.rid)},"Documents":[${page.texts.join(',')}],"_count":${count}}`,
    charge: requestCharge.query(page.examined, count),
    headers: {
      'x-ms-item-count': String(count),
      'x-ms-session-token': sessionToken(container, scope),
      ...(page.continuation === undefined ? {} : { 'x-ms-continuation': page.continuation }),
      ...(metrics ? { 'x-ms-documentdb-query-metrics': queryMetrics(page.examined, count) } : {}),
    },
  };
}

function crossPartition({ request }: RouteContext): boolean {
  return isTrue(request.headers['x-ms-documentdb-query-enablecrosspartition']);
}

/** The session tokens of the partitions that a request touched. */
export function sessionToken(container: Container, scope: ItemScope): string {
  if (scope.physical !== undefined) return scope.physical.sessionToken;
  const whole = scope.key?.length === container.properties.partitionKey.paths.length;
  if (scope.key !== undefined && whole) return container.physicalOf(scope.key).sessionToken;
  return container.physicalPartitions.map((partition) => partition.sessionToken).join(',');
}

function queryMetrics(examined: number, returned: number): string {
  const times =
    'totalExecutionTimeInMs queryCompileTimeInMs queryLogicalPlanBuildTimeInMs queryPhysicalPlanBuildTimeInMs queryOptimizationTimeInMs VMExecutionTimeInMs indexLookupTimeInMs documentLoadTimeInMs systemFunctionExecuteTimeInMs userFunctionExecuteTimeInMs writeOutputTimeInMs';
  const counts = [
    `retrievedDocumentCount=${examined}`,
    'retrievedDocumentSize=0',
    `outputDocumentCount=${returned}`,
    'outputDocumentSize=0',
    `indexUtilizationRatio=${examined === 0 ? '0.00' : Math.min(1, returned / examined).toFixed(2)}`,
  ];
  return [...times.split(' ').map((name) => `${name}=0.00`), ...counts].join(';');
}
