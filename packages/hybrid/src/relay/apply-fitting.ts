import {
  AlreadyExistsError,
  type CopyOptions,
  type CopyOutcome,
  InvalidDataError,
  type PolyphaseError,
  type RecordCopy,
  type RecordStore,
  type StoredRecord,
} from '@polyphase/core';

/** A copy that a store refused for what is in it. */
export interface RefusedCopy {
  readonly record: StoredRecord;
  readonly error: PolyphaseError;
}

/** What became of copies: an outcome for each, but for those that were refused. */
export interface AppliedCopies {
  readonly outcomes: readonly (CopyOutcome | undefined)[];
  readonly refused: readonly RefusedCopy[];
}

/**
 * Applies copies to a store where each is a write of its own. One that is refused for what is in it (too long, a unique value that
 * another has) keeps no other from its place: then they are applied one by one, which is safe to do again.
 *
 * @throws whatever else the store throws
 */
export async function applyFitting(
  records: RecordStore,
  copies: readonly RecordCopy[],
  options: CopyOptions,
): Promise<AppliedCopies> {
  try {
    return { outcomes: await records.apply(copies, options), refused: [] };
  } catch (error) {
    if (!isRefusal(error)) throw error;
  }
  const outcomes: (CopyOutcome | undefined)[] = [];
  const refused: RefusedCopy[] = [];
  for (const copy of copies) {
    try {
      outcomes.push((await records.apply([copy], options))[0]);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      outcomes.push(undefined);
      refused.push({ record: copy.record, error });
    }
  }
  return { outcomes, refused };
}

function isRefusal(error: unknown): error is InvalidDataError | AlreadyExistsError {
  return InvalidDataError.isInstance(error) || AlreadyExistsError.isInstance(error);
}
