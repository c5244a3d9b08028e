import { isObject, type Json, parsePath, type Value, valueAt } from '../json.ts';
import { badRequest } from '../service-error.ts';

/** One level of a partition key; undefined is the absent value, which the wire writes as `{}`. */
export type PartitionKeyComponent = string | number | boolean | null | undefined;

/** A partition key: one component, or several when it is hierarchical, or fewer as a prefix of one. */
export type PartitionKey = readonly PartitionKeyComponent[];

/** How a container derives the key of its items. */
export interface PartitionKeyDefinition {
  readonly paths: readonly string[];
  readonly kind: 'Hash' | 'MultiHash';
  readonly version: 1 | 2;
  /** Whether the container was made without a key, so that all of its items share the absent one. */
  readonly systemKey: boolean;
}

const separator = '\u0001';

/** Gives one text for each key. The text of a prefix starts the text of every key under it. */
export function keyText(key: PartitionKey): string {
  let text = '';
  for (const component of key)
    text += (component === undefined ? '{}' : JSON.stringify(component)) + separator;
  return text;
}

/** Writes a key as the wire does, with `{}` for the absent value. */
export function wireKey(key: PartitionKey): Json[] {
  return key.map((component) => (component === undefined ? {} : component));
}

/** Reads a key as the wire writes it. Throws status 400. */
export function readWireKey(key: readonly Json[]): PartitionKey {
  return key.map(componentOf);
}

/** Compiles the paths of a definition into a function that reads the key of a document. */
export function keyReader(definition: PartitionKeyDefinition): (document: Value) => PartitionKey {
  const paths = definition.paths.map(parsePath);
  return (document) => paths.map((path) => componentOf(valueAt(document, path)));
}

function componentOf(value: Value): PartitionKeyComponent {
  // Minus zero is the key that zero is.
  if (typeof value === 'number' && Number.isFinite(value)) return value + 0;
  if (value === null || value === undefined) return value;
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (isObject(value) && Object.keys(value).length === 0) return undefined;
  throw badRequest('The partition key value of an item must be a string, a number, a boolean or null.');
}

/** Reads the key of a request header or of an operation: a JSON array whose `{}` stands for the absent value. */
export function parsePartitionKey(text: string, definition: PartitionKeyDefinition): PartitionKey {
  let parsed: Json;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw badRequest('Partition key provided is not valid JSON.');
  }
  if (!Array.isArray(parsed)) throw badRequest('Partition key provided is not an array.');
  if (parsed.length === 0 && definition.paths.length === 1) return [undefined];
  if (parsed.length > definition.paths.length) {
    throw badRequest('Partition key provided has more components than defined in the collection.', 1001);
  }
  return readWireKey(parsed);
}
