import { isObject, type JsonObject } from '../json.ts';
import { badRequest } from '../service-error.ts';
import { parseQuery } from '../sql/parse.ts';
import { compileTop } from '../sql/query-engine.ts';
import { startRun } from '../sql/scope.ts';
import { readParameters } from './request-scope.ts';
import { pageSize, type Reply, type RouteContext, readJson } from './route-context.ts';

/** Answers a listing, or a query, over resources that are few: databases, containers, ranges. */
export function resourceFeed(context: RouteContext, name: string, resources: readonly JsonObject[]): Reply {
  const { request, target, clock } = context;
  const results = target.operation === 'query' ? queried(context, resources, clock.now()) : resources;
  const start = Number(request.headers['x-ms-continuation'] ?? 0);
  if (!Number.isInteger(start) || start < 0) throw badRequest('Invalid Continuation Token');
  const end = start + pageSize(request);
  const page = results.slice(start, end);
  return {
    body: { _rid: '', [name]: page, _count: page.length },
    headers: {
      'x-ms-item-count': String(page.length),
      ...(end < results.length ? { 'x-ms-continuation': String(end) } : {}),
    },
  };
}

function queried(
  { request }: RouteContext,
  resources: readonly JsonObject[],
  now: number,
): readonly unknown[] {
  const body = readJson(request);
  if (!isObject(body) || typeof body.query !== 'string') throw badRequest('The request holds no query.');
  const run = startRun({ parameters: readParameters(body), now });
  return compileTop(parseQuery(body.query)).executeOver(resources, run);
}
