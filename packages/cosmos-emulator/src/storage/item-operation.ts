import { isObject, type Json, type JsonObject } from '../json.ts';
import { keyText, type PartitionKey } from '../partition/partition-key.ts';
import { badRequest, conflict, notFound, preconditionFailed, tooLarge } from '../service-error.ts';
import type { Container } from './container.ts';
import { applyPatch, parsePatch } from './patch.ts';
import { requestCharge } from './request-charge.ts';
import { isValidId } from './resource-id.ts';
import type { Document, StoredItem } from './stored-item.ts';
import type { Transaction } from './transaction.ts';

/** What can be asked of one item. */
export type ItemOperationType = 'Create' | 'Upsert' | 'Read' | 'Replace' | 'Patch' | 'Delete';

/** One operation on one item, alone or in a batch. */
export interface ItemOperation {
  readonly type: ItemOperationType;
  readonly key: PartitionKey;
  /** The id in the path; creation takes it from the body. */
  readonly id: string | undefined;
  readonly body: Json | undefined;
  /** Size of the body as sent. */
  readonly bytes: number;
  readonly ifMatch: string | undefined;
  readonly ifNoneMatch: string | undefined;
}

/** How an operation ended; refusals are thrown. */
export interface ItemResult {
  readonly status: number;
  readonly item: StoredItem | undefined;
  readonly charge: number;
}

/** What an operation works with. */
interface Context {
  readonly container: Container;
  readonly transaction: Transaction;
  readonly operation: ItemOperation;
  /** Tests a document against the filter of a conditional patch. */
  readonly matches: (document: JsonObject, condition: string) => boolean;
}

/** The largest item, as JSON text. */
export const maximumItemBytes = 2 * 1024 * 1024;

const performers: Readonly<Record<ItemOperationType, (context: Context) => ItemResult>> = {
  Create: (context) => {
    const document = checkedDocument(context);
    if (context.transaction.find(document.id) !== undefined) throw conflict();
    return written(context, { status: 201, document, old: undefined });
  },
  Upsert: (context) => {
    const document = checkedDocument(context);
    const old = context.transaction.find(document.id);
    if (old !== undefined) checkConditions(context.operation, old);
    return written(context, { status: old === undefined ? 201 : 200, document, old });
  },
  Read: ({ transaction, operation }) => {
    const item = found(transaction, operation);
    const charge = requestCharge.read(item.size);
    if (operation.ifNoneMatch === item.document._etag)
      return { status: 304, item, charge: requestCharge.metadata };
    return { status: 200, item, charge };
  },
  Replace: (context) => {
    const old = found(context.transaction, context.operation);
    checkConditions(context.operation, old);
    const document = checkedDocument(context);
    if (document.id !== old.id) throw badRequest('The id of an item cannot be changed by a replace.');
    return written(context, { status: 200, document, old });
  },
  Patch: (context) => {
    const { container, transaction, operation } = context;
    const old = found(transaction, operation);
    checkConditions(operation, old);
    const { operations, condition } = parsePatch(operation.body);
    if (condition !== undefined && !context.matches(old.document, condition)) throw preconditionFailed();
    const document = applyPatch(old.document, operations, container.properties.partitionKey.paths);
    const result = written(context, { status: 200, document: { ...document, id: old.id }, old });
    if (result.item !== undefined && result.item.size > maximumItemBytes) throw tooLarge();
    return result;
  },
  Delete: ({ transaction, operation }) => {
    const old = found(transaction, operation);
    checkConditions(operation, old);
    transaction.delete(old);
    return { status: 204, item: undefined, charge: requestCharge.delete(old.size) };
  },
};

/** Performs an operation inside a transaction, which the caller commits. Throws what the service refuses. */
export function perform(context: Context): ItemResult {
  return performers[context.operation.type](context);
}

function found(transaction: Transaction, operation: ItemOperation): StoredItem {
  const item = transaction.find(operation.id ?? '');
  if (item === undefined) throw notFound();
  return item;
}

function checkConditions({ ifMatch, ifNoneMatch }: ItemOperation, item: StoredItem): void {
  const etag = item.document._etag;
  if (ifMatch !== undefined && ifMatch !== '*' && ifMatch !== etag) throw preconditionFailed();
  if (ifNoneMatch === '*' || (ifNoneMatch !== undefined && ifNoneMatch === etag)) throw preconditionFailed();
}

function checkedDocument({ container, operation }: Context): Document {
  const { body } = operation;
  if (!isObject(body)) {
    throw badRequest('The request payload is invalid. Ensure to provide a valid request payload.');
  }
  const { id } = body;
  if (!isValidId(id)) {
    throw badRequest(
      "The input content is invalid because the required properties - 'id; ' - are missing or invalid.",
    );
  }
  if (operation.bytes > maximumItemBytes) throw tooLarge();
  if (keyText(container.keyOf(body)) !== keyText(operation.key)) {
    throw badRequest(
      "PartitionKey extracted from document doesn't match the one specified in the header.",
      1001,
    );
  }
  return Object.assign(body, { id });
}

function written(
  { transaction }: Context,
  write: { status: number; document: Document; old: StoredItem | undefined },
): ItemResult {
  const item = transaction.put(write.document, write.old);
  const charge = requestCharge[write.old === undefined ? 'create' : 'replace'](item.size);
  return { status: write.status, item, charge };
}
