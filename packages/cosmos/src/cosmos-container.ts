import type {
  Container,
  ItemResponse,
  JSONObject,
  OperationInput,
  PatchRequestBody,
  SqlQuerySpec,
} from '@azure/cosmos';
import {
  type CallOptions,
  isJsonObject,
  type JsonObject,
  type PartitionLevel,
  type PolyphaseError,
  partitionText,
  type RequestMeter,
  StoreError,
} from '@polyphase/core';
import { type CosmosFailure, cosmosError, failureOf, isAbort, isOutcomeUnknown } from './cosmos-errors.ts';
import { type Path, parsePath, toPartitionKey } from './partition-key.ts';
import { type RequestCharges, requestCost, THROTTLES } from './request-charge.ts';

/** What the adapter needs to know of a container. */
export interface ContainerInfo {
  /** Identity of the container: another one after it was deleted and created again. */
  readonly rid: string;
  readonly partitionPaths: readonly Path[];
  readonly uniqueKeys: readonly (readonly Path[])[];
  /** Composite indexes of the policy: paths as they are written there, with their orders. */
  readonly compositeIndexes: readonly (readonly { readonly path: string; readonly order: string }[])[];
  /** Default lifetime in seconds; −1: on, without one; undefined: off. */
  readonly defaultTtl: number | undefined;
}

/** Where a document is, how a request is counted, and what stops it. */
export interface ItemCall extends CallOptions {
  readonly operation: string;
  readonly partition: readonly PartitionLevel[];
  readonly id: string;
  /** Label of the key, for messages. */
  readonly label?: string | undefined;
}

/** What a point read found, with the date of the answer. */
export interface Found {
  readonly document: JsonObject | undefined;
  readonly etag: string | undefined;
  readonly serverNowMs: number;
}

/**
 * How a write ended: `written`; `refused` by a condition, an id or a unique key that is taken (nothing was written); or `lost`: no
 * answer that says whether it took effect.
 */
export type PutOutcome =
  | {
      readonly kind: 'written';
      readonly etag: string | undefined;
      readonly sessionToken: string | undefined;
      readonly document: JsonObject | undefined;
    }
  | { readonly kind: 'refused'; readonly status: number; readonly unique: boolean }
  | { readonly kind: 'lost'; readonly error: PolyphaseError };

/** One page of a query's answers. */
export interface QueryPage {
  readonly rows: readonly JsonObject[];
  readonly more: boolean;
}

/** One physical partition, and the stretch of the key space that it holds. */
interface PhysicalRange {
  readonly id: string;
  readonly min: string;
  readonly max: string;
}

/** What has been learnt of a container: may be out of date, see {@link CosmosContainer.forget}. */
interface Learnt {
  info: Promise<ContainerInfo> | undefined;
  ranges: Promise<readonly PhysicalRange[]> | undefined;
  readonly under: Map<string, readonly string[]>;
}

/** What a {@link CosmosContainer} is made of. */
interface CosmosContainerOptions {
  readonly container: Container;
  readonly entity: string;
  readonly charges: RequestCharges;
}

/** First levels of partition keys whose places are remembered. */
const MOST_PREFIXES = 1_000;

const OWNER_NOT_FOUND = 1003;
const REFUSED: ReadonlySet<number | undefined> = new Set([404, 409, 412]);

// The driver's own option: with it, one physical partition answers a query as it stands, as the driver itself asks it after it has
// planned a query. Its own merging of ordered answers fails on null, and orders text by UTF-16 units.
const RANGE_HEADER = 'x-ms-documentdb-partitionkeyrangeid';

/** One container, with errors mapped, charges counted and signals heeded: the only place that calls the driver for items. */
export class CosmosContainer {
  /** The driver's container. */
  readonly container: Container;
  readonly #entity: string;
  readonly #options: CosmosContainerOptions;
  readonly #meter: RequestMeter | undefined;
  readonly #learnt: Learnt;

  constructor(
    options: CosmosContainerOptions,
    meter?: RequestMeter,
    learnt: Learnt = { info: undefined, ranges: undefined, under: new Map() },
  ) {
    this.container = options.container;
    this.#entity = options.entity;
    this.#options = options;
    this.#meter = meter;
    this.#learnt = learnt;
  }

  /** The same container, whose requests a meter hears of; without one, this. */
  metered(meter: RequestMeter | undefined): CosmosContainer {
    return meter ? new CosmosContainer(this.#options, meter, this.#learnt) : this;
  }

  /** What the container is. Read once, and again after {@link CosmosContainer.forget}. */
  async info(options: CallOptions = {}): Promise<ContainerInfo> {
    options.signal?.throwIfAborted();
    this.#learnt.info ??= this.#readInfo();
    try {
      return await this.#learnt.info;
    } catch (error) {
      this.#learnt.info = undefined;
      throw error;
    }
  }

  /** Forgets what is known of the container: it may have been split, changed, or made anew. */
  forget(): void {
    this.#learnt.info = undefined;
    this.#learnt.ranges = undefined;
    this.#learnt.under.clear();
  }

  /** Names of the regions in which the account takes writes. */
  async writeRegions(options: CallOptions = {}): Promise<readonly string[]> {
    return this.run('verify', undefined, options, async (abort) => {
      const { resource } = await this.container.database.client.getDatabaseAccount(abort);
      return (resource?.writableLocations ?? []).map(({ name }) => name);
    });
  }

  /** Names of the physical partitions as they are now (or were when last looked at, see {@link CosmosContainer.forget}). */
  async rangeIds(options: CallOptions = {}): Promise<readonly string[]> {
    return (await this.#readRanges(options)).map((range) => range.id);
  }

  /**
   * Names of the physical partitions that hold what lies under the first levels of a partition key: the service knows where, and is
   * asked once for each such key.
   */
  async rangeIdsUnder(
    prefix: readonly PartitionLevel[],
    options: CallOptions = {},
  ): Promise<readonly string[]> {
    const text = partitionText(prefix);
    const known = this.#learnt.under.get(text);
    if (known) return known;
    const { partitionPaths } = await this.info(options);
    const ranges = await this.#readRanges(options);
    const asked = await this.run('ranges', undefined, options, () =>
      this.container.getQueryPlan(prefixQuery(partitionPaths, prefix)),
    );
    const stretches = asked.result?.queryRanges ?? [];
    const ids = ranges
      .filter(({ min, max }) => stretches.some((it) => min <= it.max && max > it.min))
      .map((range) => range.id);
    if (this.#learnt.under.size >= MOST_PREFIXES) this.#learnt.under.clear();
    this.#learnt.under.set(text, ids);
    return ids;
  }

  async #readRanges(options: CallOptions): Promise<readonly PhysicalRange[]> {
    options.signal?.throwIfAborted();
    this.#learnt.ranges ??= this.run('ranges', undefined, options, async () => {
      const { resources } = await this.container.readPartitionKeyRanges().fetchAll();
      return resources.map(({ id, minInclusive, maxExclusive }) => ({
        id,
        min: minInclusive,
        max: maxExclusive,
      }));
    });
    try {
      return await this.#learnt.ranges;
    } catch (error) {
      this.#learnt.ranges = undefined;
      throw error;
    }
  }

  /** The document under an id, with its ETag. */
  async read(call: ItemCall): Promise<Found> {
    return this.run(call.operation, call.label, call, async (abort) => {
      const response = await this.#item(call).read<JSONObject>(abort);
      this.charge(call.operation, response.headers);
      // The driver does not throw for a missing item; a missing container looks the same but for the sub-status.
      if (response.statusCode === 404 && response.substatus !== undefined && response.substatus !== 0)
        throw Object.assign(new Error('not found'), { code: 404, substatus: response.substatus });
      const document: unknown = response.resource;
      return {
        document: response.statusCode === 404 || !isJsonObject(document) ? undefined : document,
        etag: response.statusCode === 404 ? undefined : response.etag,
        serverNowMs: this.dateOf(response.headers, call.operation),
      };
    });
  }

  /** Creates a document (no ETag given), or replaces the one that still has the ETag. */
  async put(document: JsonObject, ifEtag: string | undefined, call: ItemCall): Promise<PutOutcome> {
    return this.#write(call, (abort) =>
      ifEtag === undefined
        ? this.container.items.create<JsonObject>(document, abort)
        : this.#item(call).replace<JsonObject>(document, {
            ...abort,
            accessCondition: { type: 'IfMatch', condition: ifEtag },
          }),
    );
  }

  /** Creates or replaces a document, whatever is there. */
  async upsert(document: JsonObject, call: ItemCall): Promise<PutOutcome> {
    return this.#write(call, (abort) => this.container.items.upsert<JsonObject>(document, abort));
  }

  /** Changes fields of a document, if its condition holds. */
  async patch(body: PatchRequestBody, call: ItemCall): Promise<PutOutcome> {
    return this.#write(call, (abort) => this.#item(call).patch<JSONObject>(body, abort));
  }

  /** Removes a document that still has the ETag (or has any, when none is given). */
  async remove(ifEtag: string | undefined, call: ItemCall): Promise<PutOutcome> {
    return this.#write(call, (abort) =>
      this.#item(call).delete<JSONObject>({
        ...abort,
        ...(ifEtag === undefined ? {} : { accessCondition: { type: 'IfMatch', condition: ifEtag } }),
      }),
    );
  }

  /** Runs operations on one logical partition, all or none. `statuses` tells, for a refusal, which was refused. */
  async batch(
    operations: OperationInput[],
    call: ItemCall,
  ): Promise<PutOutcome | { readonly kind: 'statuses'; readonly statuses: readonly number[] }> {
    let statuses: readonly number[] = [];
    const outcome = await this.#write(call, async (abort) => {
      const response = await this.container.items.batch(operations, toPartitionKey(call.partition), abort);
      this.charge(call.operation, response.headers);
      statuses = (response.result ?? []).map((result) => result.statusCode);
      return undefined;
    });
    return outcome.kind === 'written' && statuses.some((status) => status >= 300)
      ? { kind: 'statuses', statuses }
      : outcome;
  }

  /** Answers of a query, page by page: of one logical partition, of one physical partition, or of the whole container. */
  async *query(
    spec: SqlQuerySpec,
    options: CallOptions & {
      readonly operation: string;
      readonly partition?: readonly PartitionLevel[] | undefined;
      readonly rangeId?: string | undefined;
      readonly pageSize?: number | undefined;
    },
  ): AsyncGenerator<QueryPage, void, undefined> {
    const { operation, partition, rangeId, pageSize, signal } = options;
    const iterator = this.container.items.query<unknown>(spec, {
      ...(partition === undefined ? {} : { partitionKey: toPartitionKey(partition) }),
      ...(rangeId === undefined ? {} : { initialHeaders: { [RANGE_HEADER]: rangeId } }),
      ...(pageSize === undefined ? {} : { maxItemCount: pageSize }),
      ...(signal === undefined ? {} : { abortSignal: signal }),
    });
    let more = true;
    while (more) {
      const page = await this.run(operation, undefined, { signal }, async () => iterator.fetchNext());
      this.charge(operation, { 'x-ms-request-charge': page.requestCharge });
      more = iterator.hasMoreResults();
      yield { rows: (page.resources ?? []).filter(isJsonObject), more };
    }
  }

  /** Counts a request. */
  charge(operation: string, headers: Readonly<Record<string, unknown>> | undefined): void {
    const cost = requestCost(headers);
    this.#options.charges.add(this.#entity, operation, cost);
    this.#meter?.(cost);
  }

  /** The service's date in an answer. Never this machine's clock: counters start from it. */
  dateOf(headers: Readonly<Record<string, unknown>> | undefined, operation: string): number {
    const date = Date.parse(String(headers?.['date']));
    if (!Number.isNaN(date)) return date;
    throw new StoreError({
      message: 'Cosmos DB answered without a Date header; something between removes it, and counters need it',
      operation,
      entity: this.#entity,
    });
  }

  /** Calls the driver with errors mapped. Of an abort the caller's own reason is thrown. */
  async run<Result>(
    operation: string,
    label: string | undefined,
    { signal }: CallOptions,
    call: (abort: { abortSignal?: AbortSignal }) => Promise<Result>,
  ): Promise<Result> {
    signal?.throwIfAborted();
    try {
      return await call(signal === undefined ? {} : { abortSignal: signal });
    } catch (error) {
      if (isAbort(error)) signal?.throwIfAborted();
      this.charge(operation, headersOf(failureOf(error)));
      throw cosmosError(error, { operation, entity: this.#entity, key: label });
    }
  }

  async #write(
    call: ItemCall,
    send: (abort: { abortSignal?: AbortSignal }) => Promise<ItemResponse<JSONObject> | undefined>,
  ): Promise<PutOutcome> {
    const { operation, label, signal } = call;
    signal?.throwIfAborted();
    try {
      const response = await send(signal === undefined ? {} : { abortSignal: signal });
      this.charge(operation, response?.headers);
      const document: unknown = response?.resource;
      const token = response?.headers['x-ms-session-token'];
      return {
        kind: 'written',
        etag: response?.etag,
        sessionToken: typeof token === 'string' ? token : undefined,
        document: isJsonObject(document) ? document : undefined,
      };
    } catch (error) {
      const mapped = cosmosError(error, { operation, entity: this.#entity, key: label });
      const failure = failureOf(error);
      const { status, substatus, message } = failure;
      this.charge(operation, headersOf(failure));
      if (REFUSED.has(status) && status !== undefined && !(status === 404 && substatus === OWNER_NOT_FOUND))
        return { kind: 'refused', status, unique: status === 409 && /unique/i.test(message) };
      if (isOutcomeUnknown(error)) return { kind: 'lost', error: mapped };
      throw mapped;
    }
  }

  #item(call: ItemCall): ReturnType<Container['item']> {
    return this.container.item(call.id, toPartitionKey(call.partition));
  }

  async #readInfo(): Promise<ContainerInfo> {
    return this.run('prepare', undefined, {}, async () => {
      const { resource, headers } = await this.container.read();
      this.charge('prepare', headers);
      if (!resource) throw Object.assign(new Error('no container'), { code: 404 });
      const composite = resource.indexingPolicy?.compositeIndexes ?? [];
      return {
        rid: resource._rid,
        partitionPaths: (resource.partitionKey?.paths ?? []).map(parsePath),
        uniqueKeys: (resource.uniqueKeyPolicy?.uniqueKeys ?? []).map((key) => key.paths.map(parsePath)),
        compositeIndexes: composite.map((index) =>
          index.map((it) => ({ path: it.path, order: it.order ?? 'ascending' })),
        ),
        defaultTtl: resource.defaultTtl,
      };
    });
  }
}

// The driver counts the times it tried again; the refusal that it gave up at is one more.
function headersOf({ status, headers }: CosmosFailure): Readonly<Record<string, unknown>> | undefined {
  if (status !== 429) return headers;
  return { ...headers, [THROTTLES]: Number(headers?.[THROTTLES] ?? 0) + 1 };
}

// Levels that a query fixes are never absent: no condition of equality says that.
function prefixQuery(paths: readonly Path[], prefix: readonly PartitionLevel[]): SqlQuerySpec {
  const conditions = prefix.map((_, i) => {
    const path = (paths[i] ?? []).map((name) => `[${JSON.stringify(name)}]`).join('');
    return `c${path} = @p${i}`;
  });
  return {
    query: `SELECT * FROM c WHERE ${conditions.join(' AND ')}`,
    parameters: prefix.map((level, i) => ({ name: `@p${i}`, value: level ?? null })),
  };
}
