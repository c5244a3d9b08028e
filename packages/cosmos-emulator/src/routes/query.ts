import type { Value } from '../json.ts';
import { isObject } from '../json.ts';
import { badRequest, ServiceError } from '../service-error.ts';
import { queryPage } from '../sql/paging.ts';
import { planQuery } from '../sql/plan.ts';
import { type PreparedQuery, prepareQuery } from '../sql/query-engine.ts';
import type { Container, ItemScope } from '../storage/container.ts';
import { requestCharge } from '../storage/request-charge.ts';
import { containerOf, readParameters, scopeOf, sessionToken } from './request-scope.ts';
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
  'items.queryPlan': (context) => {
    const { properties } = containerOf(context);
    const { text, parameters } = readSpecification(context);
    return { body: planQuery(prepareQuery(text, properties), parameters, properties) };
  },
  'items.list': (context) => answer(context, { text: 'SELECT * FROM c', parameters: new Map() }),
};

/** A query and its parameters. */
interface Specification {
  readonly text: string;
  readonly parameters: ReadonlyMap<string, Value>;
}

/** Reads `{ query, parameters }`. Throws status 400. */
function readSpecification({ request }: RouteContext): Specification {
  const body = readJson(request);
  if (!isObject(body) || typeof body.query !== 'string' || body.query.trim() === '') {
    throw badRequest('The request payload is invalid. Ensure to provide a valid request payload.');
  }
  return { text: body.query, parameters: readParameters(body) };
}

function answer(context: RouteContext, { text, parameters }: Specification): Reply {
  const { request, clock } = context;
  const container = containerOf(context);
  const scope = scopeOf(context, container);
  const prepared = prepareQuery(text, container.properties);
  if (context.target.operation === 'query') requireRoute(context, { container, scope, prepared, parameters });
  const page = queryPage({
    container,
    prepared,
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

/** Refuses what cannot be answered in one go: the client then plans the query and asks each partition. */
function requireRoute(
  { request }: RouteContext,
  query: {
    container: Container;
    scope: ItemScope;
    prepared: PreparedQuery;
    parameters: ReadonlyMap<string, Value>;
  },
): void {
  const { container, scope, prepared, parameters } = query;
  if (scope.key !== undefined || scope.physical !== undefined) return;
  if (!isTrue(request.headers['x-ms-documentdb-query-enablecrosspartition'])) {
    throw badRequest(
      'Cross partition query is required but disabled. Please set x-ms-documentdb-query-enablecrosspartition to true, specify x-ms-documentdb-partitionkey, or revise your query to avoid this exception.',
    );
  }
  if (container.physicalPartitions.length === 1 || prepared.compiled.paging === 'stream') return;
  throw new ServiceError({
    status: 400,
    code: 'BadRequest',
    message: 'Cross partition query can not be directly served by the gateway.',
    substatus: 1004,
    details: { additionalErrorInfo: JSON.stringify(planQuery(prepared, parameters, container.properties)) },
  });
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
