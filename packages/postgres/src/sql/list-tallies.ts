import type { ShadowTally } from '@polyphase/core';
import { sql } from 'kysely';
import { defineStatement, numberCell, type Statement, textCell } from '../statement.ts';

/** Which tallies are wanted. */
export interface WantedTallies {
  readonly group: string;
  readonly epoch: number;
  readonly withinMs: number;
}

/** Reads the tallies that the processes of a group noted under an epoch, in the last so many milliseconds. */
export const listTallies: Statement<WantedTallies, ShadowTally> = defineStatement<WantedTallies, ShadowTally>(
  (slot) => sql`
    select
      tally ->> 'shape', tally ->> 'agreed', tally ->> 'lagged', tally ->> 'moved', tally ->> 'records', tally ->> 'answers',
      tally #>> '{noise,agreed}', tally #>> '{noise,answers}'
    from polyphase.shadow_tally, jsonb_array_elements(tallies) as tally
    where group_name = ${slot(({ group }) => group)}::text and epoch = ${slot(({ epoch }) => String(epoch))}::bigint
      and noted_at >= clock_timestamp()
        - ${slot(({ withinMs }) => String(withinMs))}::double precision * interval '1 millisecond'`,
  ([shape, agreed, lagged, moved, records, answers, noiseAgreed, noiseAnswers]) => ({
    shape: textCell(shape),
    agreed: numberCell(agreed),
    lagged: numberCell(lagged),
    moved: numberCell(moved),
    records: numberCell(records),
    answers: numberCell(answers),
    noise: { agreed: numberCell(noiseAgreed), answers: numberCell(noiseAnswers) },
  }),
);
