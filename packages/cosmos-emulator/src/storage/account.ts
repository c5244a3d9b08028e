import type { EmulatorClock } from '../clock.ts';
import { type Json, type JsonObject, shown } from '../json.ts';
import { conflict, notFound, ownerNotFound } from '../service-error.ts';
import { Container } from './container.ts';
import { parseContainer } from './container-properties.ts';
import type { Journal, JournalEntry, Resource } from './journal.ts';
import { offerOf, partitionsFor, type Throughput } from './offer.ts';
import { evenLayout } from './physical-partition.ts';
import { createResourceIds, newEtag, type ResourceIds } from './resource-id.ts';
import { ResourceTree } from './resource-tree.ts';

/** A new resource: what the client sent, and where the service puts it. */
interface NewResource {
  readonly collection: string;
  readonly parent: Resource | undefined;
  /** Without an id of its own, the resource id is its id. */
  readonly body: JsonObject & { readonly id?: string };
  /** Length of the resource id. */
  readonly ridBytes: number;
  /** Links to the collections below it, such as `_colls`. */
  readonly links?: Readonly<Record<string, string>>;
  /** Gives it an offer of its own. */
  readonly throughput?: Throughput | undefined;
}

/** A collection that a request addresses, and the resource that holds it. */
export interface Address {
  /** Path by ids, whatever ids or resource ids the request was written with. */
  readonly collection: string;
  readonly parent: Resource | undefined;
}

const containerLinks = {
  _docs: 'docs/',
  _sprocs: 'sprocs/',
  _triggers: 'triggers/',
  _udfs: 'udfs/',
  _conflicts: 'conflicts/',
};

/** Everything that the emulator holds. Every change is an entry of the journal first, then true. */
export class Account {
  readonly clock: EmulatorClock;
  readonly #partitions: number | undefined;
  readonly #journal: Journal;
  readonly #rids: ResourceIds = createResourceIds();
  #tree = new ResourceTree();
  /** By resource id. */
  readonly #containers = new Map<string, Container>();

  constructor(init: { clock: EmulatorClock; partitions: number | undefined; journal: Journal }) {
    this.clock = init.clock;
    this.#partitions = init.partitions;
    this.#journal = init.journal;
  }

  /** Finds the collection at a path such as `['dbs', 'app', 'users']`. Throws 404 where a parent is missing. */
  address(segments: readonly string[]): Address {
    let address: Address = { collection: segments[0] ?? '', parent: undefined };
    for (let at = 1; at + 1 < segments.length; at += 2) {
      const parent = this.#tree.find(address.collection, segments[at] ?? '');
      if (parent === undefined) throw ownerNotFound();
      address = { collection: `${address.collection}/${parent.id}/${segments[at + 1] ?? ''}`, parent };
    }
    return address;
  }

  /** The resources of a collection in the order of their creation. */
  list(collection: string): Resource[] {
    return this.#tree.list(collection);
  }

  /** Reads a resource by id or resource id. Throws 404. */
  read(collection: string, id: string): Resource {
    const found = this.#tree.find(collection, id);
    if (found === undefined) throw notFound();
    return found;
  }

  /** Creates a resource. Throws 409 for an id that is taken. */
  create(init: NewResource): Resource {
    const resource = this.#newResource(init);
    const entry = { type: 'put', collection: init.collection, resource } as const;
    this.#commit(entry, ...this.#newOffer(resource, init.throughput));
    return resource;
  }

  #newResource({ collection, parent, body, ridBytes, links = {} }: NewResource): Resource {
    if (body.id !== undefined) this.#requireFree(collection, body.id);
    const _rid = this.#rids.next(parent?._rid ?? '', ridBytes);
    const kind = collection.slice(collection.lastIndexOf('/') + 1);
    const _self = `${parent?._self ?? ''}${kind}/${_rid}/`;
    return { ...body, id: body.id ?? _rid, _rid, _self, ...this.#stamp(), ...links };
  }

  /** The offer that comes with a resource, in the same change. */
  #newOffer(owner: Resource, throughput: Throughput | undefined): JournalEntry[] {
    if (throughput === undefined) return [];
    const body = offerOf(owner, throughput);
    const resource = this.#newResource({ collection: 'offers', parent: undefined, body, ridBytes: 4 });
    return [{ type: 'put', collection: 'offers', resource }];
  }

  /**
   * Puts a new version in the place of a resource; its links stay, and what is below it follows a new id. Throws 409 for
   * an id that is taken.
   */
  replace(collection: string, old: Resource, body: JsonObject & { readonly id: string }): Resource {
    const links = Object.fromEntries(Object.entries(old).filter(([name]) => name.startsWith('_')));
    if (body.id !== old.id) this.#requireFree(collection, body.id);
    const { _rid, _self } = old;
    const resource = { ...body, ...links, _rid, _self, ...this.#stamp() };
    this.#commit({ type: 'put', collection, resource });
    return resource;
  }

  /** Deletes a resource with all that is below it. Throws 404. */
  delete(collection: string, id: string): void {
    this.#commit({ type: 'delete', collection, id: this.read(collection, id).id });
  }

  /** Finds a resource by id or resource id. */
  find(collection: string, id: string): Resource | undefined {
    return this.#tree.find(collection, id);
  }

  /** Creates a container. Throws 400 for a bad definition, 409 for an id that is taken. */
  createContainer(address: Address, body: Json | undefined, throughput?: Throughput): Container {
    const { collection, parent } = address;
    const { id, definition, partitionKey } = parseContainer(body);
    const created = { collection, parent, body: { ...definition, id }, ridBytes: 8, links: containerLinks };
    const resource = this.#newResource(created);
    const { _rid } = resource;
    const count = this.#partitions ?? partitionsFor(throughput);
    const layout = evenLayout(count, partitionKey, () => this.#rids.next(_rid, 16));
    this.#commit(
      { type: 'put', collection, resource },
      { type: 'partitions', container: _rid, layout },
      ...this.#newOffer(resource, throughput),
    );
    return this.#containerOf(_rid);
  }

  /** Cuts a physical partition of a container in two. Throws 404, or a RangeError where there is no such partition. */
  split(container: Container, range: string | undefined): void {
    this.#commit({ type: 'partitions', container: container.rid, layout: container.split(range) });
  }

  /** Finds a container by the ids, or resource ids, of its database and itself. Throws 404. */
  container(databaseId: string, id: string): Container {
    const { collection } = this.address(['dbs', databaseId, 'colls']);
    return this.#containerOf(this.#tree.find(collection, id)?._rid);
  }

  /** Tells whether it has a container that another state of the same account has. */
  holds({ rid }: Container): boolean {
    return this.#containers.has(rid);
  }

  /** Makes an entry true. It was kept before, so nothing is checked and nothing is kept again. */
  apply(entry: JournalEntry): void {
    if (entry.type === 'put') this.#put(entry.collection, entry.resource);
    else if (entry.type === 'delete') this.#remove(entry.collection, entry.id);
    else if (entry.type === 'ids') this.#rids.skip(entry.count);
    else if (entry.type === 'partitions') this.#containerOf(entry.container).lay(entry.layout);
    else if (entry.type === 'history') this.#containerOf(entry.container).applyHistory(entry);
    else this.#containerOf(entry.container).apply(entry);
  }

  /** The entries that make the state as it is out of nothing. */
  *entries(): Generator<JournalEntry> {
    yield { type: 'ids', count: this.#rids.count };
    for (const [collection, resource] of this.#tree.entries()) {
      yield { type: 'put', collection, resource };
      yield* this.#containers.get(resource._rid)?.entries() ?? [];
    }
  }

  /** Puts another state in the place of this one. Resource ids that are given out later are new all the same. */
  restore(entries: Iterable<JournalEntry>): void {
    this.#tree = new ResourceTree();
    this.#containers.clear();
    for (const entry of entries) this.apply(entry);
  }

  #commit(...entries: JournalEntry[]): void {
    this.#journal.append(...entries);
    for (const entry of entries) this.apply(entry);
  }

  #put(collection: string, resource: Resource): void {
    this.#rids.seen(resource._rid);
    this.#tree.put(collection, resource);
    if (!isContainers(collection)) return;
    const known = this.#containers.get(resource._rid);
    if (known !== undefined) known.redefine(resource);
    else this.#containers.set(resource._rid, this.#newContainer(resource));
  }

  #newContainer(resource: Resource): Container {
    return new Container({ resource, clock: this.clock, rids: this.#rids, journal: this.#journal });
  }

  #remove(collection: string, id: string): void {
    const gone = new Set(this.#tree.delete(collection, id).map(({ _rid }) => _rid));
    for (const rid of gone) this.#containers.delete(rid);
    for (const offer of this.#tree.list('offers')) {
      if (gone.has(shown(offer.offerResourceId))) this.#tree.delete('offers', offer.id);
    }
  }

  #requireFree(collection: string, id: string): void {
    if (this.#tree.find(collection, id) !== undefined) throw conflict();
  }

  #containerOf(rid: string | undefined): Container {
    const found = this.#containers.get(rid ?? '');
    if (found === undefined) throw ownerNotFound();
    return found;
  }

  #stamp(): { _etag: string; _ts: number } {
    return { _etag: newEtag(), _ts: Math.floor(this.clock.now() / 1000) };
  }
}

function isContainers(collection: string): boolean {
  return collection.endsWith('/colls') && collection.split('/').length === 3;
}
