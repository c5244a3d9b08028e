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
import { textOf } from '../storage/stored-item.ts';
import type { Transaction } from '../storage/transaction.ts';
import { itemTriggers, type TriggeredReply } from './item-triggers.ts';
import { addressedPartition, containerOf, headerKey, wholeKey } from './request-scope.ts';
import {
  type Handler,
  prefersMinimal,
  type Reply,
  type RouteContext,
  type RouteTable,
  readJson,
} from './route-context.ts';

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
    addressedPartition(request, container);
    checkIndexingDirective(request.headers['x-ms-indexing-directive']);
    const sent = type === 'Read' || type === 'Delete' ? undefined : readJson(request);
    const key = requiredKey(context, container, sent);
    const transaction = container.begin(key);
    const triggers = itemTriggers(context, type, { container, transaction, key });
    const body = triggers.before(sent);
    const result = performItem(
      { container, transaction, now: clock.now() },
      {
        type,
        key,
        id: target.item,
        body,
        bytes: Buffer.byteLength(body === sent ? request.body : JSON.stringify(body)),
        ifMatch: request.headers['if-match'],
        ifNoneMatch: request.headers['if-none-match'],
      },
    );
    const triggered = triggers.after(body, result);
    transaction.commit();
    const reply = withTriggered(itemReply(result, container, key), triggered);
    const minimal = type !== 'Read' && prefersMinimal(request);
    return minimal ? { ...reply, text: '' } : reply;
  };
}

function withTriggered(reply: Reply, { text, headers }: TriggeredReply): Reply {
  return { ...reply, ...(text === undefined ? {} : { text }), headers: { ...reply.headers, ...headers } };
}

function checkIndexingDirective(directive: string | undefined): void {
  if (directive === undefined || /^(default|include|exclude)$/i.test(directive)) return;
  throw badRequest(`The value '${directive}' specified for the header x-ms-indexing-directive is invalid.`);
}

function requiredKey(
  { request, target }: RouteContext,
  container: Container,
  body: Json | undefined,
): PartitionKey {
  const key = headerKey(request, container);
  if (key === undefined) {
    if (target.item === undefined && isObject(body)) return container.keyOf(body);
    // Clients of the time before partition keys know of none, and their containers have one that no item sets.
    if (container.properties.partitionKey.systemKey) return container.keyOf({});
    throw badRequest('PartitionKey value must be supplied for this operation.');
  }
  return wholeKey(key, container);
}

function itemReply({ status, item, charge }: ItemResult, container: Container, key: PartitionKey): Reply {
  const physical = item?.partition.physical ?? container.physicalOf(key);
  return {
    status,
    charge,
    ...(item === undefined || status === 304 ? {} : { text: textOf(item) }),
    headers: {
      'x-ms-session-token': physical.sessionToken,
      lsn: String(physical.lsn),
      ...(item === undefined ? {} : { etag: item.document._etag }),
    },
  };
}
