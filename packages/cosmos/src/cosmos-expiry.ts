import {
  type Entity,
  type JsonObject,
  type JsonValue,
  NEVER_EXPIRES,
  type StoredRecord,
  TTL_FIELD,
} from '@polyphase/core';

/** The part of a document that says when it expires. */
export interface DocumentDates {
  /** Date of the last write, in seconds: `_ts`. */
  readonly writtenS: JsonValue | undefined;
  /** Its own `ttl`. */
  readonly ttl: JsonValue | undefined;
}

/** The dates of a whole document. */
export function datesOf(document: JsonObject): DocumentDates {
  return { writtenS: document['_ts'], ttl: document[TTL_FIELD] };
}

// Seconds that a document with this `ttl` lives after its last write, by what the entity says of the container's default.
function secondsOf({ ttl: standard }: Pick<Entity, 'ttl'>, ttl: JsonValue | undefined): number {
  return typeof ttl === 'number' ? ttl : (standard ?? NEVER_EXPIRES);
}

/** When the service removes a document, as far as the entity's records expire. */
export function documentExpiry(
  entity: Pick<Entity, 'ttl'>,
  { writtenS, ttl }: DocumentDates,
): Pick<StoredRecord, 'expiresAtMs'> {
  if (entity.ttl === undefined || typeof writtenS !== 'number') return {};
  const seconds = secondsOf(entity, ttl);
  return seconds === NEVER_EXPIRES ? {} : { expiresAtMs: (writtenS + seconds) * 1_000 };
}

/** Tells whether a record has expired, as far as a copy of it shows: by its own store, or by this date of the service. */
export function copyHasExpired({ value, expiresAtMs }: StoredRecord, nowMs: number): boolean {
  return expiresAtMs !== undefined && (value === undefined || expiresAtMs <= nowMs);
}

/**
 * The `ttl` that a document needs, written now, so that it expires when its record does: what remains, because the service starts
 * the clock at each write. Undefined where that is what the value says anyway.
 */
export function remainingTtl(
  entity: Pick<Entity, 'ttl'>,
  { value, expiresAtMs }: StoredRecord,
  nowMs: number,
): number | undefined {
  if (entity.ttl === undefined || value === undefined) return undefined;
  const left =
    expiresAtMs === undefined ? NEVER_EXPIRES : Math.max(1, Math.round((expiresAtMs - nowMs) / 1_000));
  return left === secondsOf(entity, value[TTL_FIELD]) ? undefined : left;
}

/** What a document's `ttl` stands for where it is what remained of another: both, so that the value keeps its own. */
export interface ShadowedTtl {
  /** The one in the document. When it is another by now, another program has put it there, and it is the value's. */
  readonly written: number;
  /** The one of the value; undefined: it has none. */
  readonly own: JsonValue | undefined;
}

/** The part of a stamp that keeps a value's own `ttl`. */
export function encodeTtl({ written, own }: ShadowedTtl): JsonValue {
  return own === undefined ? [written] : [written, own];
}

/** What {@link encodeTtl} made. */
export function decodeTtl(field: JsonValue | undefined): ShadowedTtl | undefined {
  if (!Array.isArray(field)) return undefined;
  const [written, own]: readonly (JsonValue | undefined)[] = field;
  return typeof written === 'number' ? { written, own } : undefined;
}
