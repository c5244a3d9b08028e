import { badRequest } from '../service-error.ts';
import type { Container } from '../storage/container.ts';
import { containerOf, headerKey } from './request-scope.ts';
import type { RouteTable } from './route-context.ts';

/** Deletes every item with one partition key. The service does so in the background; here it is done with the answer. */
export const partitionKeyDeleteRoutes: RouteTable = {
  'partitionKeyDelete.delete': (context) => {
    const container = containerOf(context);
    const key = headerKey(context.request, container);
    if (key === undefined || key.length < container.properties.partitionKey.paths.length) {
      throw badRequest('PartitionKey value must be supplied for this operation.');
    }
    deleteAll(container, key);
    return { headers: { 'x-ms-session-token': container.physicalOf(key).sessionToken } };
  },
};

function deleteAll(container: Container, key: ReturnType<Container['keyOf']>): void {
  const transaction = container.begin(key);
  for (const item of container.items({ key })) transaction.delete(item);
  transaction.commit();
}
