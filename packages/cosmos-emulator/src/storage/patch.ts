import { isObject, type Json, type JsonObject } from '../json.ts';
import { badRequest } from '../service-error.ts';

/** The changes of a patch, and the condition that the item must meet first. */
export interface PatchRequest {
  readonly operations: readonly Json[];
  /** A filter that starts with FROM. */
  readonly condition: string | undefined;
}

/** The most operations that one patch may hold. */
const maximumOperations = 10;

/** Reads the body of a patch request. Throws status 400. */
export function parsePatch(body: Json | undefined): PatchRequest {
  const operations = isObject(body) ? body.operations : body;
  if (!Array.isArray(operations) || operations.length === 0) {
    throw badRequest('The patch request must hold at least one operation.');
  }
  if (operations.length > maximumOperations) {
    throw badRequest(`The number of patch operations can't exceed '${maximumOperations}'.`);
  }
  const condition = isObject(body) ? body.condition : undefined;
  if (condition === undefined || condition === null || condition === '')
    return { operations, condition: undefined };
  if (typeof condition !== 'string') throw badRequest('The condition of a patch must be a string.');
  return { operations, condition };
}

type Target = Json[] | JsonObject;

/** A place inside a document: what holds it, and its name or index there. */
interface Place {
  readonly holder: Target;
  readonly name: string;
  readonly path: string;
}

type Apply = (document: JsonObject, place: Place, operation: JsonObject) => void;

const operators: ReadonlyMap<string, Apply> = new Map<string, Apply>([
  ['add', (_document, place, operation) => insert(place, valueOf(operation))],
  ['set', (_document, place, operation) => assign(place, valueOf(operation))],
  [
    'replace',
    (_document, place, operation) => {
      requirePresent(place, 'Replace');
      assign(place, valueOf(operation));
    },
  ],
  ['remove', (_document, place) => remove(place)],
  ['incr', increment],
  [
    'move',
    (document, place, operation) => {
      if (typeof operation.from !== 'string') throw badRequest("A move operation needs the property 'from'.");
      if (place.path.startsWith(`${operation.from}/`))
        throw badRequest('A path cannot be moved into its own child.');
      const source = locate(document, operation.from);
      const value = requirePresent(source, 'Move');
      remove(source);
      insert(locate(document, place.path), value);
    },
  ],
]);

/**
 * Applies operations in order to a copy of a document; nothing changes when one of them fails.
 * Paths of the partition key, of the id and of system properties are refused.
 */
export function applyPatch(
  document: JsonObject,
  operations: readonly Json[],
  keyPaths: readonly string[],
): JsonObject {
  const copy = structuredClone(document);
  for (const operation of operations) {
    const path = isObject(operation) ? operation.path : undefined;
    if (!isObject(operation) || typeof path !== 'string' || !path.startsWith('/')) {
      throw badRequest('A patch operation needs a path that starts with a slash.');
    }
    for (const touched of [path, operation.from]) refuseProtected(touched, keyPaths);
    const apply = typeof operation.op === 'string' ? operators.get(operation.op.toLowerCase()) : undefined;
    if (apply === undefined)
      throw badRequest(`Patch operation '${JSON.stringify(operation.op)}' is not supported.`);
    apply(copy, locate(copy, path), operation);
  }
  return copy;
}

const protectedPaths: ReadonlySet<string> = new Set([
  '/id',
  '/_rid',
  '/_self',
  '/_etag',
  '/_ts',
  '/_attachments',
]);

function refuseProtected(path: Json | undefined, keyPaths: readonly string[]): void {
  if (typeof path !== 'string') return;
  const touchesKey = keyPaths.some((key) => path === key || key.startsWith(`${path}/`));
  if (touchesKey || protectedPaths.has(path)) throw badRequest(`Cannot patch the path '${path}'.`);
}

function locate(document: JsonObject, path: string): Place {
  const names = path
    .slice(1)
    .split('/')
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
  const name = names.pop() ?? '';
  let holder: Target = document;
  for (const step of names) {
    const next: Json | undefined = child(holder, step);
    if (next === null || typeof next !== 'object') {
      throw badRequest(`The patch path '${path}' leads through something that is not there.`);
    }
    holder = next;
  }
  return { holder, name, path };
}

function child(holder: Target, name: string): Json | undefined {
  if (Array.isArray(holder)) return /^\d+$/.test(name) ? holder[Number(name)] : undefined;
  return Object.hasOwn(holder, name) ? holder[name] : undefined;
}

function valueOf(operation: JsonObject): Json {
  if (operation.value === undefined) throw badRequest('The patch operation needs a value.');
  return structuredClone(operation.value);
}

function indexIn(holder: Json[], place: Place): number {
  if (place.name === '-') return holder.length;
  const index = /^\d+$/.test(place.name) ? Number(place.name) : Number.NaN;
  if (!(index <= holder.length))
    throw badRequest(`The index of the patch path '${place.path}' is out of range.`);
  return index;
}

/** Adds: an array makes room for the value. */
function insert(place: Place, value: Json): void {
  if (Array.isArray(place.holder)) place.holder.splice(indexIn(place.holder, place), 0, value);
  else define(place.holder, place.name, value);
}

/** Sets: an array has the value in the place of the one before. */
function assign(place: Place, value: Json): void {
  if (Array.isArray(place.holder)) place.holder[indexIn(place.holder, place)] = value;
  else define(place.holder, place.name, value);
}

/** `__proto__` becomes a property like any other. */
function define(holder: JsonObject, name: string, value: Json): void {
  Object.defineProperty(holder, name, { value, enumerable: true, configurable: true, writable: true });
}

function requirePresent(place: Place, operation: string): Json {
  const value = child(place.holder, place.name);
  if (value === undefined)
    throw badRequest(`${operation} operation only works on an existing path: '${place.path}'.`);
  return value;
}

function remove(place: Place): void {
  requirePresent(place, 'Remove');
  if (Array.isArray(place.holder)) place.holder.splice(Number(place.name), 1);
  else delete place.holder[place.name];
}

function increment(_document: JsonObject, place: Place, operation: JsonObject): void {
  const by = valueOf(operation);
  const value = child(place.holder, place.name) ?? 0;
  if (typeof value !== 'number' || typeof by !== 'number') {
    throw badRequest(`Increment works on numbers only: '${place.path}'.`);
  }
  assign(place, value + by);
}
