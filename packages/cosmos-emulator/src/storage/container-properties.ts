import { canonical, isObject, type Json, type JsonObject, parsePath } from '../json.ts';
import type { PartitionKeyDefinition } from '../partition/partition-key.ts';
import { badRequest } from '../service-error.ts';
import { isValidId } from './resource-id.ts';

/** What the emulator itself reads of a container's definition; `definition` holds all of it. */
export interface ContainerProperties {
  readonly id: string;
  readonly partitionKey: PartitionKeyDefinition;
  /** Seconds; -1 lets only items with their own `ttl` expire; undefined turns expiry off. */
  readonly defaultTtl: number | undefined;
  /** Paths of each unique key. */
  readonly uniqueKeys: ReadonlyArray<ReadonlyArray<readonly string[]>>;
  readonly definition: JsonObject;
}

/** Checks a definition as a client sends it, and fills in what the service adds. Throws status 400. */
export function parseContainer(body: Json | undefined): ContainerProperties {
  if (!isObject(body))
    throw badRequest('The request payload is invalid. Ensure to provide a valid request payload.');
  if (!isValidId(body.id) || Buffer.byteLength(body.id) > 255) {
    throw badRequest(
      'The input name is invalid. Ensure to provide a unique non-empty string less than 255 characters.',
    );
  }
  const partitionKey = parsePartitionKeyDefinition(body.partitionKey);
  const defaultTtl = parseTtl(body.defaultTtl, 'defaultTtl');
  const { systemKey, ...wire } = partitionKey;
  const definition: JsonObject = {
    ...body,
    indexingPolicy: indexingPolicy(body.indexingPolicy),
    partitionKey: { ...wire, paths: [...wire.paths], ...(systemKey ? { systemKey } : {}) },
    conflictResolutionPolicy: body.conflictResolutionPolicy ?? {
      mode: 'LastWriterWins',
      conflictResolutionPath: '/_ts',
      conflictResolutionProcedure: '',
    },
    geospatialConfig: body.geospatialConfig ?? { type: 'Geography' },
  };
  if (defaultTtl === undefined) delete definition.defaultTtl;
  return {
    id: body.id,
    partitionKey,
    defaultTtl,
    uniqueKeys: parseUniqueKeys(body.uniqueKeyPolicy),
    definition,
  };
}

/** Refuses a new definition that changes what cannot be changed. Throws status 400. */
export function requireSameKeys(old: ContainerProperties, replacement: ContainerProperties): void {
  const { partitionKey, uniqueKeyPolicy } = old.definition;
  if (replacement.id !== old.id) throw badRequest('The id of a container cannot be changed.');
  if (canonical(replacement.definition.partitionKey) !== canonical(partitionKey)) {
    throw badRequest('The partition key of a container cannot be changed.');
  }
  if (canonical(replacement.definition.uniqueKeyPolicy) !== canonical(uniqueKeyPolicy)) {
    throw badRequest(
      'The unique index cannot be modified. To change the unique index, remove the collection and re-create a new one.',
    );
  }
}

/** Checks a time to live: a positive number of seconds, -1 for "never", or nothing. */
export function parseTtl(value: Json | undefined, name: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && (value > 0 || value === -1)) return value;
  throw badRequest(
    `The input ${name} '${JSON.stringify(value)}' is invalid. Ensure to provide a nonzero positive integer or -1.`,
  );
}

function parsePartitionKeyDefinition(value: Json | undefined): PartitionKeyDefinition {
  if (value === undefined || value === null) {
    return { paths: ['/_partitionKey'], kind: 'Hash', version: 1, systemKey: true };
  }
  const paths = isObject(value) ? value.paths : undefined;
  if (!isObject(value) || !Array.isArray(paths) || paths.length === 0 || !paths.every(isPath)) {
    throw badRequest('The partition key component definition path is invalid.');
  }
  const { kind = 'Hash', version = 1 } = value;
  if (kind !== 'Hash' && kind !== 'MultiHash')
    throw badRequest(`Partition key kind '${JSON.stringify(kind)}' is invalid.`);
  if (version !== 1 && version !== 2) throw badRequest('Partition key version must be 1 or 2.');
  if (kind === 'Hash' && paths.length > 1) throw badRequest('Too many partition key paths specified.');
  if (paths.length > 3) throw badRequest('Too many partition key paths specified. At most 3 are allowed.');
  if (kind === 'MultiHash' && version !== 2)
    throw badRequest('A MultiHash partition key requires version 2.');
  return { paths, kind, version, systemKey: value.systemKey === true };
}

function isPath(path: Json): path is string {
  return typeof path === 'string' && /^\/[^/]/.test(path);
}

function parseUniqueKeys(policy: Json | undefined): ContainerProperties['uniqueKeys'] {
  if (policy === undefined || policy === null) return [];
  const keys = isObject(policy) ? policy.uniqueKeys : undefined;
  if (keys === undefined) return [];
  if (!Array.isArray(keys)) throw badRequest('The unique key policy is invalid.');
  return keys.map((key) => {
    const paths = isObject(key) ? key.paths : undefined;
    if (!Array.isArray(paths) || paths.length === 0 || !paths.every(isPath)) {
      throw badRequest('The unique key path is invalid.');
    }
    return paths.map(parsePath);
  });
}

const everything: Json = [{ path: '/*' }];
const etagPath = '/"_etag"/?';

function indexingPolicy(value: Json | undefined): JsonObject {
  const policy = isObject(value) ? value : {};
  const mode = typeof policy.indexingMode === 'string' ? policy.indexingMode.toLowerCase() : 'consistent';
  if (!['consistent', 'lazy', 'none'].includes(mode))
    throw badRequest(`The indexing mode '${mode}' is invalid.`);
  if (mode === 'none')
    return { ...policy, indexingMode: mode, automatic: false, includedPaths: [], excludedPaths: [] };
  const excluded = Array.isArray(policy.excludedPaths) ? policy.excludedPaths : [];
  const known = excluded.some((entry) => isObject(entry) && (entry.path === etagPath || entry.path === '/*'));
  return {
    ...policy,
    indexingMode: mode,
    automatic: policy.automatic ?? true,
    includedPaths:
      policy.includedPaths ??
      (excluded.some((entry) => isObject(entry) && entry.path === '/*') ? [] : everything),
    excludedPaths: known ? excluded : [...excluded, { path: etagPath }],
  };
}
