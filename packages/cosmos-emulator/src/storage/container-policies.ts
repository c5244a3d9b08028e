import { isObject, type Json, type JsonObject } from '../json.ts';
import { badRequest } from '../service-error.ts';
import { parseComputedProperty } from '../sql/computed-property.ts';
import { requireTexts, requireVectors } from './search-policies.ts';

/** Checks the policies of a definition, and gives them with what the service fills in. Throws status 400. */
export function parsePolicies(body: JsonObject): JsonObject {
  const { computedProperties, changeFeedPolicy } = body;
  requireVectors(body);
  requireTexts(body);
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

function objectOr(value: Json | undefined, otherwise: JsonObject, name: string): JsonObject {
  if (value === undefined || value === null) return otherwise;
  if (isObject(value)) return value;
  throw invalid(name);
}

function invalid(name: string): Error {
  return badRequest(`The input content is invalid because the property '${name}' is not valid.`);
}
