import { isObject, type Json, type JsonObject } from '../json.ts';
import { keyText, type PartitionKey, parsePartitionKey } from '../partition/partition-key.ts';
import { badRequest, ServiceError, tooLarge } from '../service-error.ts';
import type { Container } from '../storage/container.ts';
import {
  type ItemOperation,
  type ItemOperationType,
  type ItemResult,
  maximumItemBytes,
} from '../storage/item-operation.ts';
import type { ItemScope } from '../storage/item-scope.ts';
import { requestCharge } from '../storage/request-charge.ts';
import type { Transaction } from '../storage/transaction.ts';
import { performItem } from './items.ts';
import { addressedPartition, containerOf, headerKey, sessionToken, wholeKey } from './request-scope.ts';
import {
  isTrue,
  prefersMinimal,
  type Reply,
  type RouteContext,
  type RouteTable,
  readJson,
} from './route-context.ts';

/** The most operations that one batch may hold. */
const maximumOperations = 100;

/** Several operations in one request: `batch` all or nothing in one logical partition, `bulk` each for itself. */
export const batchRoutes: RouteTable = {
  'items.batch': batch,
  'items.bulk': bulk,
};

/** How one operation ended, as the answer spells it. */
interface Outcome {
  readonly statusCode: number;
  readonly requestCharge: number;
  readonly subStatusCode?: number;
  readonly message?: string;
  readonly eTag?: string;
  readonly resourceBody?: Json;
  readonly retryAfterMilliseconds?: number;
}

function batch(context: RouteContext): Reply {
  const container = containerOf(context);
  const operations = readOperations(context);
  const given = headerKey(context.request, container);
  if (given === undefined) throw badRequest('PartitionKey value must be supplied for this operation.');
  const key = wholeKey(given, container);
  addressedPartition(context.request, container);
  if (Buffer.byteLength(context.request.body) > maximumItemBytes) throw tooLarge();
  const transaction = container.begin(key);
  const outcomes: Outcome[] = [];
  for (const operation of operations) {
    if (operation.partitionKey !== undefined) requireSameKey(operation, key, container);
    const outcome = attempt(context, { container, transaction, operation, key });
    outcomes.push(outcome);
    if (outcome.statusCode >= 400) return reply(container, { key }, failed(outcomes, operations.length));
  }
  transaction.commit();
  return reply(container, { key }, outcomes);
}

/** Everything but the operation that failed is answered with 424: it did not happen because of the other. */
function failed(outcomes: readonly Outcome[], count: number): Outcome[] {
  const at = outcomes.length - 1;
  return Array.from({ length: count }, (_, index) => {
    const outcome = outcomes[index];
    if (index === at && outcome !== undefined) return outcome;
    return { statusCode: 424, requestCharge: outcome?.requestCharge ?? 0 };
  });
}

function bulk(context: RouteContext): Reply {
  const container = containerOf(context);
  const physical = addressedPartition(context.request, container);
  const goOn = isTrue(context.request.headers['x-ms-cosmos-batch-continue-on-error']);
  const outcomes: Outcome[] = [];
  let stopped = false;
  for (const operation of readOperations(context)) {
    if (stopped) {
      outcomes.push({ statusCode: 424, requestCharge: 0 });
      continue;
    }
    const outcome = attemptAlone(context, container, operation);
    outcomes.push(outcome);
    stopped = outcome.statusCode >= 400 && !goOn;
  }
  return reply(container, { physical }, outcomes);
}

function attemptAlone(context: RouteContext, container: Container, operation: JsonObject): Outcome {
  try {
    const key = wholeKey(keyOf(operation, container), container);
    const transaction = container.begin(key);
    const outcome = attempt(context, { container, transaction, operation, key });
    if (outcome.statusCode < 400) transaction.commit();
    return outcome;
  } catch (error) {
    return refused(error);
  }
}

function attempt(
  context: RouteContext,
  step: { container: Container; transaction: Transaction; operation: JsonObject; key: PartitionKey },
): Outcome {
  const { container, transaction, operation, key } = step;
  try {
    const minimal = prefersMinimal(context.request);
    const parsed = readOperation(operation, key);
    const result = performItem({ container, transaction, now: context.clock.now() }, parsed);
    return succeeded(result, minimal && parsed.type !== 'Read');
  } catch (error) {
    return refused(error);
  }
}

function succeeded({ status, item, charge }: ItemResult, minimal: boolean): Outcome {
  if (item === undefined) return { statusCode: status, requestCharge: charge };
  const { document } = item;
  const body = minimal || status === 304 ? {} : { resourceBody: document };
  return { statusCode: status, requestCharge: charge, eTag: document._etag, ...body };
}

function refused(error: unknown): Outcome {
  if (!(error instanceof ServiceError)) throw error;
  return {
    statusCode: error.status,
    requestCharge: requestCharge.failure,
    ...(error.substatus === undefined ? {} : { subStatusCode: error.substatus }),
    message: error.message,
  };
}

const types: ReadonlyMap<string, ItemOperationType> = new Map([
  ['Create', 'Create'],
  ['Upsert', 'Upsert'],
  ['Read', 'Read'],
  ['Replace', 'Replace'],
  ['Patch', 'Patch'],
  ['Delete', 'Delete'],
]);

function readOperation(operation: JsonObject, key: PartitionKey): ItemOperation {
  const type = typeof operation.operationType === 'string' ? types.get(operation.operationType) : undefined;
  if (type === undefined) throw badRequest('The operation type of a batch is not supported.');
  const { id, ifMatch, ifNoneMatch, resourceBody: body } = operation;
  return {
    type,
    key,
    id: typeof id === 'string' ? id : undefined,
    body,
    bytes: body === undefined ? 0 : Buffer.byteLength(JSON.stringify(body)),
    ifMatch: typeof ifMatch === 'string' ? ifMatch : undefined,
    ifNoneMatch: typeof ifNoneMatch === 'string' ? ifNoneMatch : undefined,
  };
}

function readOperations({ request }: RouteContext): JsonObject[] {
  const body = readJson(request);
  if (!Array.isArray(body) || body.length === 0 || !body.every(isObject)) {
    throw badRequest('A batch request must hold at least one operation.');
  }
  if (body.length > maximumOperations) {
    throw badRequest(`Batch request has more operations than what is supported. (${maximumOperations})`);
  }
  return body;
}

function keyOf(operation: JsonObject, container: Container): PartitionKey {
  const { partitionKey } = operation;
  if (typeof partitionKey === 'string')
    return parsePartitionKey(partitionKey, container.properties.partitionKey);
  throw badRequest('PartitionKey value must be supplied for this operation.');
}

function requireSameKey(operation: JsonObject, key: PartitionKey, container: Container): void {
  if (keyText(keyOf(operation, container)) === keyText(key)) return;
  throw badRequest('The operations of a batch must have the partition key of the batch.', 1001);
}

function reply(container: Container, scope: ItemScope, outcomes: readonly Outcome[]): Reply {
  const charge = outcomes.reduce((sum, outcome) => sum + outcome.requestCharge, 0);
  return {
    status: outcomes.some((outcome) => outcome.statusCode >= 400) ? 207 : 200,
    charge: Math.round(charge * 100) / 100,
    body: outcomes,
    headers: { 'x-ms-session-token': sessionToken(container, scope) },
  };
}
