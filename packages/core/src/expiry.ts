import type { Duration } from './duration.ts';
import { parseDuration } from './duration.ts';
import type { Entity } from './entity.ts';
import { InvalidOptionsError } from './errors.ts';
import type { JsonObject } from './json.ts';
import type { StoredRecord } from './record.ts';

/** The field of a value that says how long the record lives, in seconds: Cosmos DB's own. */
export const TTL_FIELD = 'ttl';

/** What stands for "for ever" in {@link TTL_FIELD}. */
export const NEVER_EXPIRES = -1;

/** How far two stores may differ over the moment at which a record expires: Cosmos DB keeps the date of a write in whole seconds. */
export const EXPIRY_TOLERANCE_MS = 1_000;

const MAX_TTL_S = 2 ** 31 - 1;

/**
 * Whole seconds of a time to live, with {@link NEVER_EXPIRES} for null.
 *
 * @throws {@link InvalidOptionsError} when it is not a whole number of seconds above 0
 */
export function ttlSeconds(ttl: Duration | null, name: string): number {
  if (ttl === null) return NEVER_EXPIRES;
  const seconds = (parseDuration(ttl) ?? Number.NaN) / 1_000;
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > MAX_TTL_S)
    throw new InvalidOptionsError({
      message: `${name} must be a whole number of seconds of at least one, such as 60000 or "30d"; or null for ever`,
    });
  return seconds;
}

/** Seconds that a value lives from its write on; undefined: for ever. */
export function lifetimeOf({ ttl }: Pick<Entity, 'ttl'>, value: JsonObject | undefined): number | undefined {
  if (ttl === undefined || value === undefined) return undefined;
  const own = Object.hasOwn(value, TTL_FIELD) ? value[TTL_FIELD] : undefined;
  const seconds = typeof own === 'number' ? own : (ttl ?? NEVER_EXPIRES);
  return seconds === NEVER_EXPIRES ? undefined : seconds;
}

/** The moment at which a record expires that was written then, in milliseconds; undefined: never. As in Cosmos DB, dates count in whole seconds. */
export function expiryOf(
  entity: Pick<Entity, 'ttl'>,
  value: JsonObject | undefined,
  writtenMs: number,
): number | undefined {
  const seconds = lifetimeOf(entity, value);
  return seconds === undefined ? undefined : (Math.floor(writtenMs / 1_000) + seconds) * 1_000;
}

/** Tells whether a record has expired at a date of its store. */
export function isExpired({ expiresAtMs }: Pick<StoredRecord, 'expiresAtMs'>, nowMs: number): boolean {
  return expiresAtMs !== undefined && expiresAtMs <= nowMs;
}

/** A record as readers see it at a date: of one that has expired, all but its value. */
export function seenAt(record: StoredRecord, nowMs: number): StoredRecord {
  return isExpired(record, nowMs) ? { ...record, value: undefined } : record;
}

/** Tells whether two copies of a record expire at one moment, within {@link EXPIRY_TOLERANCE_MS}. */
export function sameExpiry(
  a: Pick<StoredRecord, 'expiresAtMs'>,
  b: Pick<StoredRecord, 'expiresAtMs'>,
): boolean {
  if (a.expiresAtMs === undefined || b.expiresAtMs === undefined) return a.expiresAtMs === b.expiresAtMs;
  return Math.abs(a.expiresAtMs - b.expiresAtMs) <= EXPIRY_TOLERANCE_MS;
}
