import type { PartitionKey } from '@azure/cosmos';
import {
  type Entity,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  type PartitionLevel,
  splitPath,
  valueAt,
} from '@polyphase/core';

/** A path into a document: field names, outermost first. */
export type Path = readonly string[];

/**
 * The field names of a path as Cosmos DB writes it in partition keys, unique keys and indexing policies: `/a/b`, where a name with
 * odd characters stands in double quotes.
 */
export function parsePath(text: string): Path {
  const names = text.match(/"(?:[^"\\]|\\.)*"|[^/"]+/g) ?? [];
  return names.map((name) => (name.startsWith('"') ? String(JSON.parse(name)) : name));
}

/** A path as Cosmos DB writes it. */
export function formatPath(path: Path): string {
  return path.map((name) => (/^\w+$/.test(name) ? `/${name}` : `/${JSON.stringify(name)}`)).join('');
}

/** The paths of an entity's partition levels, outermost first. */
export function partitionPaths(entity: Entity): readonly Path[] {
  return entity.key.partition.map(splitPath);
}

/** The levels as the driver takes them: always a list, an absent level as an empty object. */
export function toPartitionKey(levels: readonly PartitionLevel[]): PartitionKey {
  return levels.map((level) => (level === undefined ? {} : level));
}

/** The partition level that a value makes; `undefined` inside where Cosmos DB accepts none such. */
export function levelOf(value: JsonValue | undefined): { readonly level: PartitionLevel } | undefined {
  return isJsonObject(value) || Array.isArray(value)
    ? undefined
    : { level: value as Exclude<typeof value, JsonObject | readonly JsonValue[]> };
}

/** The levels that a document has under these paths. An object or array, which is no level, counts as absent. */
export function levelsAt(document: JsonObject, paths: readonly Path[]): readonly PartitionLevel[] {
  return paths.map((path) => levelOf(valueAt(document, path))?.level);
}

/** A document with a value put at a path, unless something else is in the way. Absent objects on the way are made. */
export function withValueAt(document: JsonObject, path: Path, value: JsonValue): JsonObject {
  const [name, ...rest] = path;
  if (name === undefined) return document;
  const there = Object.hasOwn(document, name) ? document[name] : undefined;
  if (rest.length === 0) return there === undefined ? withField(document, name, value) : document;
  if (there !== undefined && !isJsonObject(there)) return document;
  return withField(document, name, withValueAt(there ?? {}, rest, value));
}

// A computed name in a literal makes an own field, whatever the name; assignment to "__proto__" would set the prototype.
function withField(document: JsonObject, name: string, value: JsonValue): JsonObject {
  return { ...document, [name]: value };
}
