import { isObject, type Json, type JsonObject, shown } from '../json.ts';
import { badRequest } from '../service-error.ts';
import { parseComputedProperty } from '../sql/computed-property.ts';

/** Checks the policies of a definition, and gives them with what the service fills in. Throws status 400. */
export function parsePolicies(body: JsonObject): JsonObject {
  const { vectorEmbeddingPolicy, fullTextPolicy, computedProperties, changeFeedPolicy } = body;
  requireVectorPaths(body.indexingPolicy, parseEmbeddings(vectorEmbeddingPolicy));
  if (fullTextPolicy !== undefined) requireFullText(fullTextPolicy);
  if (computedProperties !== undefined) requireComputed(computedProperties);
  if (changeFeedPolicy !== undefined) requireRetention(changeFeedPolicy);
  requireAnalyticalTtl(body.analyticalStorageTtl);
  return {
    conflictResolutionPolicy: conflictResolution(body.conflictResolutionPolicy),
    geospatialConfig: geospatial(body.geospatialConfig),
  };
}

function conflictResolution(value: Json | undefined): JsonObject {
  const policy = objectOr(value, {}, 'conflictResolutionPolicy');
  const { mode = 'LastWriterWins' } = policy;
  const path = policy.conflictResolutionPath ?? '';
  const procedure = policy.conflictResolutionProcedure ?? '';
  if (typeof path !== 'string' || typeof procedure !== 'string') throw invalid('conflictResolutionPolicy');
  if (mode === 'LastWriterWins') {
    if (procedure !== '') throw invalid('conflictResolutionPolicy');
    return { mode, conflictResolutionPath: path === '' ? '/_ts' : path, conflictResolutionProcedure: '' };
  }
  if (mode !== 'Custom' || path !== '') throw invalid('conflictResolutionPolicy');
  return { mode, conflictResolutionPath: '', conflictResolutionProcedure: procedure };
}

function geospatial(value: Json | undefined): JsonObject {
  const config = objectOr(value, { type: 'Geography' }, 'geospatialConfig');
  if (config.type === 'Geography' || config.type === 'Geometry') return config;
  throw invalid('geospatialConfig');
}

const dataTypes: ReadonlySet<unknown> = new Set(['float16', 'float32', 'uint8', 'int8']);
const distances: ReadonlySet<unknown> = new Set(['euclidean', 'cosine', 'dotproduct']);

/** Gives the paths that hold vectors. */
function parseEmbeddings(value: Json | undefined): ReadonlySet<unknown> {
  const { vectorEmbeddings = [] } = objectOr(value, {}, 'vectorEmbeddingPolicy');
  if (!Array.isArray(vectorEmbeddings)) throw invalid('vectorEmbeddingPolicy');
  for (const entry of vectorEmbeddings) {
    const { path, dataType, dimensions, distanceFunction } = isObject(entry) ? entry : {};
    const isSized = typeof dimensions === 'number' && Number.isInteger(dimensions) && dimensions >= 1;
    const isKnown = dataTypes.has(dataType) && distances.has(distanceFunction);
    if (!isPath(path) || !isSized || dimensions > 4096 || !isKnown) throw invalid('vectorEmbeddingPolicy');
  }
  return new Set(vectorEmbeddings.map((entry) => (isObject(entry) ? entry.path : undefined)));
}

function requireVectorPaths(policy: Json | undefined, known: ReadonlySet<unknown>): void {
  const indexes = isObject(policy) && Array.isArray(policy.vectorIndexes) ? policy.vectorIndexes : [];
  for (const index of indexes) {
    const path = isObject(index) ? index.path : undefined;
    if (!known.has(path)) {
      throw badRequest(
        `The Vector Indexing Policy's path '${shown(path)}' does not match any path in the Vector Embedding Policy.`,
      );
    }
  }
}

function requireFullText(value: Json): void {
  const { fullTextPaths = [] } = objectOr(value, {}, 'fullTextPolicy');
  const isGood =
    Array.isArray(fullTextPaths) && fullTextPaths.every((entry) => isObject(entry) && isPath(entry.path));
  if (!isGood) throw invalid('fullTextPolicy');
}

const systemNames: ReadonlySet<string> = new Set([
  'id',
  '_rid',
  '_self',
  '_etag',
  '_ts',
  '_attachments',
  '_lsn',
]);
const maximumComputed = 20;

function requireComputed(value: Json): void {
  if (!Array.isArray(value)) throw invalid('computedProperties');
  if (value.length > maximumComputed) {
    throw badRequest(`A container can have at most ${maximumComputed} computed properties.`);
  }
  const names = new Set<string>();
  for (const entry of value) {
    const { name, query } = isObject(entry) ? entry : {};
    if (typeof name !== 'string' || name === '' || typeof query !== 'string')
      throw invalid('computedProperties');
    if (systemNames.has(name)) {
      throw badRequest(`The computed property name '${name}' is the name of a system property.`);
    }
    if (names.has(name)) throw badRequest(`The computed property name '${name}' is used more than once.`);
    names.add(name);
    parseComputedProperty(query, name);
  }
}

function requireRetention(value: Json): void {
  const { retentionDuration = 0 } = objectOr(value, {}, 'changeFeedPolicy');
  if (
    typeof retentionDuration !== 'number' ||
    !Number.isInteger(retentionDuration) ||
    retentionDuration < 0
  ) {
    throw invalid('changeFeedPolicy');
  }
}

function requireAnalyticalTtl(value: Json | undefined): void {
  if (value === undefined || value === null) return;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < -1)
    throw invalid('analyticalStorageTtl');
}

function isPath(value: Json | undefined): value is string {
  return typeof value === 'string' && value.startsWith('/') && value.length > 1;
}

function objectOr(value: Json | undefined, otherwise: JsonObject, name: string): JsonObject {
  if (value === undefined || value === null) return otherwise;
  if (isObject(value)) return value;
  throw invalid(name);
}

function invalid(name: string): Error {
  return badRequest(`The input content is invalid because the property '${name}' is not valid.`);
}
