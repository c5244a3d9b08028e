import { isObject, type Json, type JsonObject } from '../json.ts';
import { badRequest, type ServiceError } from '../service-error.ts';

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
    throw malformed();
  }
  if (operations.length > maximumOperations) {
    throw badRequest(`The number of patch operations can't exceed '${maximumOperations}'.`);
  }
  const condition = isObject(body) ? body.condition : undefined;
  if (condition === undefined || condition === null || condition === '')
    return { operations, condition: undefined };
  if (typeof condition !== 'string') throw malformed();
  return { operations, condition };
}

function malformed(): ServiceError {
  return badRequest('Invalid patch request: check syntax of patch specification.');
}

type Target = Json[] | JsonObject;

/** A place inside a document: what holds it, and its name or index there. */
interface Place {
  readonly holder: Target;
  readonly name: string;
  readonly path: string;
  /** Which operation it is for, as errors begin with it. */
  readonly label: string;
}

type Apply = (document: JsonObject, place: Place, operation: JsonObject) => void;

const operators: ReadonlyMap<string, Apply> = new Map<string, Apply>([
  ['add', (_document, place, operation) => insert(place, valueOf(operation))],
  ['set', (_document, place, operation) => assign(place, valueOf(operation))],
  [
    'replace',
    (_document, place, operation) => {
      requirePresent(place, 'replaced');
      assign(place, valueOf(operation));
    },
  ],
  ['remove', (_document, place) => remove(place)],
  ['incr', increment],
  [
    'move',
    (document, place, operation) => {
      if (typeof operation.from !== 'string' || !operation.from.startsWith('/')) throw malformed();
      const { path, label } = place;
      if (path.startsWith(`${operation.from}/`))
        throw badRequest(`${label}Node(${operation.from}) cannot be moved into its own child.`);
      const source = locate(document, operation.from, { label, verb: 'Given' });
      const value = requirePresent(source, 'moved');
      remove(source);
      insert(locate(document, path, { label, verb: 'Given' }), value);
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
  for (const [at, operation] of operations.entries()) {
    const path = isObject(operation) ? operation.path : undefined;
    if (!isObject(operation) || typeof path !== 'string' || !path.startsWith('/')) throw malformed();
    for (const touched of [path, operation.from]) refuseProtected(touched, keyPaths);
    const name = typeof operation.op === 'string' ? operation.op.toLowerCase() : '';
    const apply = operators.get(name);
    if (apply === undefined) throw malformed();
    const label = `For Operation(${at + 1}): `;
    apply(copy, locate(copy, path, { label, verb: name === 'add' ? 'Add' : 'Given' }), operation);
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
  if (touchesKey) throw badRequest(`Invalid patch request: Cannot patch partition key property ${path}.`);
  if (protectedPaths.has(path))
    throw badRequest(`Invalid patch request: Cannot patch system property ${path}.`);
}

function locate(document: JsonObject, path: string, step: { label: string; verb: string }): Place {
  const names = path
    .slice(1)
    .split('/')
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
  const name = names.pop() ?? '';
  let holder: Target = document;
  for (const part of names) {
    const next: Json | undefined = child(holder, part);
    if (next === null || typeof next !== 'object') {
      throw badRequest(
        `${step.label}${step.verb} Operation can only create a child object of an existing node(array or object) and cannot create path recursively, no path found beyond: '${part}'. Learn more: https:\\\\aka.ms\\cosmosPatchDocs`,
      );
    }
    holder = next;
  }
  return { holder, name, path, label: step.label };
}

function child(holder: Target, name: string): Json | undefined {
  if (Array.isArray(holder)) return /^\d+$/.test(name) ? holder[Number(name)] : undefined;
  return Object.hasOwn(holder, name) ? holder[name] : undefined;
}

function valueOf(operation: JsonObject): Json {
  if (operation.value === undefined) throw malformed();
  return structuredClone(operation.value);
}

function indexIn(holder: Json[], place: Place): number {
  if (place.name === '-') return holder.length;
  const index = /^\d+$/.test(place.name) ? Number(place.name) : Number.NaN;
  if (!(index <= holder.length))
    throw badRequest(`${place.label}Index(${place.name}) to operate on is out of array bounds.`);
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

function requirePresent({ holder, name, path, label }: Place, verb: string, note = ''): Json {
  const value = child(holder, name);
  if (value !== undefined) return value;
  if (Array.isArray(holder) && /^\d+$/.test(name))
    throw badRequest(`${label}Index(${name}) to operate on is out of array bounds.`);
  throw badRequest(`${label}Node(${path.slice(1)}) to be ${verb} is absent.${note}`);
}

function remove(place: Place): void {
  requirePresent(place, 'removed', ' Note: it might also have been removed earlier in the transaction.');
  if (Array.isArray(place.holder)) place.holder.splice(Number(place.name), 1);
  else delete place.holder[place.name];
}

function increment(_document: JsonObject, place: Place, operation: JsonObject): void {
  const by = valueOf(operation);
  const value = child(place.holder, place.name) ?? 0;
  if (typeof value !== 'number' || typeof by !== 'number') {
    throw badRequest(`${place.label}Node(${place.path.slice(1)}) is not a number.`);
  }
  assign(place, value + by);
}
