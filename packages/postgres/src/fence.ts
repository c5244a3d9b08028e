import { authorityOf, type ControlRow, FencedError, type Phase, SealedError } from '@polyphase/core';
import type { BoundStatement, StatementResult } from './batch.ts';
import { readControl } from './sql/read-control.ts';
import { shareGroup } from './sql/share-group.ts';

/** Phases in which PostgreSQL takes writes, and whether each of them leaves a dirty key. */
export const WRITE_PHASES: ReadonlyMap<Phase, { readonly capture: boolean }> = new Map([
  ['6', { capture: true }],
  ['7', { capture: false }],
  ['7r', { capture: true }],
]);

/** The statements that fence a transaction, to be sent before anything else in it: the lock, and only then the row. */
export function fenceStatements(group: string | undefined): readonly BoundStatement[] {
  return group === undefined ? [] : [shareGroup.bind(group), readControl.bind(group)];
}

/**
 * Reads the answers to {@link fenceStatements}.
 *
 * @returns whether the transaction must leave a dirty key for each record that it writes
 * @throws {@link SealedError} in phase 5', {@link FencedError} when PostgreSQL is not the authority, or in another term
 */
export function passFence(
  group: string | undefined,
  term: number,
  answer: StatementResult | undefined,
): boolean {
  if (group === undefined) return false;
  const row: ControlRow | undefined = readControl.rows(answer)[0];
  if (!row || authorityOf(row.phase) !== 'postgres' || row.term !== term)
    throw new FencedError({ message: `PostgreSQL is not the authority in term ${term}; stop`, key: group });
  const rule = WRITE_PHASES.get(row.phase);
  if (!rule)
    throw new SealedError({
      message: 'The authority is moving back; nothing was written, try again',
      key: group,
    });
  return rule.capture;
}
