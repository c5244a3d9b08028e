import {
  AlreadyExistsError,
  backoffMs,
  compareVersions,
  decideWrite,
  type Entity,
  firstCounter,
  isPolyphaseError,
  keyLabel,
  type PolyphaseError,
  REMEMBERED_OPERATIONS,
  type RecordKey,
  type RecordVersion,
  type StoredRecord,
  systemClock,
  TransactionConflictError,
  UnknownOutcomeError,
  type WriteDecision,
  type WriteIntent,
  type WriteOptions,
  type WriteResult,
} from '@polyphase/core';
import type { CosmosContainer, ItemCall, PutOutcome } from './cosmos-container.ts';
import { toDocument, toRecord } from './cosmos-document.ts';
import { datesOf, documentExpiry } from './cosmos-expiry.ts';
import { belongsTo, type EntityMapping } from './discriminator.ts';

/** Attempts of one write before it gives up: each loses to somebody else, or gets no answer. */
export const WRITE_ATTEMPTS = 10;

/** An entity's records and where they are. */
export interface RecordPlace extends EntityMapping {
  /** Whether deletes remove documents where no other store follows. */
  readonly removes: boolean;
  readonly items: CosmosContainer;
}

/** A record as it was found, with the date of the answer. */
export interface FoundRecord {
  readonly record: StoredRecord | undefined;
  /** Whether a document that is not the entity's has the id, so that no record of it can be there. */
  readonly taken: boolean;
  readonly serverNowMs: number;
}

/** Names a point operation on a record. */
export function itemCall(key: RecordKey, operation: string, signal: AbortSignal | undefined): ItemCall {
  return { operation, partition: key.partition, id: key.id, label: keyLabel(key), signal };
}

/** Reads a record, tombstones included. */
export async function findRecord(
  place: RecordPlace,
  key: RecordKey,
  options: { readonly operation: string; readonly signal?: AbortSignal | undefined },
): Promise<FoundRecord> {
  const { document, serverNowMs } = await place.items.read(itemCall(key, options.operation, options.signal));
  const isOwn = document !== undefined && belongsTo(place, document);
  return {
    record: isOwn ? toRecord(place, document, key) : undefined,
    taken: document !== undefined && !isOwn,
    serverNowMs,
  };
}

/** The error of a write to an id that a document of another entity has. */
export function idTaken(
  { entity, items }: RecordPlace,
  key: RecordKey,
  operation: string,
): AlreadyExistsError {
  return new AlreadyExistsError({
    message: `A document of container "${items.container.id}" that is not of ${entity.name} has this id in this partition, where ids are shared; choose another id`,
    operation,
    entity: entity.name,
    key: keyLabel(key),
  });
}

/** Stores a record under the condition that `base` is still there (or nothing, where it is undefined). */
export async function putRecord(
  place: RecordPlace,
  change: {
    readonly record: StoredRecord;
    readonly base: StoredRecord | undefined;
    readonly operation: string;
    /** The `ttl` of the document, where that is not the value's. */
    readonly ttl?: number | undefined;
  },
  signal: AbortSignal | undefined,
): ReturnType<CosmosContainer['put']> {
  const { uniqueKeys } = await place.items.info({ signal });
  const document = toDocument(change.record, {
    ...place,
    uniquePaths: uniqueKeys.flat(),
    ttl: change.ttl,
  });
  return place.items.put(document, change.base?.etag, itemCall(change.record.key, change.operation, signal));
}

/** Tells whether a write is to remove its document, and leave nothing. */
export function isRemoval(
  place: RecordPlace,
  { kind }: WriteIntent,
  options: Pick<WriteOptions, 'tombstones'>,
): boolean {
  return kind === 'delete' && place.removes && options.tombstones !== true;
}

/**
 * Tells whether a record must not be removed yet: its counter is not below the one at which a create over nothing would start at
 * this date, which has whole seconds, so that the key would come back with an older version than it had.
 */
export function isTooYoung(base: StoredRecord | undefined, serverNowMs: number): boolean {
  return base !== undefined && base.version.counter >= firstCounter(serverNowMs);
}

/** Lets a part of a second of the service pass. */
export async function growOlder(signal: AbortSignal | undefined): Promise<void> {
  await systemClock.sleep(250, signal);
}

// What became of a removal. Where nothing is there, nothing is left to do.
async function removeRecord(
  { items }: RecordPlace,
  found: Pick<FoundRecord, 'record' | 'serverNowMs'>,
  {
    key,
    kind,
    signal,
  }: { readonly key: RecordKey; readonly kind: string; readonly signal?: AbortSignal | undefined },
): Promise<PutOutcome | { readonly kind: 'too young' }> {
  const { record: base, serverNowMs } = found;
  if (!base) return { kind: 'written', etag: undefined, sessionToken: undefined, document: undefined };
  if (isTooYoung(base, serverNowMs)) return { kind: 'too young' };
  return items.remove(base.etag, itemCall(key, kind, signal));
}

/** Waits before another attempt: short, growing, with jitter. */
export async function pause(attempt: number, signal?: AbortSignal): Promise<void> {
  await systemClock.sleep(backoffMs(attempt, { baseMs: 4, maxMs: 1_000, random: Math.random }), signal);
}

/** A write that was sent and not answered. */
export interface LostWrite {
  readonly base: StoredRecord | undefined;
  /** The version that it would have made. */
  readonly version: RecordVersion;
  readonly error: PolyphaseError;
}

/**
 * Tells whether a record that changed since a lost write was sent, and bears no mark of it, shows for certain that the write did
 * not take effect: the marks reach back to the version that it would have made, or to the record's creation.
 */
export function isRefuted(now: StoredRecord | undefined, lost: LostWrite): boolean {
  if (!now || now.version.term === 0) return false;
  const oldest = now.operations.at(-1);
  if (!oldest) return false;
  const complete = lost.base === undefined && now.operations.length < REMEMBERED_OPERATIONS;
  return complete || compareVersions(oldest, lost.version) <= 0;
}

/** What a decision made, told as stores tell it. Deleting what is deleted stores nothing either, but is no repetition. */
export function toWriteResult({ kind, record, existed }: WriteDecision, intent: WriteIntent): WriteResult {
  return {
    record,
    existed,
    repeated: kind === 'done' && record.operations.some((mark) => mark.id === intent.operationId),
  };
}

/** The error of a write that would take a unique value from another record. */
export function uniqueTaken(entity: Entity, key: RecordKey, operation: string): AlreadyExistsError {
  return new AlreadyExistsError({
    message:
      'Another record of the partition has one of the unique values; choose another value, or change that record first',
    operation,
    entity: entity.name,
    key: keyLabel(key),
  });
}

/** Writes that store something where nothing is; the others say that there is no such record. */
export const NEEDS_ID: ReadonlySet<WriteIntent['kind']> = new Set(['create', 'upsert', 'delete']);

/**
 * Makes a write true: read, decide, write under the condition that nothing changed since, and again where it did.
 *
 * States of an attempt: found (what is there, with the service's date); decided; sent; and then written, refused (somebody was
 * faster: from the start), or lost (no answer: from the start too, where the operation's mark, or the unchanged base whose ETag the
 * next attempt needs again, settles it). Past the last attempt a lost write is an unknown outcome, never a plain failure.
 */
export async function writeRecord(
  place: RecordPlace,
  intent: WriteIntent,
  options: WriteOptions,
): Promise<WriteResult> {
  const { entity } = place;
  const { signal, term } = options;
  const removes = isRemoval(place, intent, options);
  let lost: LostWrite | undefined;
  try {
    for (let attempt = 1; attempt <= WRITE_ATTEMPTS; attempt += 1) {
      const found = await findRecord(place, intent.key, { operation: intent.kind, signal });
      const { record: base, serverNowMs } = found;
      // Over an unchanged base a lost write may still take effect: it competes with this attempt under the same condition.
      // Removed, by this operation or by another: either way it is gone, as was wanted.
      const isGone = removes && lost !== undefined && !base;
      if (lost && !isGone && base?.etag !== lost.base?.etag) {
        if (!hasMark(base, intent.operationId) && !isRefuted(base, lost)) break;
        lost = undefined;
      }
      if (found.taken && !removes && !lost && NEEDS_ID.has(intent.kind))
        throw idTaken(place, intent.key, intent.kind);
      const decision = decideWrite(base, intent, { entity, term, serverNowMs });
      if (decision.kind === 'done') return toWriteResult(decision, intent);
      const { record } = decision;
      const outcome = removes
        ? await removeRecord(place, found, { ...intent, signal })
        : await putRecord(place, { record, base, operation: intent.kind }, signal);
      if (outcome.kind === 'written') {
        const result = toWriteResult(decision, intent);
        return { ...result, existed: isGone || result.existed, record: asStored(place, record, outcome) };
      }
      if (outcome.kind === 'too young') {
        await growOlder(signal);
        continue;
      }
      // A replacement is refused with 409 for a unique key only; a creation also for its id, which the message tells apart.
      if (!lost && outcome.kind === 'refused' && outcome.status === 409 && (base || outcome.unique))
        throw uniqueTaken(entity, intent.key, intent.kind);
      if (outcome.kind === 'lost') lost = { base, version: record.version, error: outcome.error };
      // Ends here when the signal aborted the request: what was sent may have taken effect.
      await pause(attempt, signal);
    }
  } catch (error) {
    if (lost && !UnknownOutcomeError.isInstance(error)) throw unknownOutcome(place, intent, error);
    throw error;
  }
  if (lost) throw unknownOutcome(place, intent, lost.error);
  throw new TransactionConflictError({
    message: `Others changed the record each of ${WRITE_ATTEMPTS} times; nothing was written, run it again`,
    operation: intent.kind,
    entity: entity.name,
    key: keyLabel(intent.key),
  });
}

/** Tells whether a record remembers an operation. */
export function hasMark(record: StoredRecord | undefined, operationId: string): boolean {
  return record?.operations.some((mark) => mark.id === operationId) === true;
}

/** A record with what its write answered: the ETag, and by the date of the write the moment at which it expires. */
export function asStored(
  { entity }: Pick<RecordPlace, 'entity'>,
  record: StoredRecord,
  { etag, document }: Pick<Extract<PutOutcome, { kind: 'written' }>, 'etag' | 'document'>,
): StoredRecord {
  const stored = etag === undefined ? record : { ...record, etag };
  return record.expiresAtMs === undefined || !document
    ? stored
    : { ...stored, ...documentExpiry(entity, datesOf(document)) };
}

function unknownOutcome({ entity }: RecordPlace, intent: WriteIntent, cause: unknown): UnknownOutcomeError {
  return new UnknownOutcomeError({
    message: `The write was sent and nobody knows whether it took effect (${isPolyphaseError(cause) ? cause.code : 'aborted'}); repeat it with the same operationId`,
    operationId: intent.operationId,
    operation: intent.kind,
    entity: entity.name,
    key: keyLabel(intent.key),
    cause,
  });
}
