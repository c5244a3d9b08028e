import { canonical, isObject, type Json, type JsonObject, parsePath } from '../json.ts';
import type { PartitionKeyDefinition } from '../partition/partition-key.ts';
import { badRequest } from '../service-error.ts';
import { parsePolicies } from './container-policies.ts';
import { parseIndexingPolicy } from './indexing-policy.ts';
import {
  parsePartitionKeyDefinition,
  partitionKeyOnWire,
  requireKeyPath,
} from './partition-key-definition.ts';
import { requireName } from './resource-id.ts';
import { requireSameVectors } from './search-policies.ts';

/** How points lie: on the Earth, in degrees, or on a plane. */
export type Geospatial = 'Geography' | 'Geometry';

/** What the emulator itself reads of a container's definition; `definition` holds all of it. */
export interface ContainerProperties {
  readonly id: string;
  readonly partitionKey: PartitionKeyDefinition;
  /** Seconds; -1 lets only items with their own `ttl` expire; undefined turns expiry off. */
  readonly defaultTtl: number | undefined;
  /** Paths of each unique key. */
  readonly uniqueKeys: ReadonlyArray<ReadonlyArray<readonly string[]>>;
  readonly geospatial: Geospatial;
  readonly definition: JsonObject;
}

/** Checks a definition as a client sends it, and fills in what the service adds. Throws status 400. */
export function parseContainer(body: Json | undefined): ContainerProperties {
  if (!isObject(body)) {
    throw badRequest('The request payload is invalid. Ensure to provide a valid request payload.');
  }
  const id = requireName(body.id);
  const partitionKey = parsePartitionKeyDefinition(body.partitionKey);
  const defaultTtl = parseTtl(body.defaultTtl, 'defaultTtl');
  const definition: JsonObject = {
    ...withoutSystemProperties(body),
    indexingPolicy: parseIndexingPolicy(body.indexingPolicy),
    partitionKey: partitionKeyOnWire(partitionKey, body.partitionKey),
    ...parsePolicies(body),
  };
  if (defaultTtl === undefined) delete definition.defaultTtl;
  const uniqueKeys = parseUniqueKeys(body.uniqueKeyPolicy);
  const geospatial = geospatialOf(definition);
  return { id, partitionKey, defaultTtl, uniqueKeys, geospatial, definition };
}

function geospatialOf({ geospatialConfig: config }: JsonObject): Geospatial {
  return isObject(config) && config.type === 'Geometry' ? 'Geometry' : 'Geography';
}

/**
 * Checks what a client sent to replace a container. What cannot be changed may be left out, but for the unique keys.
 * Throws status 400.
 */
export function parseReplacement(old: ContainerProperties, body: Json | undefined): ContainerProperties {
  const { partitionKey, conflictResolutionPolicy, uniqueKeyPolicy } = old.definition;
  const sent = isObject(body) ? body : {};
  const replacement = parseContainer({
    ...sent,
    partitionKey: keyWithDefaults(sent.partitionKey, partitionKey),
    conflictResolutionPolicy: sent.conflictResolutionPolicy ?? conflictResolutionPolicy,
  });
  const { definition } = replacement;
  if (replacement.id !== old.id) throw badRequest('The id of a container cannot be changed.');
  if (canonical(definition.partitionKey) !== canonical(partitionKey)) {
    throw badRequest('The partition key of a container cannot be changed.');
  }
  if (canonical(definition.uniqueKeyPolicy) !== canonical(uniqueKeyPolicy)) {
    throw badRequest(
      'The unique index cannot be modified. To change the unique index, remove the collection and re-create a new one.',
    );
  }
  if (canonical(definition.conflictResolutionPolicy) !== canonical(conflictResolutionPolicy)) {
    throw badRequest('The conflict resolution policy of a container cannot be changed.');
  }
  requireSameVectors(old.definition, definition);
  return replacement;
}

function keyWithDefaults(sent: Json | undefined, old: Json | undefined): Json | undefined {
  if (sent === undefined || sent === null) return old;
  return isObject(sent) && isObject(old) ? { ...old, ...sent } : sent;
}

function withoutSystemProperties(body: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(body).filter(([name]) => !name.startsWith('_')));
}

const maximumTtl = 2_147_483_647;

/** Checks a time to live: a positive number of seconds, -1 for "never", or nothing. */
export function parseTtl(value: Json | undefined, name: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  const isWhole = typeof value === 'number' && Number.isInteger(value);
  if (isWhole && (value === -1 || (value > 0 && value <= maximumTtl))) return value;
  throw badRequest(
    `The input ${name} '${JSON.stringify(value)}' is invalid. Ensure to provide a nonzero positive integer less than or equal to '${maximumTtl}', or -1 which means never expire.`,
  );
}

const mostUniqueKeys = 10;
const mostUniquePaths = 16;

function parseUniqueKeys(policy: Json | undefined): ContainerProperties['uniqueKeys'] {
  if (policy === undefined || policy === null) return [];
  const keys = isObject(policy) ? (policy.uniqueKeys ?? []) : undefined;
  if (!Array.isArray(keys)) throw badRequest('The unique key policy is invalid.');
  if (keys.length > mostUniqueKeys) throw badRequest(`At most ${mostUniqueKeys} unique keys are allowed.`);
  return keys.map((key) => {
    const paths = isObject(key) ? key.paths : undefined;
    if (!Array.isArray(paths) || paths.length === 0 || paths.length > mostUniquePaths) {
      throw badRequest(`A unique key must have at least one path, and at most ${mostUniquePaths}.`);
    }
    return paths.map(requireKeyPath).map(parsePath);
  });
}
