import { isObject, type Json } from '../json.ts';
import type { PartitionKey } from '../partition/partition-key.ts';
import { badRequest } from '../service-error.ts';
import { matchesCondition } from '../sql/query-engine.ts';
import type { Container } from '../storage/container.ts';
import {
  type ItemOperation,
  type ItemOperationType,
  type ItemResult,
  perform,
} from '../storage/item-operation.ts';
import type { Transaction } from '../storage/transaction.ts';
import { containerOf, headerKey } from './request-scope.ts';
import { type Handler, type Reply, type RouteContext, type RouteTable, readJson } from './route-context.ts';

/** Items one by one. */
export const itemRoutes: RouteTable = {
  'items.create': single('Create'),
  'items.upsert': single('Upsert'),
  'items.read': single('Read'),
  'items.replace': single('Replace'),
  'items.patch': single('Patch'),
  'items.delete': single('Delete'),
};

/** Performs one operation in a transaction of the caller. */
export function performItem(
  context: { container: Container; transaction: Transaction; now: number },
  operation: ItemOperation,
): ItemResult {
  return perform({
    container: context.container,
    transaction: context.transaction,
    operation,
    matches: (document, condition) => matchesCondition(document, condition, context.now),
  });
}

function single(type: ItemOperationType): Handler {
  return (context) => {
    const container = containerOf(context);
    const { request, target, clock } = context;
    const body = type === 'Read' || type === 'Delete' ? undefined : readJson(request);
    const key = requiredKey(context, container, body);
    const transaction = container.begin(key);
    const result = performItem(
      { container, transaction, now: clock.now() },
      {
        type,
        key,
        id: target.item,
        body,
        bytes: Buffer.byteLength(request.body),
        ifMatch: request.headers['if-match'],
        ifNoneMatch: request.headers['if-none-match'],
      },
    );
    transaction.commit();
    return itemReply(result, container, key);
  };
}

function requiredKey(
  { request, target }: RouteContext,
  container: Container,
  body: Json | undefined,
): PartitionKey {
  const key = headerKey(request, container);
  if (key === undefined) {
    if (target.item === undefined && isObject(body)) return container.keyOf(body);
    throw badRequest('PartitionKey value must be supplied for this operation.');
  }
  if (key.length < container.properties.partitionKey.paths.length) {
    throw badRequest('Partition key provided has fewer components than defined in the collection.', 1001);
  }
  return key;
}

function itemReply({ status, item, charge }: ItemResult, container: Container, key: PartitionKey): Reply {
  const physical = item?.partition.physical ?? container.physicalOf(key);
  return {
    status,
    charge,
    ...(item === undefined || status === 304 ? {} : { text: item.text }),
    headers: {
      'x-ms-session-token': physical.sessionToken,
      lsn: String(physical.lsn),
      ...(item === undefined ? {} : { etag: item.document._etag }),
    },
  };
}
