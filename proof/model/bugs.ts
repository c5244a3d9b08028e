// size: a table, one row for each bug
import type { Invariant } from './invariants.ts';

/** A mistake that can be made in the model by a switch, and where it must be found. */
interface SeededBug {
  /** What it is, as the code would have it. */
  readonly mistake: string;
  /** The invariant that it breaks. */
  readonly breaks: Invariant;
  /** The world in which it must be found. */
  readonly world: string;
}

/** Every seeded bug. A model that misses one would also miss its like in the protocol. */
export const BUGS = {
  'no wait for leases': {
    mistake: 'a sealed coordinator goes on at once',
    breaks: 'D1',
    world: 'flip',
  },
  'cut before leases end': {
    mistake: 'the markers are written when the permit closes, not when the leases are over',
    breaks: 'D1',
    world: 'flip unseen',
  },
  'flip without a drain': {
    mistake: 'nobody waits until the feed was read past the markers',
    breaks: 'D1',
    world: 'flip unseen',
  },
  'sealed while long leases run': {
    mistake: 'a seal waits for the short leases of an armed permit alone',
    breaks: 'D1',
    world: 'seal before arming ends',
  },
  'arming forgets long leases': {
    mistake: 'arming writes its own length as the longest lease that may run',
    breaks: 'D1',
    world: 'arm and disarm',
  },
  'long leases are over in a later permit': {
    mistake: 'that long leases are over is noted whatever the epoch of the permit',
    breaks: 'D1',
    world: 'arm and disarm',
  },
  'permit written over one that was not read': {
    mistake: 'a permit is derived from a copy that lags, and written over another one',
    breaks: 'D1',
    world: 'lagging permit',
  },
  'permit that looks right is left alone': {
    mistake: 'a permit is not written when it is open, or closed, as wanted',
    breaks: 'D1',
    world: 'flip',
  },
  'permit written whatever its epoch': {
    mistake: 'a coordinator that stood still writes the permit of an older row',
    breaks: 'S',
    world: 'flip',
  },
  'permit written under its ETag': {
    mistake: 'a coordinator names the ETag, which every heartbeat changes',
    breaks: 'S',
    world: 'flip',
  },
  'permit without a term': {
    mistake: 'leases carry the first term for ever',
    breaks: 'D9',
    world: 'forth and back',
  },
  'opening outlives a seal': {
    mistake: 'a permit that opens again goes on with its former opening',
    breaks: 'D1',
    world: 'forth and back',
  },
  'abort opens the permit first': {
    mistake: 'the permit is opened before the row says that the seal is given up',
    breaks: 'S',
    world: 'flip',
  },
  'commit by phase, not by epoch': {
    mistake: 'the commit asks whether the row is sealed, not whether by this seal',
    breaks: 'D1',
    world: 'flip',
  },
  'a successor does not wait': {
    mistake: 'a coordinator that finds the permit closed takes its predecessor to have waited',
    breaks: 'D1',
    world: 'flip',
  },
  'only listed holders are waited for': {
    mistake: 'leases of processes that are not in the row are not waited for',
    breaks: 'D1',
    world: 'flip',
  },
  'lease by a plain read': {
    mistake: 'a lease is renewed by reading the permit, from a replica that lags',
    breaks: 'D1',
    world: 'flip',
  },
  'lease counted from the answer': {
    mistake: 'a lease begins when its answer arrives',
    breaks: 'D1',
    world: 'acknowledged seals',
  },
  'lease not checked before': {
    mistake: 'a write is sent without a valid lease',
    breaks: 'D8',
    world: 'forth and back',
  },
  'lease checked only before': {
    mistake: 'a write is acknowledged whatever became of its lease',
    breaks: 'D6',
    world: 'flip',
  },
  'any lease confirms': {
    mistake: 'after the call any valid lease will do, of whatever opening',
    breaks: 'D1',
    world: 'forth and back',
  },
  'acknowledged with a write under way': {
    mistake: 'a member acknowledges a seal before its calls have ended',
    breaks: 'D1',
    world: 'acknowledged seals',
  },
  'acknowledgement of any seal': {
    mistake: 'an acknowledgement of an earlier seal counts',
    breaks: 'D1',
    world: 'acknowledged seals',
  },
  'acknowledgement keeps renewals': {
    mistake: 'a renewal that is under way survives the acknowledgement',
    breaks: 'D1',
    world: 'acknowledged seals',
  },
  'permit can be purged': {
    mistake: 'a lifetime of the container purges the permit, and its absence is taken for phase 0',
    breaks: 'S',
    world: 'forth and back',
  },
  'first permit overwrites one that is there': {
    mistake: 'who makes the first row takes the stores for empty, though a permit was made since',
    breaks: 'D1',
    world: 'birth',
  },
  'phase read without the lock': {
    mistake: 'a transaction reads the phase and takes no lock',
    breaks: 'D6',
    world: 'row writers back',
  },
  'authority moves without the lock': {
    mistake: 'a step of the row does not wait for the transactions under way',
    breaks: 'D6',
    world: 'row writers back',
  },
  'no dirty key': {
    mistake: 'a transaction leaves no dirty key',
    breaks: 'D1',
    world: 'back unseen',
  },
  'rollback without a drain': {
    mistake: 'the way back does not wait for the dirty keys',
    breaks: 'D1',
    world: 'back unseen',
  },
  'dirty key removed whatever was written since': {
    mistake: 'the reverse relay removes an entry that was renewed meanwhile',
    breaks: 'D1',
    world: 'back unseen',
  },
  'rearmed without marking': {
    mistake: 'from 7 to 6 nothing of what was written in 7 is copied',
    breaks: 'D9',
    world: 'rearm',
  },
  'reverse relay overwrites stragglers': {
    mistake: 'the reverse relay does not ask what the document descends from',
    breaks: 'D7',
    world: 'forth and back',
  },
  'stragglers are dropped': {
    mistake: 'what the row does not descend from is not kept',
    breaks: 'D7',
    world: 'forth and back',
  },
  'retry without operation id': {
    mistake: 'a repeated write is not known by its id',
    breaks: 'D3',
    world: 'lost replies',
  },
  'second write unconditional': {
    mistake: 'the second write of the dual phases overwrites whatever is there',
    breaks: 'D5',
    world: 'two writers',
  },
  'relay unconditional': {
    mistake: 'the feed relay overwrites whatever is there',
    breaks: 'D1',
    world: 'forth and back',
  },
  'backfill unconditional': {
    mistake: 'the backfill overwrites whatever is there',
    breaks: 'D5',
    world: 'from capture',
  },
  'checkpoint before apply': {
    mistake: 'the checkpoint moves when the page is read',
    breaks: 'D5',
    world: 'lost replies',
  },
  'page applied in another term than it was judged in': {
    mistake: 'a page that was read while PostgreSQL was the authority is applied when it is so no more',
    breaks: 'D5',
    world: 'body changed on the way back',
  },
  'child ranges start at the end': {
    mistake: 'after a split the children are read from now on',
    breaks: 'D5',
    world: 'split',
  },
  'compare without term': {
    mistake: 'versions are compared by their counters alone',
    breaks: 'D5',
    world: 'forth and back',
  },
  'counter restarts at 1': {
    mistake: 'a create over nothing starts low',
    breaks: 'D8',
    world: 'purge',
  },
  'deletes remove documents': {
    mistake: 'a delete removes the document and leaves no tombstone',
    breaks: 'D2',
    world: 'from capture',
  },
  'purged before the relay has passed': {
    mistake: 'a tombstone is purged while a checkpoint or the backfill is before it',
    breaks: 'D1',
    world: 'purge',
  },
  'purged whatever the version': {
    mistake: 'the purger removes a row that was written anew',
    breaks: 'D5',
    world: 'purge',
  },
  'no last comparison': {
    mistake: 'the authority moves once the feed was read past the markers, and nothing is compared',
    breaks: 'D1',
    world: 'new record',
  },
  'a tombstone compares as nothing': {
    mistake: 'the last comparison takes a tombstone that has not come for nothing to copy',
    breaks: 'D1',
    world: 'new record',
  },
  'stamped without the ETag': {
    mistake: 'the relay stamps over what was written since it read',
    breaks: 'D1',
    world: 'unstamped',
  },
  'stamped without regard to the row': {
    mistake: 'a stamp is not above the row',
    breaks: 'D5',
    world: 'stamp dropped',
  },
  'nothing is stamped again': {
    mistake: 'a body that was changed under its stamp is left as it is',
    breaks: 'D5',
    world: 'body changed',
  },
  'stamped while PostgreSQL is the authority': {
    mistake: 'the relay stamps in 6 what a foreign writer wrote, above the row',
    breaks: 'D1',
    world: 'stamp dropped',
  },
} as const satisfies { readonly [name: string]: SeededBug };

/** Name of a seeded bug. */
export type BugName = keyof typeof BUGS;
