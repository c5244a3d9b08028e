import { methodNotAllowed } from '../service-error.ts';
import { accountRoutes } from './account.ts';
import { batchRoutes } from './batch.ts';
import { changeFeedRoutes } from './change-feed.ts';
import { clientEncryptionKeyRoutes } from './client-encryption-keys.ts';
import { conflictRoutes } from './conflicts.ts';
import { containerRoutes } from './containers.ts';
import { databaseRoutes } from './databases.ts';
import { itemRoutes } from './items.ts';
import { offerRoutes } from './offers.ts';
import { partitionKeyDeleteRoutes } from './partition-key-delete.ts';
import { partitionKeyRangeRoutes } from './partition-key-ranges.ts';
import { permissionRoutes } from './permissions.ts';
import { queryRoutes } from './query.ts';
import type { Reply, RouteContext, RouteTable } from './route-context.ts';
import { scriptRoutes } from './scripts.ts';
import { userRoutes } from './users.ts';

const routes: RouteTable = {
  ...accountRoutes,
  ...databaseRoutes,
  ...offerRoutes,
  ...userRoutes,
  ...permissionRoutes,
  ...clientEncryptionKeyRoutes,
  ...containerRoutes,
  ...partitionKeyDeleteRoutes,
  ...conflictRoutes,
  ...itemRoutes,
  ...batchRoutes,
  ...queryRoutes,
  ...changeFeedRoutes,
  ...partitionKeyRangeRoutes,
  ...scriptRoutes,
};

/** Answers a request. Throws a `ServiceError`. */
export function route(context: RouteContext): Reply {
  const { resource, operation } = context.target;
  const handler = routes[`${resource}.${operation}`];
  if (handler === undefined) throw methodNotAllowed();
  return handler(context);
}
