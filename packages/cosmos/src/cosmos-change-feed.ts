import {
  type CallOptions,
  type Change,
  type ChangeFeed,
  canonicalJson,
  type Entity,
  type FeedPage,
  type FeedRange,
  type FeedReadOptions,
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
import { formatMarker, hasPassed, type Mark, numbersBetween, parseMarker } from './feed-marker.ts';
import { FeedPages } from './feed-pages.ts';
import {
  assemblePosition,
  boundsOf,
  formatPosition,
  parsePosition,
  sessionSequence,
} from './feed-position.ts';
import { levelOf, levelsAt } from './partition-key.ts';
import { reservedDocument, reservedId } from './reserved-document.ts';

const DEFAULT_LIMIT = 500;
const MARKER_TTL_S = 86_400;

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
  readonly #pages: FeedPages;
  // The first partition that was seen in each range: markers stay in one place, so that they do not gather.
  readonly #seen = new Map<string, readonly PartitionLevel[]>();

  constructor(place: RecordPlace) {
    this.#place = place;
    this.#entity = place.entity;
    this.#items = place.items;
    this.#pages = new FeedPages({ items: place.items, entity: place.entity.name });
  }

  async ranges(options: CallOptions = {}): Promise<readonly FeedRange[]> {
    return this.#pages.ranges(options);
  }

  async read(
    range: FeedRange,
    position: string | undefined,
    options: FeedReadOptions = {},
  ): Promise<FeedPage> {
    const limit = options.limit ?? DEFAULT_LIMIT;
    const { signal, meter } = options;
    const page = await this.#pages.read(range, { position, limit, meter }, { signal });
    for (const document of page.documents) this.#see(range, document, page.info);
    return {
      changes: page.documents
        .filter((it) => !isReserved(it) && belongsTo(this.#place, it))
        .map((it) => toChange(this.#place, it)),
      position: page.position,
      // 304: nothing was there. A page that held only the SDK's documents, or others', is not idle: the next may hold more.
      idle: page.idle,
      serverNowMs: this.#items.dateOf(page.headers, 'feed'),
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

  behind(position: string | undefined, marker: string): number {
    return numbersBetween(position === undefined ? undefined : parsePosition(position), parseMarker(marker));
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
      const page = await this.#pages.read(range, { position, limit: 10, meter: options.meter }, options);
      for (const document of page.documents) this.#see(range, document, info);
      const found = this.#seen.get(range.id);
      if (found || page.idle) return found;
      ({ position } = page);
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
