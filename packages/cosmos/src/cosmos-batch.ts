import type { OperationInput } from '@azure/cosmos';
import {
  type CallOptions,
  keyLabel,
  type StoredRecord,
  TransactionConflictError,
  UnknownOutcomeError,
  UnsupportedError,
  type WriteIntent,
} from '@polyphase/core';
import {
  findRecord,
  hasMark,
  idTaken,
  isRefuted,
  itemCall,
  type LostWrite,
  pause,
  type RecordPlace,
  uniqueTaken,
  WRITE_ATTEMPTS,
} from './cosmos-write.ts';

/** One record that a unit of work changes. */
export interface Pending {
  readonly place: RecordPlace;
  /** What the first write of the key was decided on. */
  readonly base: StoredRecord | undefined;
  readonly record: StoredRecord;
  readonly bytes: number;
  readonly operation: OperationInput;
  readonly intent: WriteIntent;
}

/** How a batch is sent. */
export interface BatchOptions extends CallOptions {
  readonly operationId: string;
  /** The write by which a lost answer is settled. */
  readonly first: Pending;
}

/**
 * Sends the batch until it is known what became of it. After a lost answer the first write tells: its mark is there, and so are all;
 * its base is unchanged, and the batch is sent again under the same conditions; else the batch did not take effect and cannot.
 */
export async function sendBatch(
  pending: readonly Pending[],
  { first, signal, operationId }: BatchOptions,
): Promise<void> {
  const { place } = first;
  const call = itemCall(first.record.key, 'unit', signal);
  let lost: LostWrite | undefined;
  const unknown = (cause: unknown): UnknownOutcomeError =>
    new UnknownOutcomeError({
      message:
        'The unit of work was sent and nobody knows whether it took effect; run it again with the same operationId',
      operationId,
      operation: 'commit',
      entity: place.entity.name,
      cause,
    });
  try {
    for (let attempt = 1; attempt <= WRITE_ATTEMPTS; attempt += 1) {
      if (lost) {
        const { record: now } = await findRecord(place, first.record.key, { operation: 'unit', signal });
        if (await isAllGone(pending, signal)) return;
        if (hasMark(now, first.intent.operationId)) return;
        if (now?.etag !== first.base?.etag)
          throw isRefuted(now, lost) ? conflictIn(first) : unknown(lost.error);
      }
      const outcome = await place.items.batch(
        pending.map((it) => ({ ...it.operation })),
        call,
      );
      if (outcome.kind === 'written') return;
      if (outcome.kind === 'lost') {
        lost = { base: first.base, version: first.record.version, error: outcome.error };
      } else if (!lost) throw await refusal(pending, outcome);
      await pause(attempt, signal);
    }
  } catch (error) {
    throw lost && !TransactionConflictError.isInstance(error) && !UnknownOutcomeError.isInstance(error)
      ? unknown(error)
      : error;
  }
  throw unknown(lost?.error);
}

// A unit that only removes has taken effect when nothing of what it removes is left.
async function isAllGone(pending: readonly Pending[], signal: AbortSignal | undefined): Promise<boolean> {
  if (pending.some(({ operation }) => operation.operationType !== 'Delete')) return false;
  for (const { place, record } of pending)
    if ((await findRecord(place, record.key, { operation: 'unit', signal })).record) return false;
  return true;
}

async function refusal(
  pending: readonly Pending[],
  outcome: { readonly kind: 'refused' } | { readonly kind: 'statuses'; readonly statuses: readonly number[] },
): Promise<Error> {
  const statuses = outcome.kind === 'statuses' ? outcome.statuses : [];
  const at = statuses.findIndex((status) => status >= 300 && status !== 424);
  const failed = pending[at] ?? pending[0];
  if (!failed) return new UnsupportedError({ message: 'An empty unit of work was refused' });
  const { place } = failed;
  if (statuses[at] === 409) {
    // For an id that is taken somebody created the record meanwhile; else a unique value is taken, now and at every repetition.
    const { record: now, taken } = await findRecord(place, failed.record.key, { operation: 'unit' });
    if (taken) return idTaken(place, failed.record.key, 'commit');
    if (now?.etag === failed.base?.etag) return uniqueTaken(place.entity, failed.record.key, 'commit');
  }
  return conflictIn(failed);
}

function conflictIn({ place, record }: Pending): TransactionConflictError {
  return new TransactionConflictError({
    message: 'A record changed while the unit of work ran; nothing was written, run it again',
    operation: 'commit',
    entity: place.entity.name,
    key: keyLabel(record.key),
  });
}
