import { randomUUID } from 'node:crypto';
import { isObject, type Json, type JsonObject, type Value } from '../json.ts';
import type { PartitionKey } from '../partition/partition-key.ts';
import { badRequest, ServiceError } from '../service-error.ts';
import { queryPage } from '../sql/paging.ts';
import { prepareQuery } from '../sql/query-engine.ts';
import type { Container } from '../storage/container.ts';
import { type ItemOperationType, type ItemResult, perform } from '../storage/item-operation.ts';
import { requestCharge } from '../storage/request-charge.ts';
import type { Transaction } from '../storage/transaction.ts';
import type { UdfCaller } from './udf-caller.ts';

/** The part of a container that a script works on: one logical partition, in one transaction. */
export interface ScriptScope {
  readonly container: Container;
  readonly transaction: Transaction;
  readonly key: PartitionKey;
  readonly now: number;
  readonly callUdf: UdfCaller;
}

type Performer = (details: JsonObject) => string;

/** The operations that scripts may ask for. They see what the transaction wrote before, and nothing outside its partition. */
export class ScriptCollection {
  readonly #scope: ScriptScope;
  /** Ids by resource id, for documents that are named by their self link. */
  #ids: Map<string, string> | undefined;
  #revision = 0;
  #charge = 0;
  readonly #performers: ReadonlyMap<string, Performer> = new Map<string, Performer>([
    ['read', (details) => this.#item('Read', details)],
    ['create', (details) => this.#item('Create', details)],
    ['upsert', (details) => this.#item('Upsert', details)],
    ['replace', (details) => this.#item('Replace', details)],
    ['delete', (details) => this.#item('Delete', details)],
    ['list', (details) => this.#feed('SELECT * FROM c', details)],
    ['query', (details) => this.#feed(textOf(details.query), details)],
    ['all', () => this.#all()],
  ]);

  constructor(scope: ScriptScope) {
    this.#scope = scope;
  }

  /** Request units so far. */
  get charge(): number {
    return this.#charge;
  }

  /** Performs an operation. Gives JSON text: the resource and its options, or the error for the script. */
  call(operation: string, text: string): string {
    try {
      const details: Json = JSON.parse(text);
      const performer = this.#performers.get(operation);
      if (performer === undefined || !isObject(details))
        throw badRequest('The operation is not one that scripts have.');
      return performer(details);
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      this.#charge += requestCharge.failure;
      return JSON.stringify({
        error: { number: error.status, body: JSON.stringify({ Errors: [wordsOf(error)] }) },
      });
    }
  }

  #item(type: ItemOperationType, details: JsonObject): string {
    const { container, transaction, key } = this.#scope;
    const body = details.body === undefined ? undefined : readBody(details);
    const result = perform({
      container,
      transaction,
      operation: {
        type,
        key,
        id: this.#idOf(details),
        body,
        bytes: body === undefined ? 0 : Buffer.byteLength(textOf(details.body)),
        ifMatch: optionalText(details.etag),
        ifNoneMatch: optionalText(details.ifNoneMatch),
      },
      matches: () => true,
    });
    this.#charge += result.charge;
    if (type !== 'Read') this.#revision++;
    return this.#answer(result);
  }

  #answer({ status, item }: ItemResult): string {
    if (item !== undefined) this.#ids?.set(item.document._rid, item.id);
    if (item === undefined) return JSON.stringify({ options: { statusCode: status } });
    if (status === 304) return JSON.stringify({ options: { statusCode: status, notModified: true } });
    return JSON.stringify({ resource: item.document, options: { statusCode: status } });
  }

  #idOf({ id, rid }: JsonObject): string | undefined {
    if (typeof rid !== 'string') return optionalText(id);
    const { transaction } = this.#scope;
    this.#ids ??= new Map(transaction.items().map((item) => [item.document._rid, item.id]));
    return this.#ids.get(rid);
  }

  #feed(text: string, { parameters, pageSize, continuation }: JsonObject): string {
    const { container, transaction, key, now, callUdf } = this.#scope;
    const page = queryPage({
      container: {
        items: (_scope, from = 0) => transaction.items().filter(({ sequence }) => sequence >= from),
        revision: this.#revision,
        properties: container.properties,
      },
      prepared: prepareQuery(text, container.properties),
      parameters: readParameters(parameters),
      scope: { key },
      now,
      continuation: optionalText(continuation),
      maximum: pageSizeOf(pageSize),
      tokenLimit: 8 * 1024,
      callUdf,
    });
    this.#charge += requestCharge.query(page.examined.count, page.texts.length);
    const options = page.continuation === undefined ? {} : { continuation: page.continuation };
    return `{"resource":[${page.texts.join(',')}],"options":${JSON.stringify(options)}}`;
  }

  #all(): string {
    const documents = this.#scope.transaction.items().map(({ document }) => document);
    this.#charge += requestCharge.query(documents.length, documents.length);
    return JSON.stringify({ resource: documents });
  }
}

function readBody({ body, generateId }: JsonObject): Json {
  let parsed: Json;
  try {
    parsed = JSON.parse(textOf(body));
  } catch {
    throw badRequest('The input content is invalid because the document is not valid JSON.');
  }
  if (generateId === true && isObject(parsed) && !parsed.id) return { ...parsed, id: randomUUID() };
  return parsed;
}

function readParameters(list: Value): ReadonlyMap<string, Value> {
  const entries = Array.isArray(list) ? list : [];
  return new Map(
    entries.map((entry) => {
      if (isObject(entry) && typeof entry.name === 'string') return [entry.name, entry.value] as const;
      throw badRequest('A query parameter needs a name.');
    }),
  );
}

/** A page holds 100 results where the script does not say, and 1000 at most. */
function pageSizeOf(value: Value): number {
  if (value === -1) return 1000;
  return typeof value === 'number' && value >= 1 ? Math.min(Math.floor(value), 1000) : 100;
}

function textOf(value: Value): string {
  if (typeof value === 'string') return value;
  throw badRequest('The request payload is invalid. Ensure to provide a valid request payload.');
}

function optionalText(value: Value): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Scripts are told in other words than clients, by the status of the refusal. */
function wordsOf({ status, substatus, message }: ServiceError): string {
  if (substatus === 1001) {
    return 'Requests originating from scripts cannot reference partition keys other than the one for which client request was submitted.';
  }
  if (status === 404) return 'Resource Not Found. Learn more: https://aka.ms/cosmosdb-tsg-not-found';
  if (status === 412)
    return 'One of the specified pre-condition is not met. Learn more: https://aka.ms/CosmosDB/sql/errors/precondition-failed';
  if (status === 409 && !message.startsWith('Unique index')) {
    return 'Resource with specified id or name already exists.';
  }
  return message;
}
