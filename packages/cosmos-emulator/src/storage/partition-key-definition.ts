import { isObject, type Json, type JsonObject, shown } from '../json.ts';
import type { PartitionKeyDefinition } from '../partition/partition-key.ts';
import { badRequest } from '../service-error.ts';

/** Reads the partition key of a container's definition. Throws status 400. */
export function parsePartitionKeyDefinition(value: Json | undefined): PartitionKeyDefinition {
  if (value === undefined || value === null) {
    return { paths: ['/_partitionKey'], kind: 'Hash', version: 1, systemKey: true };
  }
  const { paths, kind = 'Hash', version, systemKey } = isObject(value) ? value : {};
  if (kind !== 'Hash' && kind !== 'MultiHash') {
    throw badRequest(
      `The partition key kind '${shown(kind)}' is invalid. Ensure to provide 'Hash' or 'MultiHash'.`,
    );
  }
  const checked = requirePaths(paths, kind);
  const assumed = version ?? (kind === 'MultiHash' ? 2 : 1);
  if (assumed !== 1 && assumed !== 2)
    throw badRequest(`The partition key version '${shown(version)}' is invalid.`);
  if (kind === 'MultiHash' && assumed === 1)
    throw badRequest('A MultiHash partition key requires version 2.');
  return { paths: checked, kind, version: assumed, systemKey: systemKey === true };
}

/** The definition as clients read it: a version that nobody gave is version 1, and stays unsaid. */
export function partitionKeyOnWire(definition: PartitionKeyDefinition, sent: Json | undefined): JsonObject {
  const { paths, kind, version, systemKey } = definition;
  const isSaid = version === 2 || (isObject(sent) && sent.version !== undefined);
  return {
    paths: [...paths],
    kind,
    ...(isSaid ? { version } : {}),
    ...(systemKey ? { systemKey } : {}),
  };
}

function requirePaths(paths: Json | undefined, kind: 'Hash' | 'MultiHash'): string[] {
  if (!Array.isArray(paths) || paths.length === 0) {
    throw badRequest('The partition key definition is invalid. Ensure to provide at least one path.');
  }
  const most = kind === 'Hash' ? 1 : 3;
  if (paths.length > most) {
    throw badRequest(
      `Too many partition key paths specified. At most ${most} ${most === 1 ? 'is' : 'are'} allowed.`,
    );
  }
  if (new Set(paths).size < paths.length) throw badRequest('The partition key paths must differ.');
  return paths.map(requireKeyPath);
}

const label = String.raw`(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^/"'*?[\]@#!%^&+=(){}<>|~,;:\\` + '`]+)';
const prefix = new RegExp(`^(?:/${label})*`);

/** Checks a path of a partition key, or of a unique key. */
export function requireKeyPath(path: Json | undefined): string {
  const text = shown(path);
  const accepted = prefix.exec(text)?.[0].length ?? 0;
  if (typeof path === 'string' && accepted > 0 && accepted === path.length) return path;
  throw badRequest(
    `The partition key component definition path '${text}' could not be accepted, failed near position '${accepted}'. Partition key paths must contain only valid characters and not contain a trailing slash or wildcard character.`,
  );
}
