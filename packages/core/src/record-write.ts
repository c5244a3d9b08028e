import { checkSize, checkValue, type Entity, keyOfValue } from './entity.ts';
import { AlreadyExistsError, ConflictError, FencedError, InvalidDataError, NotFoundError } from './errors.ts';
import { expiryOf, seenAt } from './expiry.ts';
import { isJsonObject, type JsonObject, portabilityIssues } from './json.ts';
import { keyEquals, keyLabel, type RecordKey } from './key.ts';
import { keepUnknown, mergePatch } from './merge.ts';
import { REMEMBERED_OPERATIONS, recordDigest, type StoredRecord } from './record.ts';
import { compareVersions, encodeVersion, firstCounter, type Version } from './version.ts';

/** A write that somebody wants, in terms that every store understands. Values were checked before. */
export type WriteIntent =
  | {
      readonly kind: 'create';
      readonly key: RecordKey;
      readonly operationId: string;
      readonly value: JsonObject;
    }
  | {
      readonly kind: 'upsert' | 'replace';
      readonly key: RecordKey;
      readonly operationId: string;
      readonly value: JsonObject;
      readonly ifVersion?: Version | undefined;
      readonly dropUnknown?: boolean | undefined;
    }
  | {
      readonly kind: 'patch';
      readonly key: RecordKey;
      readonly operationId: string;
      readonly patch: JsonObject;
      readonly ifVersion?: Version | undefined;
    }
  | {
      readonly kind: 'delete';
      readonly key: RecordKey;
      readonly operationId: string;
      readonly ifVersion?: Version | undefined;
    };

/** What a store does with a write: store `record`, or nothing because the operation took effect before. */
export type WriteDecision =
  | { readonly kind: 'store'; readonly record: StoredRecord; readonly existed: boolean }
  | { readonly kind: 'done'; readonly record: StoredRecord; readonly existed: boolean };

/** What the decision needs to know beside the record: the authority's term, and the store's own date. */
export interface WriteContext {
  readonly entity: Entity;
  readonly term: number;
  /** Date of the store, in milliseconds, taken with or after the read of `current`. Never a process clock. */
  readonly serverNowMs: number;
}

/**
 * Decides what a write makes of the record that is there: the one place that holds the rules of versions, operation ids,
 * tombstones, expiry and unknown fields, for every store. The store then writes the outcome only if the record is still `current`, and
 * asks again if it is not.
 *
 * @throws {@link AlreadyExistsError}, {@link NotFoundError}, {@link ConflictError}, {@link InvalidDataError}; {@link FencedError}
 * when the record is of a later term than the write, since versions never fall
 */
export function decideWrite(
  there: StoredRecord | undefined,
  intent: WriteIntent,
  context: WriteContext,
): WriteDecision {
  // What has expired while it was on its way here counts as deleted, and its version goes on.
  const current = there && seenAt(there, context.serverNowMs);
  const live = current?.value === undefined ? undefined : current;
  const mark = current?.operations.find((operation) => operation.id === intent.operationId);
  // Repeated after a lost reply: the write took effect. What it made is told again, whatever came after it.
  if (current && mark)
    return {
      kind: 'done',
      record: { ...current, version: { term: mark.term, counter: mark.counter } },
      existed: intent.kind !== 'create',
    };

  if (current && current.version.term > context.term)
    throw new FencedError({
      message: `The record is of term ${current.version.term}, the write of ${context.term}: the authority has moved`,
      operation: intent.kind,
      entity: context.entity.name,
      key: keyLabel(intent.key),
    });
  checkExpected(current, live, intent, context);
  const value = nextValue(live, intent, context);
  const version = {
    term: context.term,
    // Over nothing, and over a document without a stamp, the counter starts at the store's date.
    counter:
      !current || current.version.term === 0
        ? firstCounter(context.serverNowMs)
        : current.version.counter + 1,
  };
  const record: StoredRecord = {
    key: intent.key,
    version,
    value,
    digest: recordDigest(value),
    operations: [{ id: intent.operationId, ...version }, ...(current?.operations ?? [])].slice(
      0,
      REMEMBERED_OPERATIONS,
    ),
    base: nextBase(current, context.term),
    ...expiring(expiryOf(context.entity, value, context.serverNowMs)),
  };
  return { kind: 'store', record, existed: live !== undefined };
}

// Every write starts the clock anew, as in Cosmos DB.
function expiring(expiresAtMs: number | undefined): Pick<StoredRecord, 'expiresAtMs'> {
  return expiresAtMs === undefined ? {} : { expiresAtMs };
}

// The first write of a term notes what it descends from; later ones keep that.
function nextBase(current: StoredRecord | undefined, term: number): StoredRecord['base'] {
  if (!current) return undefined;
  return current.version.term < term ? { ...current.version, digest: current.digest } : current.base;
}

function checkExpected(
  current: StoredRecord | undefined,
  live: StoredRecord | undefined,
  intent: WriteIntent,
  { entity }: WriteContext,
): void {
  const where = { operation: intent.kind, entity: entity.name, key: keyLabel(intent.key) };
  if (intent.kind === 'create') {
    if (live)
      throw new AlreadyExistsError({
        message: 'A record with this key is there already; replace or upsert it',
        ...where,
      });
    return;
  }
  const expected = intent.ifVersion;
  if (!live && (intent.kind === 'replace' || intent.kind === 'patch' || expected !== undefined)) {
    throw new NotFoundError({
      message: 'There is no record with this key; it was deleted, or never created',
      ...where,
    });
  }
  if (expected === undefined || !current) return;
  const actual = encodeVersion(current.version, current.etag);
  if (actual !== expected)
    throw new ConflictError({
      message: 'The record changed since it was read; read it again and decide',
      expected,
      actual,
      ...where,
    });
}

function nextValue(
  live: StoredRecord | undefined,
  intent: WriteIntent,
  { entity }: WriteContext,
): JsonObject | undefined {
  if (intent.kind === 'delete') return undefined;
  if (intent.kind === 'create') return intent.value;
  if (intent.kind !== 'patch') {
    if (!live?.value || intent.dropUnknown === true) return intent.value;
    const kept = keepUnknown(live.value, intent.value, entity.shape);
    checkSize(entity, kept, intent.kind);
    return kept;
  }
  const before = live?.value ?? {};
  const merged = mergePatch(before, intent.patch);
  const where = { operation: 'patch', entity: entity.name, key: keyLabel(intent.key) };
  if (!isJsonObject(merged)) throw new InvalidDataError({ message: 'A patch must be an object', ...where });
  // A loose record that the schema refuses already cannot be made to fit by a patch elsewhere in it.
  if (entity.loose && entity.issues(before).length > 0) {
    const issues = portabilityIssues(merged);
    if (issues.length > 0)
      throw new InvalidDataError({ message: 'The patched value cannot be stored', issues, ...where });
  } else checkValue(entity, merged, 'patch');
  if (!keyEquals(keyOfValue(entity, merged), intent.key))
    throw new InvalidDataError({
      message: 'A patch must not change the key; create the new record and delete the old one',
      ...where,
    });
  return merged;
}

/** How a copied record compares with the one that is there. See {@link compareCopies}. */
export type CopyVerdict = 'newer' | 'same' | 'older' | 'diverged' | 'straggler';

/**
 * Compares a record that is copied from one store with what the other holds. Only a `newer` one may be written: one conditional
 * apply serves inline write, relays, backfill and repair, so that they may interleave, repeat and reorder.
 *
 * `diverged`: one version, two bodies (somebody changed the body under our stamp). `straggler`: a write of an earlier term that
 * the record does not descend from, so both bodies must be kept.
 */
export function compareCopies(
  copy: StoredRecord,
  there: Pick<StoredRecord, 'version' | 'digest' | 'base'> | undefined,
): CopyVerdict {
  if (!there) return 'newer';
  const order = compareVersions(copy.version, there.version);
  if (order > 0) return 'newer';
  if (order === 0) return copy.digest === there.digest ? 'same' : 'diverged';
  if (copy.version.term === there.version.term || !there.base) return 'older';
  const known = compareVersions(copy.version, there.base);
  return known < 0 || (known === 0 && copy.digest === there.base.digest) ? 'older' : 'straggler';
}
