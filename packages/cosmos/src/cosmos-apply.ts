import {
  type CopyOptions,
  type CopyOutcome,
  InvalidDataError,
  judgeCopy,
  keyLabel,
  keyText,
  type RecordCopy,
  type StoredRecord,
  sameExpiry,
  UnknownOutcomeError,
  UnsupportedError,
} from '@polyphase/core';
import type { PutOutcome } from './cosmos-container.ts';
import { copyHasExpired, remainingTtl } from './cosmos-expiry.ts';
import {
  asStored,
  type FoundRecord,
  findRecord,
  idTaken,
  itemCall,
  pause,
  putRecord,
  type RecordPlace,
  uniqueTaken,
  WRITE_ATTEMPTS,
} from './cosmos-write.ts';
import { mapConcurrently } from './map-concurrently.ts';

/** Requests in flight while copies are stored. */
const CONCURRENCY = 24;

/**
 * Stores copies that are newer than what is there. Each is a conditional write of its own: safe to repeat, in any order. When one
 * fails the others are stored all the same, and then the first failure is thrown.
 *
 * @throws `UnsupportedError` for a checkpoint or a journal: no transaction spans them here, the caller advances afterwards
 */
export async function applyCopies(
  place: RecordPlace,
  copies: readonly RecordCopy[],
  options: CopyOptions,
): Promise<readonly CopyOutcome[]> {
  const { signal } = options;
  signal?.throwIfAborted();
  if (options.checkpoint || (options.journal?.length ?? 0) > 0)
    throw new UnsupportedError({
      message:
        'Cosmos DB stores copies without a transaction; advance the checkpoint, and append to the journal, after apply has answered',
      operation: 'apply',
      entity: place.entity.name,
    });
  // Copies of one key take turns, so that they do not refuse each other.
  const byKey = new Map<string, number[]>();
  copies.forEach((copy, i) => {
    const key = keyText(copy.record.key);
    byKey.set(key, [...(byKey.get(key) ?? []), i]);
  });
  const outcomes = new Map<number, CopyOutcome>();
  await mapConcurrently([...byKey.values()], CONCURRENCY, async (places) => {
    for (const i of places) {
      const copy = copies[i];
      if (copy) outcomes.set(i, await applyCopy(place, copy, signal));
    }
  });
  return copies.map((_, i) => outcomes.get(i)).filter((outcome) => outcome !== undefined);
}

async function applyCopy(
  place: RecordPlace,
  copy: RecordCopy,
  signal: AbortSignal | undefined,
): Promise<CopyOutcome> {
  const { record } = copy;
  let wanted = copy;
  let lost: unknown;
  // What remains of a lifetime is known by the service's date alone, so that is read first.
  if (copy.ifEtag !== undefined && record.expiresAtMs === undefined) {
    // Who names an ETag has read what it stands for, so there is nothing to find out before the write: half the requests of a stamp.
    const base = { ...record, etag: copy.ifEtag };
    const ttl = remainingTtl(place.entity, record, 0);
    const outcome = await putRecord(place, { record, base, operation: 'apply', ttl }, signal);
    if (outcome.kind === 'written') return { kind: 'applied', record: asStored(place, record, outcome) };
    if (outcome.kind === 'refused' && outcome.unique) throw uniqueTaken(place.entity, record.key, 'apply');
    if (outcome.kind === 'lost') lost = outcome.error;
  }
  let last: unknown;
  for (let attempt = 1; attempt <= WRITE_ATTEMPTS; attempt += 1) {
    const found = await findReadable(place, record, signal);
    if (!found) return { kind: 'changed', there: undefined };
    const { record: there, taken } = found;
    if (taken) throw idTaken(place, record.key, 'apply');
    const verdict = judgeCopy(wanted, there);
    // A copy whose answer was lost is found again as itself.
    if (lost !== undefined && there && there.digest === record.digest && isSame(there, copy))
      return { kind: 'applied', record: there };
    const mayBeOff = verdict === 'same' && place.entity.ttl !== undefined && there?.value !== undefined;
    const isOff = mayBeOff && !sameExpiry(record, there);
    if (verdict !== 'newer' && !isOff) return { kind: verdict, there };
    if (!there && copyHasExpired(record, found.serverNowMs)) return { kind: 'same', there };
    const outcome = await putOrEnd(place, copy, found, signal);
    if (outcome.kind === 'written') {
      const stored = asStored(place, record, outcome);
      if (sameExpiry(stored, record)) return { kind: 'applied', record: stored };
      // The request was long on its way, and the clock started when it came. What it was to go over is ours by now.
      wanted = { ...copy, ifEtag: undefined };
      lost = undefined;
      continue;
    }
    if (outcome.kind === 'refused' && outcome.status === 409 && (there || outcome.unique))
      throw uniqueTaken(place.entity, record.key, 'apply');
    if (outcome.kind === 'lost') lost = outcome.error;
    last = outcome;
    await pause(attempt, signal);
  }
  throw new UnknownOutcomeError({
    message: `A copy could not be stored in ${WRITE_ATTEMPTS} attempts; apply it again, which is safe`,
    operationId: record.operations[0]?.id ?? 'copy',
    operation: 'apply',
    entity: place.entity.name,
    key: keyLabel(record.key),
    cause: lost ?? last,
  });
}

// Undefined: another program uses the reserved field. The feed sets that aside, and it must not keep other copies from their places.
async function findReadable(
  place: RecordPlace,
  { key }: StoredRecord,
  signal: AbortSignal | undefined,
): Promise<FoundRecord | undefined> {
  try {
    return await findRecord(place, key, { operation: 'apply', signal });
  } catch (error) {
    if (InvalidDataError.isInstance(error)) return undefined;
    throw error;
  }
}

// Writes the document, to live for what remains; of a record that has expired, does what the service would.
async function putOrEnd(
  place: RecordPlace,
  { record }: RecordCopy,
  { record: base, serverNowMs }: FoundRecord,
  signal: AbortSignal | undefined,
): Promise<PutOutcome> {
  if (!copyHasExpired(record, serverNowMs)) {
    const ttl = remainingTtl(place.entity, record, serverNowMs);
    return putRecord(place, { record, base, operation: 'apply', ttl }, signal);
  }
  const outcome = await place.items.remove(base?.etag, itemCall(record.key, 'apply', signal));
  return outcome.kind === 'written' ? { ...outcome, document: undefined } : outcome;
}

function isSame(there: { readonly version: RecordCopy['record']['version'] }, copy: RecordCopy): boolean {
  const { version } = copy.record;
  return there.version.term === version.term && there.version.counter === version.counter;
}
