import type { Resource } from './journal.ts';

/**
 * The resources of an account but for items, by the path of their collection (`dbs`, `dbs/app/users`) and id. They are
 * few, so they are plain JSON; what is below a resource goes with it.
 */
export class ResourceTree {
  readonly #collections = new Map<string, Map<string, Resource>>();

  /** The resources of a collection in the order of their creation. */
  list(collection: string): Resource[] {
    return [...(this.#collections.get(collection)?.values() ?? [])];
  }

  /** Finds a resource by id, or by resource id. */
  find(collection: string, id: string): Resource | undefined {
    const members = this.#collections.get(collection);
    return members?.get(id) ?? [...(members?.values() ?? [])].find(({ _rid }) => _rid === id);
  }

  /** Puts a resource in its collection, in the place of the one with its id. */
  put(collection: string, resource: Resource): void {
    let members = this.#collections.get(collection);
    if (members === undefined) this.#collections.set(collection, (members = new Map()));
    members.set(resource.id, resource);
  }

  /** Takes out a resource with all that is below it, and gives all that went. */
  delete(collection: string, id: string): Resource[] {
    const members = this.#collections.get(collection);
    const gone = members?.get(id);
    if (gone === undefined) return [];
    members?.delete(id);
    const below = [...this.#collections.keys()].filter((path) => path.startsWith(`${collection}/${id}/`));
    const all = [gone, ...below.flatMap((path) => this.list(path))];
    for (const path of below) this.#collections.delete(path);
    return all;
  }

  /** Every collection with its members, parents before what is below them. */
  *entries(): Generator<readonly [collection: string, resource: Resource]> {
    const paths = [...this.#collections.keys()].toSorted((a, b) => depth(a) - depth(b));
    for (const path of paths) for (const resource of this.list(path)) yield [path, resource];
  }
}

function depth(collection: string): number {
  return collection.split('/').length;
}
