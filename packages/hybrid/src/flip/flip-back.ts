import { type ControlRow, type Members, SealedError } from '@polyphase/core';
import { describe } from '../phases/gates/comparisons.ts';
import type { Gates } from '../phases/gates/gates.ts';
import type { Group } from '../phases/group.ts';
import type { FeedWatch } from '../relay/feed-watch.ts';
import type { ReverseRelay } from '../relay/reverse-relay.ts';

const PAUSE_MS = 20;

/** What a flip back works with. */
export interface FlipBack {
  readonly group: Group;
  readonly reverse: ReverseRelay;
  readonly watch: FeedWatch;
  readonly gates: Gates;
  readonly members: Members;
  /** Name of this process among the members. */
  readonly holder: string;
}

/**
 * Everything before the commit from sealed back to Cosmos DB as the authority (5' → 2): the roles exchanged. The exclusive lock of the seal has waited for
 * every transaction that writes; those that read are waited for here:
 *
 * 1. every member has obeyed the seal, or its time is over: from then on nobody answers reads from PostgreSQL;
 * 2. dirty keys drain into Cosmos DB;
 * 3. the feed is read past a marker, so that whatever others wrote into Cosmos DB meanwhile is in the journal;
 * 4. with an entry open there, or one difference among the documents written since the last clean comparison, it ends.
 *
 * Then one compare-and-set commits, and only then the permit opens.
 *
 * @throws {@link SealedError} when the stores differ; whatever the stores throw; the signal's reason
 */
export async function flipBack(row: ControlRow, flip: FlipBack, signal: AbortSignal): Promise<void> {
  const { group, gates } = flip;
  const giveUp = (why: string) =>
    new SealedError({ message: `The flip back was given up: ${why}`, entity: group.entity.name });
  await group.gate.whenIdle(signal);
  await membersObey(row, flip, signal);
  await flip.reverse.drain(signal);
  await flip.watch.drain(signal);
  const refused = (await gates.conflictsDecided(signal)).find(({ passed }) => !passed);
  if (refused) throw giveUp(`${refused.seen} conflicts wait for a decision`);
  const found = await gates.compareSinceClean(signal);
  if (found.differences.length > 0) throw giveUp(describe(found));
}

async function membersObey(row: ControlRow, flip: FlipBack, signal: AbortSignal): Promise<void> {
  const { group, members, holder } = flip;
  const isWaitedFor = (member: { readonly holder: string; readonly epoch: number }) =>
    member.holder !== holder && member.epoch < row.epoch;
  let waitedFor: readonly string[] = [];
  try {
    for (;;) {
      const there = await members.list(row.group, { signal });
      waitedFor = there.filter(isWaitedFor).map((member) => member.holder);
      if (waitedFor.length === 0) return;
      await group.clock.sleep(PAUSE_MS, signal);
    }
  } catch (error) {
    if (waitedFor.length === 0 || !SealedError.isInstance(error)) throw error;
    throw new SealedError({
      message: `The flip back was given up: ${waitedFor.join(', ')} did not obey the seal in time; end what stands still, and remove what is gone from polyphase.member`,
      entity: row.group,
      cause: error,
    });
  }
}
