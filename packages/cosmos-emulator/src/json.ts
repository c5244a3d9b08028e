/** A JSON value as documents hold it. */
export type Json = string | number | boolean | null | Json[] | JsonObject;

/** A JSON object; an absent property reads as undefined. */
export interface JsonObject {
  [name: string]: Json | undefined;
}

/** What a SQL expression evaluates to: JSON, or undefined where a path leads nowhere. */
export type Value = Json | undefined;

/** Tells whether a value is an object, and neither null nor an array. */
export function isObject(value: unknown): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** Gives one text for equal values, whatever the order of their properties: a key for maps and sets. */
export function canonical(value: Value): string {
  if (value === undefined) return 'undefined';
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  const names = Object.keys(value).toSorted();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(',')}}`;
}

/** Splits a policy path such as `/a/"b c"/d` into its property names; the marks `?`, `*` and `[]` stay as they are. */
export function parsePath(path: string): string[] {
  const names = path.slice(1).match(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^/]+/g) ?? [];
  return names.map((name) => (/^["']/.test(name) ? name.slice(1, -1).replace(/\\(.)/g, '$1') : name.trim()));
}

/** Reads the value at a path of property names, undefined where the path leaves the document. */
export function valueAt(document: Value, path: readonly string[]): Value {
  let value: Value = document;
  for (const name of path) {
    if (!isObject(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}

/** Gives a value as messages show it: text as it is, all else as JSON. */
export function shown(value: Value): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined');
}
