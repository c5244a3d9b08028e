import type { EmulatorClock } from '../clock.ts';
import { canonical, type JsonObject, valueAt } from '../json.ts';
import { effectivePartitionKey } from '../partition/effective-key.ts';
import { keyReader, keyText, type PartitionKey } from '../partition/partition-key.ts';
import { evenRanges, inRange, isFullRange, type KeyRange } from '../partition/partition-ranges.ts';
import { badRequest } from '../service-error.ts';
import { type ContainerProperties, parseTtl } from './container-properties.ts';
import { ItemIndex } from './item-index.ts';
import type { LogicalPartition } from './logical-partition.ts';
import { PhysicalPartition } from './physical-partition.ts';
import { newEtag, type ResourceIds } from './resource-id.ts';
import {
  type Document,
  hasSystemProperties,
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

/** What the service adds to the definition of a container. */
interface SystemProperties extends JsonObject {
  readonly _etag: string;
}

/** The items of one container and its definition. */
export class Container {
  readonly rid: string;
  readonly physicalPartitions: readonly PhysicalPartition[];
  readonly #clock: EmulatorClock;
  readonly #rids: ResourceIds;
  readonly #self: string;
  readonly #index = new ItemIndex();
  readonly #keyOf: (document: JsonObject) => PartitionKey;
  #properties: ContainerProperties;
  #system: SystemProperties;
  #sequence = 0;
  #revision = 0;

  constructor(init: {
    properties: ContainerProperties;
    rid: string;
    self: string;
    partitions: number;
    clock: EmulatorClock;
    rids: ResourceIds;
  }) {
    this.rid = init.rid;
    this.#clock = init.clock;
    this.#rids = init.rids;
    this.#self = init.self;
    this.#properties = init.properties;
    this.#system = this.#newSystem();
    this.#keyOf = keyReader(init.properties.partitionKey);
    const ranges = evenRanges(init.partitions, init.properties.partitionKey);
    this.physicalPartitions = ranges.map(
      (range, at) => new PhysicalPartition(String(at), init.rids.next(init.rid, 16), range),
    );
  }

  get properties(): ContainerProperties {
    return this.#properties;
  }

  /** The resource as clients read it. */
  get resource(): JsonObject {
    return { ...this.#properties.definition, ...this.#system };
  }

  /** A number that changes with every write, so that results can be kept until then. */
  get revision(): number {
    return this.#revision;
  }

  get etag(): string {
    return this.#system._etag;
  }

  /** Replaces the definition; items stay. Throws 400 for what cannot change. */
  redefine(properties: ContainerProperties): void {
    const { partitionKey, uniqueKeyPolicy } = this.#properties.definition;
    if (canonical(properties.definition.partitionKey) !== canonical(partitionKey)) {
      throw badRequest('The partition key of a container cannot be changed.');
    }
    if (canonical(properties.definition.uniqueKeyPolicy) !== canonical(uniqueKeyPolicy)) {
      throw badRequest(
        'The unique index cannot be modified. To change the unique index, remove the collection and re-create a new one.',
      );
    }
    this.#properties = properties;
    this.#system = this.#newSystem();
    this.#revision++;
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
      _self: `${this.#self}docs/${rid}/`,
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
    this.#revision++;
    partition.physical.advance();
    for (const [id, item] of writes) {
      const old = partition.items.get(id);
      if (item !== undefined) this.#index.put(item);
      else if (old !== undefined) this.#index.remove(old);
    }
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
    const [first, second] = this.physicalPartitions;
    const found =
      second === undefined
        ? first
        : this.physicalPartitions.find((partition) => inRange(partition.range, effectiveKey()));
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

  #newSystem(): SystemProperties {
    return {
      _rid: this.rid,
      _self: this.#self,
      _etag: newEtag(),
      _ts: Math.floor(this.#clock.now() / 1000),
      _docs: 'docs/',
      _sprocs: 'sprocs/',
      _triggers: 'triggers/',
      _udfs: 'udfs/',
      _conflicts: 'conflicts/',
    };
  }
}

function present<T>(item: T | undefined): T[] {
  return item === undefined ? [] : [item];
}
