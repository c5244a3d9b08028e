import {
  type CopyOptions,
  type CopyOutcome,
  judgeCopy,
  keyLabel,
  keyText,
  type RecordCopy,
  UnknownOutcomeError,
  UnsupportedError,
} from '@polyphase/core';
import {
  findRecord,
  idTaken,
  pause,
  putRecord,
  type RecordPlace,
  uniqueTaken,
  WRITE_ATTEMPTS,
  withEtag,
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
  let lost: unknown;
  if (copy.ifEtag !== undefined) {
    // Who names an ETag has read what it stands for, so there is nothing to find out before the write: half the requests of a stamp.
    const base = { ...record, etag: copy.ifEtag };
    const outcome = await putRecord(place, { record, base, operation: 'apply' }, signal);
    if (outcome.kind === 'written') return { kind: 'applied', record: withEtag(record, outcome.etag) };
    if (outcome.kind === 'refused' && outcome.unique) throw uniqueTaken(place.entity, record.key, 'apply');
    if (outcome.kind === 'lost') lost = outcome.error;
  }
  let last: unknown;
  for (let attempt = 1; attempt <= WRITE_ATTEMPTS; attempt += 1) {
    const { record: there, taken } = await findRecord(place, record.key, { operation: 'apply', signal });
    if (taken) throw idTaken(place, record.key, 'apply');
    const verdict = judgeCopy(copy, there);
    // A copy whose answer was lost is found again as itself.
    if (lost !== undefined && there && there.digest === record.digest && isSame(there, copy))
      return { kind: 'applied', record: there };
    if (verdict !== 'newer') return { kind: verdict, there };
    const outcome = await putRecord(place, { record, base: there, operation: 'apply' }, signal);
    if (outcome.kind === 'written') return { kind: 'applied', record: withEtag(record, outcome.etag) };
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

function isSame(there: { readonly version: RecordCopy['record']['version'] }, copy: RecordCopy): boolean {
  const { version } = copy.record;
  return there.version.term === version.term && there.version.counter === version.counter;
}
