import { notFound } from '../service-error.ts';
import { accountRoutes } from './account.ts';
import { batchRoutes } from './batch.ts';
import { changeFeedRoutes } from './change-feed.ts';
import { containerRoutes } from './containers.ts';
import { databaseRoutes } from './databases.ts';
import { itemRoutes } from './items.ts';
import { partitionKeyRangeRoutes } from './partition-key-ranges.ts';
import { queryRoutes } from './query.ts';
import type { Reply, RouteContext, RouteTable } from './route-context.ts';

const routes: RouteTable = {
  ...accountRoutes,
  ...databaseRoutes,
  ...containerRoutes,
  ...itemRoutes,
  ...batchRoutes,
  ...queryRoutes,
  ...changeFeedRoutes,
  ...partitionKeyRangeRoutes,
};

/** Answers a request. Throws a `ServiceError`. */
export function route(context: RouteContext): Reply {
  const { resource, operation } = context.target;
  const handler = routes[`${resource}.${operation}`];
  if (handler === undefined) throw notFound(`The emulator does not serve '${operation}' of ${resource}.`);
  return handler(context);
}
