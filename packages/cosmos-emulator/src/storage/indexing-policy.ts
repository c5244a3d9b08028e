import { isObject, type Json, type JsonObject, shown } from '../json.ts';
import { badRequest } from '../service-error.ts';

const everything = '/*';
const etagPath = '/"_etag"/?';
const modes: ReadonlySet<string> = new Set(['consistent', 'lazy', 'none']);

/** Checks an indexing policy and fills in what the service adds to it. Throws status 400. */
export function parseIndexingPolicy(value: Json | undefined): JsonObject {
  const policy = requireObject(value ?? {}, 'indexing policy');
  const mode = shown(policy.indexingMode ?? 'consistent').toLowerCase();
  if (!modes.has(mode)) throw badRequest(`The indexing mode '${mode}' is invalid.`);
  const { automatic = mode !== 'none' } = policy;
  if (typeof automatic !== 'boolean')
    throw badRequest("The property 'automatic' of the indexing policy is invalid.");
  if (mode === 'none') {
    if (automatic) {
      throw badRequest(
        "The indexing mode 'none' is invalid where automatic is true. Ensure to set automatic to false.",
      );
    }
    return { indexingMode: mode, automatic, includedPaths: [], excludedPaths: [] };
  }
  return { ...policy, indexingMode: mode, automatic, ...coverage(policy), ...specialIndexes(policy) };
}

/** Which paths are indexed: the root is in one of the two lists. */
function coverage(policy: JsonObject): JsonObject {
  const excluded = pathList(policy.excludedPaths, requireIndexPath);
  const excludesAll = excluded.some(({ path }) => path === everything);
  const sent = pathList(policy.includedPaths, requireIndexPath);
  const isGiven = policy.includedPaths !== undefined && policy.includedPaths !== null;
  // Clients that always send both lists mean the default when both are empty.
  const isDefault = isGiven ? sent.length === 0 && excluded.length === 0 : !excludesAll;
  const included = isDefault ? [{ path: everything }] : sent;
  if (!excludesAll && !included.some(({ path }) => path === everything || path === '/')) {
    throw badRequest(
      'The special mandatory indexing path "/" is not provided in any of the path type sets. Please provide this path in one of the sets.',
    );
  }
  const both = included.find(({ path }) => excluded.some((other) => other.path === path));
  if (both !== undefined) {
    throw badRequest(`The indexing path '${shown(both.path)}' is both included and excluded.`);
  }
  const known = excludesAll || [...included, ...excluded].some(({ path }) => path === etagPath);
  return { includedPaths: included, excludedPaths: known ? excluded : [...excluded, { path: etagPath }] };
}

/** The indexes that only some policies have; each is left out where the policy leaves it out. */
function specialIndexes(policy: JsonObject): JsonObject {
  const { compositeIndexes, spatialIndexes, vectorIndexes, fullTextIndexes } = policy;
  return {
    ...(compositeIndexes === undefined ? {} : { compositeIndexes: parseComposites(compositeIndexes) }),
    ...(spatialIndexes === undefined ? {} : { spatialIndexes: parseSpatial(spatialIndexes) }),
    ...(vectorIndexes === undefined ? {} : { vectorIndexes: parseVectors(vectorIndexes) }),
    ...(fullTextIndexes === undefined
      ? {}
      : { fullTextIndexes: pathList(fullTextIndexes, requirePlainPath) }),
  };
}

function parseComposites(value: Json): Json {
  return requireArray(value, 'compositeIndexes').map((index) => {
    const paths = pathList(index, requirePlainPath);
    if (paths.length < 2 || paths.length > 8) {
      throw badRequest('A composite index must have at least two paths, and at most eight.');
    }
    if (new Set(paths.map(({ path }) => path)).size < paths.length) {
      throw badRequest('The paths of a composite index must differ.');
    }
    return paths.map((entry) => ({ ...entry, order: orderOf(entry.order) }));
  });
}

function orderOf(value: Json | undefined): string {
  const order = shown(value ?? 'ascending').toLowerCase();
  if (order === 'ascending' || order === 'descending') return order;
  throw badRequest(
    `The composite index order '${order}' is invalid. Ensure to provide one of 'ascending' and 'descending'.`,
  );
}

const spatialTypes: readonly Json[] = ['Point', 'LineString', 'Polygon', 'MultiPolygon'];

function parseSpatial(value: Json): Json {
  return pathList(value, requireIndexPath).map((entry) => {
    const types = requireArray(entry.types ?? [...spatialTypes], 'types');
    const unknown = types.find((type) => !spatialTypes.includes(type));
    if (unknown !== undefined) throw badRequest(`The spatial type '${shown(unknown)}' is invalid.`);
    return { ...entry, types };
  });
}

const vectorTypes: ReadonlySet<unknown> = new Set(['flat', 'quantizedFlat', 'diskANN']);

function parseVectors(value: Json): Json {
  return pathList(value, requirePlainPath).map((entry) => {
    if (vectorTypes.has(entry.type)) return entry;
    throw badRequest(`The vector index type '${shown(entry.type)}' is invalid.`);
  });
}

function pathList(value: Json | undefined, check: (path: Json | undefined) => void): JsonObject[] {
  return requireArray(value ?? [], 'paths').map((entry) => {
    const object = requireObject(entry, 'indexing path');
    check(object.path);
    return object;
  });
}

const label = String.raw`(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\[\]|[^/"'*?[\]]+)`;
const plainPath = new RegExp(`^(?:/${label})+$`);
/** Labels, then `?` for the value there or `*` for all below. */
const indexPath = new RegExp(`^(?:/|(?:/${label})*/[?*])$`);

function requireIndexPath(path: Json | undefined): void {
  if (typeof path === 'string' && indexPath.test(path)) return;
  throw badRequest(
    `The indexing path '${shown(path)}' could not be accepted, failed near position '${nearOf(path)}'. Please ensure that the path is a valid path. Common errors include invalid characters or absence of quotes around labels.`,
  );
}

function requirePlainPath(path: Json | undefined): void {
  if (typeof path === 'string' && plainPath.test(path)) return;
  throw badRequest(
    `The indexing path '${shown(path)}' could not be accepted, failed near position '${nearOf(path)}'. The path must name a property, without a trailing slash or wildcard character.`,
  );
}

/** Where the longest part that makes sense ends. */
function nearOf(path: Json | undefined): number {
  if (typeof path !== 'string') return 0;
  return new RegExp(`^(?:/${label})*`).exec(path)?.[0].length ?? 0;
}

function requireArray(value: Json, name: string): Json[] {
  if (Array.isArray(value)) return value;
  throw badRequest(`The property '${name}' of the indexing policy is invalid.`);
}

function requireObject(value: Json, name: string): JsonObject {
  if (isObject(value)) return value;
  throw badRequest(`The ${name} is invalid. Ensure to provide an object.`);
}
