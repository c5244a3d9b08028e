import { type ControlRow, SealedError } from '@polyphase/core';
import { describe } from '../phases/gates.ts';
import type { Group } from '../phases/group.ts';
import { compareKeys } from '../reconcile/compare-stores.ts';
import type { ReverseRelay } from '../relay/reverse-relay.ts';

const PATIENCE_MS = 500;

/** What a flip back works with. */
export interface FlipBack {
  readonly group: Group;
  readonly reverse: ReverseRelay;
  /** Moves the row from this epoch, the permit after it; undefined when the row has moved on meanwhile. */
  readonly commit: (row: ControlRow, signal: AbortSignal) => Promise<ControlRow | undefined>;
}

/**
 * From sealed back to Cosmos DB as the authority (5' → 2): the roles exchanged. The exclusive lock of the seal has waited for
 * every transaction, so no clock is involved; dirty keys drain, the last of them are compared, one compare-and-set commits, and
 * only then the permit opens.
 *
 * @throws {@link SealedError} when the stores differ; whatever the stores throw; the signal's reason
 */
export async function flipBack(
  row: ControlRow,
  flip: FlipBack,
  signal: AbortSignal,
): Promise<ControlRow | undefined> {
  const { group, reverse } = flip;
  await group.gate.whenIdle(signal);
  await reverse.drain(signal);
  const found = await compareKeys(group, reverse.recentKeys, { signal, patienceMs: PATIENCE_MS });
  if (found.differences.length > 0)
    throw new SealedError({
      message: `The flip back was given up: ${describe(found)}`,
      entity: group.entity.name,
    });
  return flip.commit(row, signal);
}
