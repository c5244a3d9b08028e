import type { EmulatorClock } from '../clock.ts';
import { canonical, type JsonObject, valueAt } from '../json.ts';
import { effectivePartitionKey } from '../partition/effective-key.ts';
import { keyReader, keyText, type PartitionKey } from '../partition/partition-key.ts';
import { inRange, isFullRange, type KeyRange } from '../partition/partition-ranges.ts';
import { type ContainerProperties, parseContainer, parseTtl } from './container-properties.ts';
import { ItemIndex } from './item-index.ts';
import type {
  ItemVersion,
  ItemWrite,
  Journal,
  JournalEntry,
  JournalEntryOf,
  PartitionLayout,
  Resource,
} from './journal.ts';
import type { LogicalPartition } from './logical-partition.ts';
import { PhysicalPartition } from './physical-partition.ts';
import { newEtag, type ResourceIds } from './resource-id.ts';
import {
  type Document,
  hasSystemProperties,
  parseStored,
  type StoredItem,
  withoutSystemProperties,
} from './stored-item.ts';
import { Transaction } from './transaction.ts';

/** The part of a container that a request speaks about. */
export interface ItemScope {
  /** A whole key, or the first components of a hierarchical one. */
  readonly key?: PartitionKey | undefined;
  readonly physical?: PhysicalPartition | undefined;
  readonly range?: KeyRange | undefined;
  /** Only items with one of these ids. */
  readonly ids?: readonly string[] | undefined;
}

/** The items of one container and its definition. */
export class Container {
  readonly rid: string;
  readonly #clock: EmulatorClock;
  readonly #rids: ResourceIds;
  readonly #journal: Journal;
  readonly #index = new ItemIndex();
  readonly #keyOf: (document: JsonObject) => PartitionKey;
  #resource: Resource;
  #properties: ContainerProperties;
  #physicalPartitions: readonly PhysicalPartition[] = [];
  #sequence = 0;
  #revision = 0;

  constructor(init: { resource: Resource; clock: EmulatorClock; rids: ResourceIds; journal: Journal }) {
    this.rid = init.resource._rid;
    this.#clock = init.clock;
    this.#rids = init.rids;
    this.#journal = init.journal;
    this.#resource = init.resource;
    this.#properties = parseContainer(init.resource);
    this.#keyOf = keyReader(this.#properties.partitionKey);
  }

  /** The partitions that there are now, in the order of their ranges. */
  get physicalPartitions(): readonly PhysicalPartition[] {
    return this.#physicalPartitions;
  }

  get properties(): ContainerProperties {
    return this.#properties;
  }

  /** The resource as clients read it. */
  get resource(): Resource {
    return this.#resource;
  }

  /** A number that changes with every write, so that results can be kept until then. */
  get revision(): number {
    return this.#revision;
  }

  /** Takes a new definition; items stay. */
  redefine(resource: Resource): void {
    this.#resource = resource;
    this.#properties = parseContainer(resource);
    this.#revision++;
  }

  /** Lays out the physical partitions. */
  lay(layout: readonly PartitionLayout[]): void {
    for (const { rid } of layout) this.#rids.seen(rid);
    this.#physicalPartitions = layout.map((partition) => new PhysicalPartition(partition));
  }

  /** Reads the partition key of a document. */
  keyOf(document: JsonObject): PartitionKey {
    return this.#keyOf(document);
  }

  /** The physical partition that holds a key. */
  physicalOf(key: PartitionKey): PhysicalPartition {
    return this.#index.partition(keyText(key))?.physical ?? this.#placeOf(() => this.#effectiveKey(key));
  }

  /** Items of a scope that exist now, in the order of their creation, from a place on. */
  *items(scope: ItemScope = {}, from = 0): Generator<StoredItem> {
    const inScope = this.#filter(scope);
    for (const item of this.#candidates(scope, from)) {
      if (item.sequence >= from && inScope(item) && !this.#isExpired(item)) yield item;
    }
  }

  /** Latest versions written after a number in one physical partition, in the order of writes. */
  *changes(physical: PhysicalPartition, afterLsn: number, scope: ItemScope): Generator<StoredItem> {
    const whole = this.#wholeKey(scope.key);
    const inScope = this.#filter({ ...scope, physical });
    const items =
      whole === undefined
        ? physical.feed.from(afterLsn + 1)
        : [...(this.#index.partition(whole)?.items.values() ?? [])].toSorted(
            (left, right) => left.lsn - right.lsn,
          );
    for (const item of items) {
      if (item.lsn > afterLsn && inScope(item) && !this.#isExpired(item)) yield item;
    }
  }

  /** Starts writes to one logical partition that become true together, or not at all. */
  begin(key: PartitionKey): Transaction {
    const partition = this.#partitionOf(key);
    const existing = (item: StoredItem | undefined): StoredItem | undefined =>
      item === undefined || this.#isExpired(item) ? undefined : item;
    return new Transaction({
      find: (id) => existing(partition.items.get(id)),
      holder: (claim) => existing(this.#index.holder(claim)),
      prepare: (document, old) => this.#prepare(document, partition, old),
      commit: (writes) => this.#commit(partition, writes),
    });
  }

  #prepare(document: Document, partition: LogicalPartition, old: StoredItem | undefined): StoredItem {
    parseTtl(document.ttl, 'ttl');
    const own = hasSystemProperties(document) ? withoutSystemProperties(document) : document;
    const rid = old?.document._rid ?? this.#rids.next(this.rid, 16);
    const stored = {
      ...own,
      id: document.id,
      _rid: rid,
      _self: `${this.#resource._self}docs/${rid}/`,
      _etag: newEtag(),
      _attachments: 'attachments/',
      _ts: Math.floor(this.#clock.now() / 1000),
    };
    return {
      live: true,
      id: stored.id,
      sequence: old?.sequence ?? ++this.#sequence,
      // Requests run one at a time, so the number that the commit will take is known.
      lsn: partition.physical.lsn + 1,
      partition,
      document: stored,
      text: JSON.stringify(stored),
      uniqueClaims: this.#uniqueClaims(stored, partition.keyText),
    };
  }

  #commit(partition: LogicalPartition, writes: ReadonlyMap<string, StoredItem | undefined>): void {
    const lsn = partition.physical.lsn + 1;
    const entry = { type: 'items', container: this.rid, partition: partition.physical.id } as const;
    this.#journal.append({ ...entry, key: partition.key, lsn, writes: [...writes].map(writeOf) });
    this.#write(partition, lsn, writes);
  }

  #write(
    partition: LogicalPartition,
    lsn: number,
    writes: ReadonlyMap<string, StoredItem | undefined>,
  ): void {
    this.#revision++;
    partition.physical.advance(lsn);
    for (const [id, item] of writes) {
      const old = partition.items.get(id);
      if (item !== undefined) this.#index.put(item);
      else if (old !== undefined) this.#index.remove(old);
    }
  }

  /** Makes a transaction of the journal true again. */
  apply({ key, lsn, writes }: JournalEntryOf<'items'>): void {
    const partition = this.#partitionOf(key);
    this.#write(
      partition,
      lsn,
      new Map(writes.map(({ id, version }) => [id, version && this.#restored(partition, lsn, version)])),
    );
  }

  /** The entries that make the items as they are, after the container's own. */
  *entries(): Generator<JournalEntry> {
    const layout = this.#physicalPartitions.map((partition) => partition.layout);
    yield { type: 'partitions', container: this.rid, layout };
    const entry = { type: 'items', container: this.rid } as const;
    for (const { id: partition, feed } of this.#physicalPartitions) {
      for (const item of feed.from(0)) {
        const { key } = item.partition;
        yield { ...entry, partition, key, lsn: item.lsn, writes: [writeOf([item.id, item])] };
      }
    }
  }

  #restored(partition: LogicalPartition, lsn: number, version: ItemVersion): StoredItem {
    const { sequence, text } = version;
    const document = parseStored(text);
    this.#rids.seen(document._rid);
    this.#sequence = Math.max(this.#sequence, sequence);
    const uniqueClaims = this.#uniqueClaims(document, partition.keyText);
    return { live: true, id: document.id, sequence, lsn, partition, document, text, uniqueClaims };
  }

  #filter(scope: ItemScope): (item: StoredItem) => boolean {
    const { key, physical, range, ids } = scope;
    // A lookup by the whole key finds nothing else.
    const prefix =
      key === undefined || (ids === undefined && this.#wholeKey(key) !== undefined) ? '' : keyText(key);
    const part = range === undefined || isFullRange(range) ? undefined : range;
    return (item) =>
      (prefix === '' || item.partition.keyText.startsWith(prefix)) &&
      (physical === undefined || item.partition.physical === physical) &&
      (part === undefined || inRange(part, item.partition.effectiveKey()));
  }

  #candidates(scope: ItemScope, from: number): Iterable<StoredItem> {
    const whole = this.#wholeKey(scope.key);
    if (whole !== undefined) {
      const items = this.#index.partition(whole)?.items;
      if (scope.ids === undefined) return items?.values() ?? [];
      return scope.ids.length === 1
        ? present(items?.get(scope.ids[0] ?? ''))
        : this.#index.withIds(scope.ids);
    }
    if (scope.ids !== undefined) return this.#index.withIds(scope.ids);
    return scope.key === undefined ? this.#index.all(from) : this.#index.under(scope.key);
  }

  #wholeKey(key: PartitionKey | undefined): string | undefined {
    return key !== undefined && key.length === this.#properties.partitionKey.paths.length
      ? keyText(key)
      : undefined;
  }

  #partitionOf(key: PartitionKey): LogicalPartition {
    const text = keyText(key);
    const known = this.#index.partition(text);
    if (known !== undefined) return known;
    let effective: string | undefined;
    const effectiveKey = (): string => (effective ??= this.#effectiveKey(key));
    const created = {
      key,
      keyText: text,
      effectiveKey,
      physical: this.#placeOf(effectiveKey),
      items: new Map(),
    };
    this.#index.addPartition(created);
    return created;
  }

  #effectiveKey(key: PartitionKey): string {
    return effectivePartitionKey(key, this.#properties.partitionKey);
  }

  #placeOf(effectiveKey: () => string): PhysicalPartition {
    const [first, second] = this.#physicalPartitions;
    const found =
      second === undefined
        ? first
        : this.#physicalPartitions.find((partition) => inRange(partition.range, effectiveKey()));
    if (found === undefined) throw new RangeError('The ranges of the physical partitions leave a gap.');
    return found;
  }

  #isExpired(item: StoredItem): boolean {
    const { defaultTtl } = this.#properties;
    if (defaultTtl === undefined) return false;
    const ttl = typeof item.document.ttl === 'number' ? item.document.ttl : defaultTtl;
    return ttl !== -1 && this.#clock.now() >= (item.document._ts + ttl) * 1000;
  }

  #uniqueClaims(document: JsonObject, partition: string): string[] {
    return this.#properties.uniqueKeys.map((paths, at) => {
      const values = paths.map((path) => valueAt(document, path) ?? null);
      return `${at}:${partition}${canonical(values)}`;
    });
  }
}

function writeOf([id, item]: readonly [string, StoredItem | undefined]): ItemWrite {
  return item === undefined ? { id } : { id, version: { sequence: item.sequence, text: item.text } };
}

function present<T>(item: T | undefined): T[] {
  return item === undefined ? [] : [item];
}
