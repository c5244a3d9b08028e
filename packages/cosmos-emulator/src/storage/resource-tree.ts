import type { Resource } from './journal.ts';

/** Where a resource lies. */
interface Place {
  readonly collection: string;
  readonly id: string;
}

/**
 * The resources of an account but for items, by the path of their collection (`dbs`, `dbs/app/users`) and id. They are
 * few, so they are plain JSON; what is below a resource goes with it.
 */
export class ResourceTree {
  readonly #collections = new Map<string, Map<string, Resource>>();
  readonly #byRid = new Map<string, Place>();

  /** The resources of a collection in the order of their creation. */
  list(collection: string): Resource[] {
    return [...(this.#collections.get(collection)?.values() ?? [])];
  }

  /** Finds a resource by id, or by resource id. */
  find(collection: string, id: string): Resource | undefined {
    const members = this.#collections.get(collection);
    const found = members?.get(id);
    if (found !== undefined) return found;
    const place = this.#byRid.get(id);
    return place?.collection === collection ? members?.get(place.id) : undefined;
  }

  /** Puts a resource in its collection, in the place of its older version; with a new id, what is below it moves too. */
  put(collection: string, resource: Resource): void {
    const { id, _rid } = resource;
    const old = this.#byRid.get(_rid);
    if (old !== undefined && old.id !== id) this.#rename(collection, old.id, id);
    this.#members(collection).set(id, resource);
    this.#byRid.set(_rid, { collection, id });
  }

  /** Takes out a resource with all that is below it, and gives all that went. */
  delete(collection: string, id: string): Resource[] {
    const members = this.#collections.get(collection);
    const gone = members?.get(id);
    if (gone === undefined) return [];
    members?.delete(id);
    const below = this.#below(collection, id);
    const all = [gone, ...below.flatMap((path) => this.list(path))];
    for (const path of below) this.#collections.delete(path);
    for (const { _rid } of all) this.#byRid.delete(_rid);
    return all;
  }

  /** Every collection with its members, parents before what is below them. */
  *entries(): Generator<readonly [collection: string, resource: Resource]> {
    const paths = [...this.#collections.keys()].toSorted((a, b) => depth(a) - depth(b));
    for (const path of paths) for (const resource of this.list(path)) yield [path, resource];
  }

  #rename(collection: string, from: string, to: string): void {
    this.#collections.get(collection)?.delete(from);
    for (const path of this.#below(collection, from)) {
      const moved = `${collection}/${to}${path.slice(`${collection}/${from}`.length)}`;
      const members = this.#collections.get(path) ?? new Map<string, Resource>();
      this.#collections.delete(path);
      this.#collections.set(moved, members);
      for (const { id, _rid } of members.values()) this.#byRid.set(_rid, { collection: moved, id });
    }
  }

  #below(collection: string, id: string): string[] {
    return [...this.#collections.keys()].filter((path) => path.startsWith(`${collection}/${id}/`));
  }

  #members(collection: string): Map<string, Resource> {
    const known = this.#collections.get(collection);
    if (known !== undefined) return known;
    const created = new Map<string, Resource>();
    this.#collections.set(collection, created);
    return created;
  }
}

function depth(collection: string): number {
  return collection.split('/').length;
}
