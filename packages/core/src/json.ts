/** A value that JSON can carry. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;

/** A JSON object: what a record's value is, in every store. */
export interface JsonObject {
  readonly [name: string]: JsonValue;
}

/** One reason why a value was refused: where, and what is wrong there. Never the value itself. */
export interface Issue {
  /** Path from the root of the value: field names and array positions. */
  readonly path: readonly (string | number)[];
  /** What is wrong and what would be right. */
  readonly message: string;
}

/** Deepest nesting that every store accepts (Cosmos DB stops at 128 levels, of which the stamp takes some). */
export const MAX_DEPTH = 100;

/** Largest document that every store accepts, in bytes of canonical JSON: 2 MB less room for the stamp. */
export const MAX_BYTES = 2_000_000;

/** Tells whether a value is an object with fields (not null, not an array). */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The one text of a JSON value: fields sorted by UTF-16 code units, numbers as ECMAScript prints them, no white space.
 * Equal values have equal texts, whichever store they came from. Fields whose value is undefined are left out, as JSON does.
 *
 * @see RFC 8785, JSON Canonicalization Scheme
 */
export function canonicalJson(value: JsonValue): string {
  if (typeof value === 'string') return quoted(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (!isJsonObject(value)) return JSON.stringify(value);
  // Appended to one text: a list of fields that is joined at the end takes twice as long.
  let text = '';
  for (const name of Object.keys(value).toSorted()) {
    const field: JsonValue | undefined = value[name];
    if (field !== undefined) text += `${text === '' ? '{' : ','}${quoted(name)}:${canonicalJson(field)}`;
  }
  return text === '' ? '{}' : `${text}}`;
}

// What JSON escapes, and surrogates, of which it escapes the lone ones. Most texts have none, and need no call to be quoted.
const ESCAPED = /[^ !#-[\]-\ud7ff\ue000-\uffff]/;

/** The JSON of a text, as JSON.stringify makes it. */
export function quoted(text: string): string {
  return ESCAPED.test(text) ? JSON.stringify(text) : `"${text}"`;
}

/** Tells whether two JSON values are the same value: order of fields does not matter, type does. */
export function jsonEquals(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, i) => jsonEquals(item, b[i]));
  if (!isJsonObject(a) || !isJsonObject(b)) return false;
  const names = Object.keys(a).filter((name) => a[name] !== undefined);
  const others = Object.keys(b).filter((name) => b[name] !== undefined);
  return (
    names.length === others.length &&
    names.every((name) => Object.hasOwn(b, name) && jsonEquals(a[name], b[name]))
  );
}

/** The value at a path of field names, or undefined where the path leads nowhere. Own fields only. */
export function valueAt(value: JsonValue | undefined, path: readonly string[]): JsonValue | undefined {
  let at: JsonValue | undefined = value;
  for (const name of path) {
    if (!isJsonObject(at) || !Object.hasOwn(at, name)) return undefined;
    at = at[name];
  }
  return at;
}

const TEXT_RULE = 'must not hold NUL or a lone surrogate, which PostgreSQL cannot store';

function badText(text: string): boolean {
  return text.includes('\0') || !text.isWellFormed();
}

// Says as `portabilityIssues` does whether there are none. Nearly every value has none, and this keeps neither path nor list.
function isPortable(at: unknown, depth: number): boolean {
  if (typeof at === 'string') return !badText(at);
  if (typeof at === 'number') return Number.isFinite(at) && !Object.is(at, -0);
  if (at === null || typeof at === 'boolean') return true;
  if (typeof at !== 'object' || depth >= MAX_DEPTH) return false;
  if (Array.isArray(at)) {
    for (let i = 0; i < at.length; i += 1) if (!isPortable(at[i], depth + 1)) return false;
    return true;
  }
  const prototype: unknown = Object.getPrototypeOf(at);
  if (prototype !== Object.prototype && prototype !== null) return false;
  const fields = at as { readonly [name: string]: unknown };
  for (const name of Object.keys(fields)) {
    const field = fields[name];
    if (field === undefined) continue;
    if (badText(name) || name.endsWith('\\') || !isPortable(field, depth + 1)) return false;
  }
  return true;
}

/**
 * Lists what keeps a value from being stored unchanged in every store: values that JSON loses (undefined in an array, NaN,
 * −0, dates and other class instances), text that PostgreSQL cannot hold, and nesting past {@link MAX_DEPTH}.
 *
 * @returns at most 20 issues; none when the value survives everywhere
 */
export function portabilityIssues(value: unknown): readonly Issue[] {
  if (isPortable(value, 0)) return [];
  const issues: Issue[] = [];
  const path: (string | number)[] = [];
  const refuse = (message: string) => issues.push({ path: [...path], message });
  const visit = (at: unknown): void => {
    if (issues.length >= 20) return;
    if (typeof at === 'string') return void (badText(at) && refuse(`text ${TEXT_RULE}`));
    if (typeof at === 'number') {
      if (!Number.isFinite(at)) refuse('must be a finite number');
      else if (Object.is(at, -0)) refuse('must not be negative zero, which JSON cannot carry; write 0');
      return;
    }
    if (at === null || typeof at === 'boolean') return;
    if (typeof at !== 'object') return void refuse(`must be a JSON value, not ${typeof at}`);
    if (path.length >= MAX_DEPTH) return void refuse(`must not nest deeper than ${MAX_DEPTH} levels`);
    if (Array.isArray(at)) {
      for (let i = 0; i < at.length; i += 1) step(i, at[i]);
      return;
    }
    const prototype: unknown = Object.getPrototypeOf(at);
    if (prototype !== Object.prototype && prototype !== null)
      return void refuse('must be a plain object, not an instance of a class');
    // Every value that is read or written goes through here: no list of entries is made.
    const fields = at as { readonly [name: string]: unknown };
    for (const name of Object.keys(fields)) if (fields[name] !== undefined) step(name, fields[name]);
  };
  const step = (name: string | number, item: unknown): void => {
    path.push(name);
    if (typeof name === 'string' && badText(name)) refuse(`field name ${TEXT_RULE}`);
    // JSON.parse of Node.js 24 that has met {"a":1,"\\":1} reads {"a":1,"\"":2} as having the former's name: the document is
    // harmless, but it would change others that are read after it.
    if (typeof name === 'string' && name.endsWith('\\'))
      refuse(
        'field name must not end with a backslash, after which JSON.parse of some Node.js releases misreads other documents',
      );
    visit(item);
    path.pop();
  };
  visit(value);
  return issues;
}
