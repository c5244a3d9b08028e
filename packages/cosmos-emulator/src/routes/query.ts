import { isObject } from '../json.ts';
import type { KeyRange } from '../partition/partition-ranges.ts';
import { badRequest, ServiceError } from '../service-error.ts';
import type { Parameters } from '../sql/constant.ts';
import { isByDocument } from '../sql/derived-source.ts';
import { queryPage } from '../sql/paging.ts';
import { planQuery, type QueryRange, queryRanges } from '../sql/plan.ts';
import { requireFeatures } from '../sql/plan-features.ts';
import { type PreparedQuery, prepareQuery } from '../sql/query-engine.ts';
import type { Container } from '../storage/container.ts';
import type { ItemScope } from '../storage/item-scope.ts';
import { requestCharge } from '../storage/request-charge.ts';
import { indexUtilization, queryMetrics } from './query-metrics.ts';
import { containerOf, readParameters, scopeOf, sessionToken } from './request-scope.ts';
import {
  isTrue,
  pageSize,
  type Reply,
  type RouteContext,
  type RouteTable,
  readJson,
} from './route-context.ts';

import { udfCallerOf } from './script-run.ts';

/** Queries over items, their plans, and plain listings. */
export const queryRoutes: RouteTable = {
  'items.query': (context) => answer(context, readSpecification(context)),
  'items.queryPlan': (context) => plan(context, readSpecification(context)),
  'items.list': (context) => answer(context, { text: 'SELECT * FROM c', parameters: new Map() }),
};

/** A query and its parameters. */
interface Specification {
  readonly text: string;
  readonly parameters: Parameters;
}

/** Reads `{ query, parameters }`. Throws status 400. */
function readSpecification({ request }: RouteContext): Specification {
  const body = readJson(request);
  if (!isObject(body) || typeof body.query !== 'string' || body.query.trim() === '') {
    throw badRequest('The request payload is invalid. Ensure to provide a valid request payload.');
  }
  return { text: body.query, parameters: readParameters(body) };
}

function plan(context: RouteContext, { text, parameters }: Specification): Reply {
  const { headers } = context.request;
  const version = headers['x-ms-cosmos-query-version'];
  if (version !== undefined && !/^1(\.\d+)?$/.test(version)) {
    throw badRequest(`The query version '${version}' is not supported.`);
  }
  const { properties } = containerOf(context);
  const body = planQuery(prepareQuery(text, properties), parameters, properties.partitionKey);
  requireFeatures(body, headers['x-ms-cosmos-supported-query-features']);
  return { body };
}

function answer(context: RouteContext, { text, parameters }: Specification): Reply {
  const { request, clock } = context;
  const container = containerOf(context);
  const scope = scopeOf(context, container);
  const begin = performance.now();
  const prepared = prepareQuery(text, container.properties);
  const compiled = performance.now();
  if (context.target.operation === 'query') requireRoute(context, { container, scope, prepared, parameters });
  const page = queryPage({
    container,
    prepared,
    parameters,
    scope,
    now: clock.now(),
    continuation: request.headers['x-ms-continuation'],
    maximum: pageSize(request),
    tokenLimit: tokenLimit(request.headers['x-ms-documentdb-responsecontinuationtokenlimitinkb']),
    callUdf: udfCallerOf(context),
  });
  const times = { compile: compiled - begin, execute: performance.now() - compiled };
  const count = page.texts.length;
  const metrics = isTrue(request.headers['x-ms-documentdb-populatequerymetrics']);
  return {
    text: `{"_rid":${JSON.stringify(container.rid)},"Documents":[${page.texts.join(',')}],"_count":${count}}`,
    charge: requestCharge.query(page.examined.count, count),
    headers: {
      'x-ms-item-count': String(count),
      'x-ms-session-token': sessionToken(container, scope),
      ...(page.continuation === undefined ? {} : { 'x-ms-continuation': page.continuation }),
      ...(metrics ? { 'x-ms-documentdb-query-metrics': queryMetrics(page, times) } : {}),
      ...executionInfo(prepared),
      ...indexUtilization(request.headers, prepared, container.properties),
    },
  };
}

/** Tells clients which way equals of an ordered query come: they skip by that what they have when they resume. */
function executionInfo({ query, compiled }: PreparedQuery): Readonly<Record<string, string>> {
  if (compiled.paging !== 'ordered') return {};
  const reverseIndexScan = query.orderBy.some(({ descending }) => descending);
  return {
    'x-ms-cosmos-query-execution-info': JSON.stringify({ reverseRidEnabled: false, reverseIndexScan }),
  };
}

/** Bytes that a continuation may take: so many KB, or 8 where the client does not say. */
function tokenLimit(header: string | undefined): number {
  const kilobytes = Number(header);
  return 1024 * (Number.isInteger(kilobytes) && kilobytes > 0 ? kilobytes : 8);
}

/**
 * Refuses what the gateway cannot answer by itself: results that lie in several partitions and need merging, or that
 * the client wants to fetch in parallel. The client then plans the query and asks each partition.
 */
function requireRoute(
  { request: { headers } }: RouteContext,
  query: { container: Container; scope: ItemScope; prepared: PreparedQuery; parameters: Parameters },
): void {
  const { container, scope, prepared, parameters } = query;
  if (scope.key !== undefined || scope.physical !== undefined || prepared.query.from.length === 0) return;
  const { partitionKey } = container.properties;
  const ranges = queryRanges(prepared, parameters, partitionKey);
  const [range, ...others] = ranges;
  if (others.length === 0 && (range === undefined || range.min === range.max)) return;
  if (!isTrue(headers['x-ms-documentdb-query-enablecrosspartition'])) {
    throw badRequest(
      'Cross partition query is required but disabled. Please set x-ms-documentdb-query-enablecrosspartition to true, specify x-ms-documentdb-partitionkey, or revise your query to avoid this exception.',
    );
  }
  const parallel = isTrue(headers['x-ms-documentdb-query-parallelizecrosspartitionquery']);
  if (isByDocument(prepared.query, prepared.compiled) && !parallel) return;
  const touched = container.physicalPartitions.filter((physical) =>
    ranges.some((other) => overlaps(physical.range, other)),
  );
  if (touched.length <= 1) return;
  throw new ServiceError({
    status: 400,
    code: 'BadRequest',
    message:
      'The provided cross partition query can not be directly served by the gateway. This is a first chance (internal) exception that all newer clients will know how to handle gracefully. This exception is traced, but unless you see it bubble up as an exception (which only happens on older SDK clients), then you can safely ignore this message.',
    substatus: 1004,
    details: { additionalErrorInfo: JSON.stringify(planQuery(prepared, parameters, partitionKey)) },
  });
}

function overlaps(partition: KeyRange, range: QueryRange): boolean {
  return range.min < partition.max && (range.max > partition.min || range.min === partition.min);
}
