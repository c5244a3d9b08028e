import {
  type ChangeFeedIteratorResponse,
  ChangeFeedMode,
  ChangeFeedStartFrom,
  type FeedRange as DriverRange,
} from '@azure/cosmos';
import {
  type CallOptions,
  type FeedRange,
  isJsonObject,
  type JsonObject,
  type RequestMeter,
  StoreError,
} from '@polyphase/core';
import type { ContainerInfo, CosmosContainer } from './cosmos-container.ts';
import { clipPosition, formatPosition, parsePosition, rangeId } from './feed-position.ts';

/** How long a reader is kept before the container's identity is looked at again, in milliseconds. */
const READER_AGE_MS = 60_000;

type Response = ChangeFeedIteratorResponse<readonly unknown[]>;

interface Reader {
  /** Where it stands, so that only whoever goes on from there gets it. */
  position: string;
  readonly limit: number;
  readonly since: number;
  readonly next: () => Promise<Response>;
}

/** Which page of a range is wanted. */
export interface PageRequest {
  /** Where it begins; undefined: at the beginning. */
  readonly position: string | undefined;
  readonly limit: number;
  /** Where nothing was read yet: begin with what was written at this date or after it, in milliseconds since 1970. */
  readonly sinceMs?: number | undefined;
  readonly meter?: RequestMeter | undefined;
}

/** One page of a range's feed, as the service has it. */
export interface DocumentPage {
  readonly documents: readonly JsonObject[];
  /** Where the next page begins. */
  readonly position: string;
  /** 304: nothing was there. */
  readonly idle: boolean;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly info: ContainerInfo;
}

/**
 * Pages of documents from a container's change feed, range by range. A position names the container that it belongs to; another one
 * of the same name is refused, since its history is another.
 */
export class FeedPages {
  readonly #items: CosmosContainer;
  readonly #entity: string;
  readonly #mode: ChangeFeedMode | undefined;
  // A reader asks the service for the container's identity when it is made, so one is kept for each range.
  readonly #readers = new Map<string, Reader>();

  constructor(options: {
    readonly items: CosmosContainer;
    readonly entity: string;
    /** @default latest version */
    readonly allVersions?: boolean | undefined;
  }) {
    this.#items = options.items;
    this.#entity = options.entity;
    this.#mode = options.allVersions === true ? ChangeFeedMode.AllVersionsAndDeletes : undefined;
  }

  /** The ranges as they are now. */
  async ranges(options: CallOptions = {}): Promise<readonly FeedRange[]> {
    const ranges = await this.#driverRanges(options);
    return ranges.map(({ minInclusive, maxExclusive }) => ({ id: rangeId(minInclusive, maxExclusive) }));
  }

  /** The page that begins at a position. */
  async read(range: FeedRange, request: PageRequest, options: CallOptions = {}): Promise<DocumentPage> {
    const { position, limit, meter } = request;
    const info = await this.#items.info(options);
    const kept = this.#readers.get(range.id);
    this.#readers.delete(range.id);
    const isFit =
      kept !== undefined &&
      kept.position === position &&
      kept.limit === limit &&
      performance.now() - kept.since < READER_AGE_MS;
    const reader = isFit ? kept : await this.#open(range, request, options);
    const page = await this.#next(reader, info, { ...options, meter });
    this.#readers.set(range.id, reader);
    return page;
  }

  /** Where a range ends now, for a reader that wants nothing of what was there before. */
  async end(range: FeedRange, options: CallOptions = {}): Promise<string> {
    const whole = await this.#driverRange(range, options);
    const info = await this.#items.info(options);
    const next = this.#iterate(ChangeFeedStartFrom.Now(whole), 1);
    return (await this.#next({ position: '', limit: 1, since: 0, next }, info, options)).position;
  }

  async #next(
    reader: Reader,
    info: ContainerInfo,
    options: CallOptions & { readonly meter?: RequestMeter | undefined },
  ): Promise<DocumentPage> {
    const items = this.#items.metered(options.meter);
    const response = await items.run('feed', undefined, options, reader.next);
    options.signal?.throwIfAborted();
    items.charge('feed', response.headers);
    const documents = (response.result ?? []).filter(isJsonObject);
    this.#checkIdentity(documents, info);
    reader.position = response.continuationToken;
    const { headers } = response;
    return { documents, position: reader.position, idle: response.statusCode === 304, headers, info };
  }

  async #open(range: FeedRange, request: PageRequest, options: CallOptions): Promise<Reader> {
    this.#items.forget();
    const { rid } = await this.#items.info(options);
    const { position, limit, sinceMs } = request;
    const before = position === undefined ? { rid, parts: [] } : parsePosition(position);
    if (before.rid !== rid) throw this.#recreated();
    const parts = clipPosition(before.parts, range.id);
    const isNew = sinceMs !== undefined && parts.every((part) => part.token === '');
    const whole = isNew ? await this.#driverRange(range, options) : undefined;
    const start =
      whole && sinceMs !== undefined
        ? ChangeFeedStartFrom.Time(new Date(sinceMs), whole)
        : ChangeFeedStartFrom.Continuation(formatPosition({ rid, parts }));
    const next = this.#iterate(start, limit);
    return { position: position ?? '', limit, since: performance.now(), next };
  }

  #iterate(changeFeedStartFrom: ChangeFeedStartFrom, maxItemCount: number): () => Promise<Response> {
    const iterator = this.#items.container.items.getChangeFeedIterator<readonly unknown[]>({
      changeFeedStartFrom,
      maxItemCount,
      ...(this.#mode === undefined ? {} : { changeFeedMode: this.#mode }),
    });
    return async () => iterator.readNext();
  }

  // The driver takes its own ranges only. One that was split is none any more.
  async #driverRange(range: FeedRange, options: CallOptions): Promise<DriverRange | undefined> {
    const ranges = await this.#driverRanges(options);
    return ranges.find((it) => rangeId(it.minInclusive, it.maxExclusive) === range.id);
  }

  async #driverRanges(options: CallOptions): Promise<readonly DriverRange[]> {
    return this.#items.run('feed', undefined, options, () => this.#items.container.getFeedRanges());
  }

  // A document's _rid starts with its container's (60 of whose 64 bits stand in the first ten characters).
  #checkIdentity(documents: readonly JsonObject[], info: ContainerInfo): void {
    const [first] = documents;
    const rid = first?.['_rid'];
    if (typeof rid !== 'string' || rid.slice(0, 10) === info.rid.slice(0, 10)) return;
    this.#items.forget();
    this.#readers.clear();
    throw this.#recreated();
  }

  #recreated(): StoreError {
    return new StoreError({
      message:
        'The container was deleted and created again since this position was taken; remove the checkpoints of its feed (a backfill does so with startOver) and synchronise from the beginning',
      operation: 'feed',
      entity: this.#entity,
    });
  }
}
