// size: reads, writes and their restoring share the indexes, and hold each other's promises
import type { EmulatorClock } from '../clock.ts';
import { canonical, isObject, type JsonObject, valueAt } from '../json.ts';
import { keyReader, keyText, type PartitionKey, readWireKey, wireKey } from '../partition/partition-key.ts';
import type { Change, ChangeRecord } from './change-history.ts';
import { ChangeHistory } from './change-history.ts';
import { type ContainerProperties, parseContainer, parseTtl } from './container-properties.ts';
import { expiryOf } from './expiry.ts';
import { ItemIndex } from './item-index.ts';
import { type ItemScope, scopeFilter } from './item-scope.ts';
import type {
  ItemVersion,
  ItemWrite,
  Journal,
  JournalEntry,
  JournalEntryOf,
  KeptChange,
  PartitionLayout,
  Resource,
} from './journal.ts';
import type { LogicalPartition } from './logical-partition.ts';
import { PartitionMap } from './partition-map.ts';
import { type PhysicalPartition, splitLayout } from './physical-partition.ts';
import { newEtag, type ResourceIds } from './resource-id.ts';
import {
  type Document,
  hasSystemProperties,
  parseStored,
  type StoredItem,
  textOf,
  withoutSystemProperties,
} from './stored-item.ts';
import { Transaction } from './transaction.ts';

/** Writes of one transaction: each item's new version, or none where it is deleted. */
type Writes = ReadonlyMap<string, StoredItem | undefined>;

/** The items of one container and its definition. */
export class Container {
  readonly rid: string;
  readonly #clock: EmulatorClock;
  readonly #rids: ResourceIds;
  readonly #journal: Journal;
  readonly #index = new ItemIndex();
  readonly #partitions: PartitionMap;
  readonly #keyOf: (document: JsonObject) => PartitionKey;
  #resource: Resource;
  #properties: ContainerProperties;
  #sequence = 0;
  #revision = 0;
  /** No item expires before this time. */
  #nextExpiry = 0;

  constructor(init: { resource: Resource; clock: EmulatorClock; rids: ResourceIds; journal: Journal }) {
    this.rid = init.resource._rid;
    this.#clock = init.clock;
    this.#rids = init.rids;
    this.#journal = init.journal;
    this.#resource = init.resource;
    this.#properties = parseContainer(init.resource);
    this.#keyOf = keyReader(this.#properties.partitionKey);
    this.#partitions = new PartitionMap(this.#properties.partitionKey);
    this.#partitions.keepHistory(this.retentionMinutes > 0);
  }

  /** The partitions that there are now, in the order of their ranges. */
  get physicalPartitions(): readonly PhysicalPartition[] {
    return this.#partitions.all;
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

  /** How long every change is kept, in minutes; 0 where only latest versions are. */
  get retentionMinutes(): number {
    const { changeFeedPolicy } = this.#properties.definition;
    const duration = isObject(changeFeedPolicy) ? changeFeedPolicy.retentionDuration : undefined;
    return typeof duration === 'number' ? duration : 0;
  }

  /** Takes a new definition; items stay. */
  redefine(resource: Resource): void {
    this.#resource = resource;
    this.#properties = parseContainer(resource);
    this.#revision++;
    this.#nextExpiry = 0;
    this.#partitions.keepHistory(this.retentionMinutes > 0);
  }

  /** Lays out the physical partitions, anew after a split. */
  lay(layout: readonly PartitionLayout[]): void {
    for (const { rid } of layout) this.#rids.seen(rid);
    this.#partitions.lay(layout, () => this.#index.partitions());
    this.#revision++;
  }

  /** Gives the layout in which a physical partition is cut in two; `lay` makes it true. */
  split(id: string | undefined): PartitionLayout[] {
    const layout = this.physicalPartitions.map((partition) => partition.layout);
    const newRid = (): string => this.#rids.next(this.rid, 16);
    return splitLayout(layout, id, { definition: this.#properties.partitionKey, newRid });
  }

  /** Reads the partition key of a document. */
  keyOf(document: JsonObject): PartitionKey {
    return this.#keyOf(document);
  }

  /** The physical partition that holds a key. */
  physicalOf(key: PartitionKey): PhysicalPartition {
    const known = this.#index.partition(keyText(key))?.physical;
    return known ?? this.#partitions.holding(this.#partitions.effectiveKeyOf(key));
  }

  /** Items of a scope that exist now, in the order of their creation, from a place on. */
  *items(scope: ItemScope = {}, from = 0): Generator<StoredItem> {
    const whole = this.#wholeKey(scope.key);
    // A lookup by the whole key finds nothing else.
    const found = whole !== undefined && scope.ids === undefined;
    const inScope = scopeFilter(found ? { ...scope, key: undefined } : scope);
    for (const item of this.#index.candidates(scope, whole, from)) {
      if (item.sequence >= from && inScope(item.partition) && !this.#isExpired(item)) yield item;
    }
  }

  /** Latest versions written after a number in one physical partition, in the order of writes. */
  *changes(physical: PhysicalPartition, afterLsn: number, scope: ItemScope): Generator<StoredItem> {
    const whole = this.#wholeKey(scope.key);
    const inScope = scopeFilter({ ...scope, physical });
    const items =
      whole === undefined
        ? physical.feed.from(afterLsn + 1)
        : [...(this.#index.partition(whole)?.items.values() ?? [])].toSorted(
            (left, right) => left.lsn - right.lsn,
          );
    for (const item of items) {
      if (item.lsn > afterLsn && inScope(item.partition) && !this.#isExpired(item)) yield item;
    }
  }

  /** Every change of one physical partition that is kept, up to date; undefined where the container keeps none. */
  historyOf(physical: PhysicalPartition): ChangeHistory | undefined {
    this.#purge();
    physical.history?.forget(this.#seconds() - this.retentionMinutes * 60);
    return physical.history;
  }

  /** Starts writes to one logical partition that become true together, or not at all. */
  begin(key: PartitionKey): Transaction {
    this.#purge();
    const partition = this.#partitionOf(key);
    const existing = (item: StoredItem | undefined): StoredItem | undefined =>
      item === undefined || this.#isExpired(item) ? undefined : item;
    return new Transaction({
      find: (id) => existing(partition.items.get(id)),
      items: () => [...partition.items.values()].filter((item) => existing(item) !== undefined),
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
      _ts: this.#seconds(),
    };
    return {
      live: true,
      id: stored.id,
      sequence: old?.sequence ?? ++this.#sequence,
      lsn: 0,
      writtenMs: this.#clock.now(),
      partition,
      document: stored,
      size: JSON.stringify(stored).length,
      uniqueClaims: this.#uniqueClaims(stored, partition.keyText),
    };
  }

  #commit(partition: LogicalPartition, writes: Writes, expired = false): void {
    const commit = { lsn: partition.physical.lsn + 1, time: this.#seconds(), expired };
    const { physical } = partition;
    const key = wireKey(partition.key);
    const kept = [...writes].map(([id, item]) => ({ ...writeOf(id, item), ...mark(expired) }));
    const { lsn, time } = commit;
    const entry = { container: this.rid, partition: physical.id, key, lsn, time, writes: kept };
    this.#journal.append({ type: 'items', ...entry });
    this.#write(partition, writes, commit);
  }

  #write(
    partition: LogicalPartition,
    writes: Writes,
    { lsn, time, expired }: { lsn: number; time: number; expired: boolean },
  ): void {
    this.#revision++;
    const { physical } = partition;
    physical.advance(lsn);
    for (const [id, item] of writes) {
      const old = partition.items.get(id);
      if (item === undefined && old === undefined) continue;
      physical.history?.add({ ...changeOf(item, old), lsn, time, id, partition, ...mark(expired) });
      if (item === undefined) {
        if (old !== undefined) this.#index.remove(old);
        continue;
      }
      item.lsn = lsn;
      this.#index.put(item);
      this.#nextExpiry = Math.min(this.#nextExpiry, expiryOf(item, this.#properties.defaultTtl));
    }
  }

  /** Deletes what has expired where deletions are kept; elsewhere expired items are only hidden. */
  #purge(): void {
    const now = this.#clock.now();
    if (this.retentionMinutes === 0 || now < this.#nextExpiry) return;
    this.#nextExpiry = Number.POSITIVE_INFINITY;
    const expired = new Map<LogicalPartition, Map<string, undefined>>();
    for (const item of this.#index.all(0)) {
      const expiry = expiryOf(item, this.#properties.defaultTtl);
      if (expiry > now) {
        this.#nextExpiry = Math.min(this.#nextExpiry, expiry);
        continue;
      }
      const known = expired.get(item.partition);
      if (known === undefined) expired.set(item.partition, new Map([[item.id, undefined]]));
      else known.set(item.id, undefined);
    }
    for (const [partition, deletions] of expired) this.#commit(partition, deletions, true);
  }

  /** Makes a transaction of the journal true again. */
  apply({ key, lsn, time, writes }: JournalEntryOf<'items'>): void {
    const partition = this.#partitionOf(readWireKey(key));
    const expired = writes.some((write) => write.expired);
    const versions = writes.map(
      ({ id, version }) => [id, version && this.#restored(partition, lsn, version)] as const,
    );
    this.#write(partition, new Map(versions), { lsn, time, expired });
  }

  /** Takes back what a physical partition had kept of its changes. */
  applyHistory({ partition: id, since, changes }: JournalEntryOf<'history'>): void {
    const physical = this.#partitions.find(id);
    if (physical === undefined) return;
    const kept = changes.map(({ key, ...change }): Change => {
      return { ...change, partition: this.#partitionOf(readWireKey(key)) };
    });
    physical.history = new ChangeHistory({ since, changes: kept });
  }

  /** The entries that make the items as they are, after the container's own. */
  *entries(): Generator<JournalEntry> {
    const container = this.rid;
    const layout = this.physicalPartitions.map((partition) => partition.layout);
    yield { type: 'partitions', container, layout };
    for (const { id: partition, feed, history } of this.physicalPartitions) {
      for (const item of feed.from(0)) {
        const { id, lsn, document } = item;
        const key = wireKey(item.partition.key);
        const writes = [writeOf(id, item)];
        yield { type: 'items', container, partition, key, lsn, time: document._ts, writes };
      }
      if (history === undefined) continue;
      const changes = [...history.after(0)].map(keptChange);
      yield { type: 'history', container, partition, since: history.since, changes };
    }
  }

  #restored(partition: LogicalPartition, lsn: number, { sequence, text }: ItemVersion): StoredItem {
    const document = parseStored(text);
    this.#rids.seen(document._rid);
    this.#sequence = Math.max(this.#sequence, sequence);
    const uniqueClaims = this.#uniqueClaims(document, partition.keyText);
    const { id, _ts } = document;
    const written = { sequence, lsn, writtenMs: _ts * 1000 };
    return { live: true, id, ...written, partition, document, size: text.length, uniqueClaims };
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
    const effectiveKey = this.#partitions.effectiveKeyOf(key);
    const physical = this.#partitions.holding(effectiveKey);
    const created = { key, keyText: text, effectiveKey, physical, items: new Map() };
    this.#index.addPartition(created);
    return created;
  }

  #seconds(): number {
    return Math.floor(this.#clock.now() / 1000);
  }

  #isExpired(item: StoredItem): boolean {
    return this.#clock.now() >= expiryOf(item, this.#properties.defaultTtl);
  }

  #uniqueClaims(document: JsonObject, partition: string): string[] {
    return this.#properties.uniqueKeys.map((paths, at) => {
      const values = paths.map((path) => valueAt(document, path) ?? null);
      return `${at}:${partition}${canonical(values)}`;
    });
  }
}

function writeOf(id: string, item: StoredItem | undefined): ItemWrite {
  return item === undefined ? { id } : { id, version: { sequence: item.sequence, text: textOf(item) } };
}

function mark(expired: boolean): { expired?: true } {
  return expired ? { expired } : {};
}

function changeOf(
  item: StoredItem | undefined,
  old: StoredItem | undefined,
): Pick<ChangeRecord, 'operation' | 'current' | 'previous' | 'previousLsn'> {
  const before = old === undefined ? {} : { previous: old.document, previousLsn: old.lsn };
  if (item === undefined) return { operation: 'delete', ...before };
  return { operation: old === undefined ? 'create' : 'replace', current: item.document, ...before };
}

function keptChange({ partition, ...change }: Change): KeptChange {
  return { ...change, key: wireKey(partition.key) };
}
