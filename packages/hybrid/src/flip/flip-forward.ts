import { type ControlRow, type PermitStore, SealedError } from '@polyphase/core';
import { describe } from '../phases/gates/comparisons.ts';
import type { Gates } from '../phases/gates/gates.ts';
import type { Group } from '../phases/group.ts';
import { bringPermitTo } from '../phases/permit-projection.ts';
import { DRIFT } from '../protocol-limits.ts';
import type { FeedWatch } from '../relay/feed-watch.ts';

/** What a flip works with. */
export interface FlipForward {
  readonly group: Group;
  readonly permits: PermitStore;
  readonly watch: FeedWatch;
  readonly gates: Gates;
}

/**
 * Everything before the commit from sealed forward to PostgreSQL as the authority (5 → 6). Each step is safe to repeat, so whoever finds
 * the row sealed begins here, however far another came:
 *
 * 1. the permit is closed, after the row; from one's own sight of it closed, every lease is waited out;
 * 2. calls that are under way in this process end, under the lease they have, and the lease is given up;
 * 3. only now the cut is taken: a marker in each feed range, and the relay reads past all of them;
 * 4. what was written since the last clean comparison is compared one by one; one difference ends it;
 * 5. with a dead letter open, which is what a row becomes that others change under the seal, it ends.
 *
 * Then one compare-and-set under the exclusive lock is the commit point, and the only one; it looks for dead letters once more.
 *
 * @throws {@link SealedError} when a step finds that the flip must be given up; whatever the stores throw; the signal's reason
 */
export async function flipForward(row: ControlRow, flip: FlipForward, signal: AbortSignal): Promise<void> {
  const { group } = flip;
  const giveUp = (why: string) =>
    new SealedError({ message: `The flip was given up: ${why}`, entity: group.entity.name });
  const permit = await bringPermitTo(row, flip.permits, group.limits, signal);
  if (permit.epoch !== row.epoch || permit.open) throw giveUp('the permit is not the one of this seal');
  // Leases of the length that is granted while armed are waited out here; longer ones, of before, were to be over by now.
  if (permit.drainMs > group.limits.armedLeaseMs)
    throw giveUp('long leases may still run; arm again and wait them out');
  await Promise.all([group.gate.whenIdle(signal), group.clock.sleep(permit.drainMs * DRIFT, signal)]);
  group.giveUpLease();
  await flip.watch.drain(signal);
  const found = await flip.gates.compareSinceClean(signal);
  if (found.differences.length > 0) throw giveUp(describe(found));
  const refused = (await flip.gates.deadLettersMended(signal)).find(({ passed }) => !passed);
  if (refused) throw giveUp(`${refused.seen} dead letters wait to be mended`);
}
