import { type ChangeFeedIteratorResponse, ChangeFeedStartFrom } from '@azure/cosmos';
import {
  type CallOptions,
  type Change,
  type ChangeFeed,
  canonicalJson,
  type Entity,
  type FeedPage,
  type FeedRange,
  type FeedReadOptions,
  isJsonObject,
  type JsonObject,
  keyLabel,
  type PartitionLevel,
  StoreError,
  valueAt,
} from '@polyphase/core';
import type { ContainerInfo, CosmosContainer } from './cosmos-container.ts';
import {
  documentIssues,
  isReserved,
  keyOfDocument,
  STAMP_FIELD,
  toRecord,
  valueOf,
} from './cosmos-document.ts';
import type { RecordPlace } from './cosmos-write.ts';
import { belongsTo, type EntityMapping } from './discriminator.ts';
import { formatMarker, hasPassed, type Mark, parseMarker } from './feed-marker.ts';
import {
  assemblePosition,
  boundsOf,
  clipPosition,
  formatPosition,
  parsePosition,
  rangeId,
  sessionSequence,
} from './feed-position.ts';
import { levelOf, levelsAt } from './partition-key.ts';
import { reservedDocument, reservedId } from './reserved-document.ts';

const DEFAULT_LIMIT = 500;
const MARKER_TTL_S = 86_400;

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

/**
 * The change feed of an entity's container, in latest-version mode, range by range, with the entity's own documents.
 *
 * A position names the container it belongs to; another container of the same name is refused, since its history is another.
 * Documents that were deleted without the SDK do not appear.
 */
export class CosmosChangeFeed implements ChangeFeed {
  readonly #place: RecordPlace;
  readonly #entity: Entity;
  readonly #items: CosmosContainer;
  // A reader asks the service for the container's identity when it is made, so one is kept for each range.
  readonly #readers = new Map<string, Reader>();
  // The first partition that was seen in each range: markers stay in one place, so that they do not gather.
  readonly #seen = new Map<string, readonly PartitionLevel[]>();

  constructor(place: RecordPlace) {
    this.#place = place;
    this.#entity = place.entity;
    this.#items = place.items;
  }

  async ranges(options: CallOptions = {}): Promise<readonly FeedRange[]> {
    const ranges = await this.#items.run('feed', undefined, options, () =>
      this.#items.container.getFeedRanges(),
    );
    return ranges.map(({ minInclusive, maxExclusive }) => ({ id: rangeId(minInclusive, maxExclusive) }));
  }

  async read(
    range: FeedRange,
    position: string | undefined,
    options: FeedReadOptions = {},
  ): Promise<FeedPage> {
    const limit = options.limit ?? DEFAULT_LIMIT;
    const { response, info } = await this.#page(range, { position, limit }, options);
    const documents = (response.result ?? []).filter(isJsonObject);
    this.#checkIdentity(documents, info);
    for (const document of documents) this.#see(range, document, info);
    return {
      changes: documents
        .filter((it) => !isReserved(it) && belongsTo(this.#place, it))
        .map((it) => toChange(this.#place, it)),
      position: response.continuationToken,
      // 304: nothing was there. A page that held only the SDK's documents, or others', is not idle: the next may hold more.
      idle: response.statusCode === 304,
      serverNowMs: this.#items.dateOf(response.headers, 'feed'),
    };
  }

  positionOf(range: FeedRange, known: ReadonlyMap<string, string>): string | undefined {
    const own = known.get(range.id);
    if (own !== undefined) return own;
    const positions = new Map([...known].map(([id, text]) => [id, parsePosition(text)]));
    const position = assemblePosition(range.id, positions);
    return position && formatPosition(position);
  }

  async mark(range: FeedRange, options: CallOptions = {}): Promise<string> {
    const info = await this.#items.info(options);
    const { min, max } = boundsOf(range.id);
    const marks: Mark[] = [];
    // A range that was split has a sequence of its own in each half.
    for (const part of await this.ranges(options)) {
      const bounds = boundsOf(part.id);
      if (bounds.min >= max || bounds.max <= min) continue;
      const sequence = await this.#markPart(part, info, options);
      if (sequence !== undefined) marks.push({ ...bounds, sequence });
    }
    return formatMarker({ rid: info.rid, marks });
  }

  passed(position: string | undefined, marker: string): boolean {
    return hasPassed(position === undefined ? undefined : parsePosition(position), parseMarker(marker));
  }

  // Undefined: nothing was in this part, so there is nothing to be read before the marker.
  async #markPart(part: FeedRange, info: ContainerInfo, options: CallOptions): Promise<number | undefined> {
    const partition = await this.#partitionIn(part, info, options);
    if (!partition) return undefined;
    const id = reservedId('marker', part.id);
    const document = reservedDocument(info, {
      kind: 'marker',
      id,
      content: {},
      partition,
      ttl: MARKER_TTL_S,
    });
    const call = { operation: 'feed', id, label: id, partition, signal: options.signal };
    let outcome = await this.#items.upsert(document, call);
    // A marker has no meaning but its place: one more, further on, is as good.
    for (let attempt = 1; outcome.kind !== 'written' && attempt < 3; attempt += 1)
      outcome = await this.#items.upsert(document, call);
    if (outcome.kind === 'lost') throw outcome.error;
    const sequence = outcome.kind === 'written' ? sessionSequence(outcome.sessionToken) : undefined;
    if (sequence !== undefined) return sequence;
    throw new StoreError({
      message: 'Cosmos DB answered the write of a marker without a session token that tells its place',
      operation: 'feed',
      entity: this.#entity.name,
    });
  }

  async #page(
    range: FeedRange,
    from: { readonly position: string | undefined; readonly limit: number },
    options: CallOptions,
  ): Promise<{ readonly response: Response; readonly info: ContainerInfo }> {
    const { position, limit } = from;
    const info = await this.#items.info(options);
    const kept = this.#readers.get(range.id);
    this.#readers.delete(range.id);
    const isFit =
      kept !== undefined &&
      kept.position === position &&
      kept.limit === limit &&
      performance.now() - kept.since < READER_AGE_MS;
    const reader = isFit ? kept : await this.#open(range, from, options);
    const items = this.#items.metered(options.meter);
    const response = await items.run('feed', undefined, options, reader.next);
    options.signal?.throwIfAborted();
    items.charge('feed', response.headers);
    reader.position = response.continuationToken;
    this.#readers.set(range.id, reader);
    return { response, info };
  }

  async #open(
    range: FeedRange,
    from: { readonly position: string | undefined; readonly limit: number },
    options: CallOptions,
  ): Promise<Reader> {
    this.#items.forget();
    const { rid } = await this.#items.info(options);
    const { position, limit } = from;
    const before = position === undefined ? { rid, parts: [] } : parsePosition(position);
    if (before.rid !== rid) throw this.#recreated();
    const start = formatPosition({ rid, parts: clipPosition(before.parts, range.id) });
    const iterator = this.#items.container.items.getChangeFeedIterator<readonly unknown[]>({
      changeFeedStartFrom: ChangeFeedStartFrom.Continuation(start),
      maxItemCount: limit,
    });
    return {
      position: position ?? '',
      limit,
      since: performance.now(),
      next: async () => iterator.readNext(),
    };
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
        'The container was deleted and created again since this position was taken; remove the checkpoints of its feed and synchronise from the beginning',
      operation: 'feed',
      entity: this.#entity.name,
    });
  }

  #see(range: FeedRange, document: JsonObject, info: ContainerInfo): void {
    if (this.#seen.has(range.id)) return;
    const isScalar = info.partitionPaths.every((path) => levelOf(valueAt(document, path)));
    if (isScalar) this.#seen.set(range.id, levelsAt(document, info.partitionPaths));
  }

  async #partitionIn(
    range: FeedRange,
    info: ContainerInfo,
    options: CallOptions,
  ): Promise<readonly PartitionLevel[] | undefined> {
    const seen = this.#seen.get(range.id);
    if (seen) return seen;
    // Reads from the beginning until something shows: an empty page proves that nothing was there when it was asked for.
    let position: string | undefined;
    for (;;) {
      const { response } = await this.#page(range, { position, limit: 10 }, options);
      for (const document of (response.result ?? []).filter(isJsonObject)) this.#see(range, document, info);
      const found = this.#seen.get(range.id);
      if (found || response.statusCode === 304) return found;
      position = response.continuationToken;
    }
  }
}

function toChange(mapping: EntityMapping, document: JsonObject): Change {
  const issues = documentIssues(mapping, document);
  if (issues.length === 0) return { kind: 'record', record: toRecord(mapping, document) };
  const stamp = document[STAMP_FIELD];
  const value = valueOf(mapping, document);
  const body = stamp === undefined ? value : { ...value, [STAMP_FIELD]: stamp };
  const label = keyLabel(keyOfDocument(mapping.entity, document));
  return { kind: 'unmappable', label, body: canonicalJson(body), issues };
}
