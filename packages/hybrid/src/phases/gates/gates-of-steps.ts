import type { Phase } from '@polyphase/core';
import { drilled } from './drilled.ts';
import { flipAllowed } from './flip-allowed.ts';
import type { Gate } from './gate.ts';
import { conflictsDecided, deadLettersMended } from './journal-empty.ts';
import { backfilled, following, reverseSmall, soaked, tombstonesLeft } from './keeping-up.ts';
import { membersFollowFlip, membersLetGo, membersStamp } from './members-know.ts';
import { stragglersWatched } from './no-straggler.ts';
import { readsAgree, recentSame, sameInBoth, sameLately } from './stores-agree.ts';
import { documentsAdopted, documentsFit, rowsFit, rowsPrepared } from './stores-fit.ts';
import { thereAndBack } from './there-and-back.ts';

/** What must hold before each step, in the order of asking: what is cheap to see comes first. A step that is not here has no gates. */
const GATES: { readonly [step in `${Phase} ${Phase}`]?: readonly Gate[] } = {
  '0 1': [membersStamp, documentsAdopted, rowsPrepared],
  '1 2': [backfilled, tombstonesLeft, deadLettersMended, documentsFit, sameInBoth],
  '2 3': [following, deadLettersMended, readsAgree],
  '3 4': [
    membersFollowFlip,
    following,
    deadLettersMended,
    drilled,
    documentsFit,
    rowsFit,
    thereAndBack,
    sameLately,
  ],
  '4 5': [flipAllowed, membersFollowFlip, deadLettersMended, documentsFit, rowsFit, recentSame],
  "6 5'": [
    flipAllowed,
    membersFollowFlip,
    deadLettersMended,
    reverseSmall,
    conflictsDecided,
    documentsFit,
    sameInBoth,
  ],
  '6 7': [
    soaked,
    membersLetGo,
    stragglersWatched,
    deadLettersMended,
    conflictsDecided,
    reverseSmall,
    sameInBoth,
  ],
  '7 7r': [documentsFit],
  '7r 6': [stragglersWatched, deadLettersMended, conflictsDecided, documentsFit, reverseSmall, sameInBoth],
};

/** The gates of the step from one phase to the next. */
export function gatesOf(from: Phase, to: Phase): readonly Gate[] {
  return GATES[`${from} ${to}`] ?? [];
}
