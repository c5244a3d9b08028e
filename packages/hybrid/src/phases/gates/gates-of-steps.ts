import type { Phase } from '@polyphase/core';
import { drilled } from './drilled.ts';
import type { Gate } from './gate.ts';
import { conflictsDecided, deadLettersMended } from './journal-empty.ts';
import { backfilled, following, reverseSmall, soaked, tombstonesLeft } from './keeping-up.ts';
import { readsAgree, recentSame, sameInBoth, sameLately } from './stores-agree.ts';
import { documentsFit, rowsFit, rowsPrepared } from './stores-fit.ts';

/** What must hold before each step, in the order of asking: what is cheap to see comes first. A step that is not here has no gates. */
const GATES: { readonly [step in `${Phase} ${Phase}`]?: readonly Gate[] } = {
  '0 1': [documentsFit, rowsPrepared],
  '1 2': [backfilled, tombstonesLeft, deadLettersMended, documentsFit, sameInBoth],
  '2 3': [following, deadLettersMended, readsAgree],
  '3 4': [following, deadLettersMended, drilled, documentsFit, rowsFit, sameLately],
  '4 5': [deadLettersMended, documentsFit, rowsFit, recentSame],
  "6 5'": [deadLettersMended, reverseSmall, conflictsDecided, documentsFit, sameInBoth],
  '6 7': [soaked, deadLettersMended, reverseSmall, conflictsDecided, sameInBoth],
  '7r 6': [deadLettersMended, reverseSmall, sameInBoth],
};

/** The gates of the step from one phase to the next. */
export function gatesOf(from: Phase, to: Phase): readonly Gate[] {
  return GATES[`${from} ${to}`] ?? [];
}
