import { WRITE_PHASES } from '../../packages/postgres/src/fence.ts';
import type { Action } from './action.ts';
import { finish, forget, isAt, operationOf } from './member.ts';
import { at, type Model } from './model.ts';
import { AT, PHASE_OF } from './state.ts';
import { note, putRow } from './stores.ts';

const STEP = AT.member;

function commitInPostgres(model: Model, i: number): void {
  const { state, documents } = model;
  const member = at(state.members, i);
  const operation = operationOf(model, i);
  const { row } = state;
  const bit = 1 << operation.id;
  const key = at(state.keys, operation.key);
  const where = { term: member.term, now: state.common.now, isRow: true, lineage: key.postgresLineage };
  const decided = documents.decide(key.row, operation, where);
  if (decided.kind === 'fenced') return;
  if (decided.kind === 'done') return;
  if (WRITE_PHASES.get(at(PHASE_OF, row.phase)) === undefined || row.term !== member.term)
    note(model, 'D6 PostgreSQL committed a write outside of its phase or term');
  if (key.postgresLineage & bit) note(model, 'D3 an operation took effect twice');
  state.ghost.took |= bit;
  putRow(model, operation.key, decided.document);
  if (member.captures === 1 && !model.has('no dirty key')) key.dirty = decided.document;
}

/** Writes to PostgreSQL, each a transaction that shares the lock of its group. */
export const transactionActions: readonly Action[] = [
  {
    // The lock is taken in a statement of its own, before phase and term are read; both hold until the transaction ends.
    name: 'begins a transaction: takes the lock, reads phase and term',
    actor: 'member',
    guard: (model, i) =>
      isAt(model, i, AT.idle) &&
      at(model.world.members, i).knowsPostgres &&
      model.state.common.isDown === 0 &&
      WRITE_PHASES.has(at(PHASE_OF, model.state.row.phase)),
    effect: (model, i) => {
      const { row } = model.state;
      const member = at(model.state.members, i);
      member.at = STEP.transaction;
      member.term = row.term;
      member.captures = WRITE_PHASES.get(at(PHASE_OF, row.phase))?.capture === true ? 1 : 0;
      member.locks = model.has('phase read without the lock') ? 0 : 1;
    },
  },
  {
    name: 'commits the transaction: acknowledged',
    actor: 'member',
    guard: (model, i) => isAt(model, i, STEP.transaction) && model.state.common.isDown === 0,
    effect: (model, i) => {
      const { state } = model;
      const operation = operationOf(model, i);
      commitInPostgres(model, i);
      if (at(state.keys, operation.key).postgresLineage & (1 << operation.id))
        state.ghost.acknowledged |= 1 << operation.id;
      state.ghost.postgresTerms |= 1 << at(state.members, i).term;
      finish(at(state.members, i));
    },
  },
  {
    name: 'commits the transaction, and the reply is lost',
    actor: 'member',
    fault: true,
    guard: (model, i) =>
      model.mayFail('lost reply') && isAt(model, i, STEP.transaction) && model.state.common.isDown === 0,
    effect: (model, i) => {
      model.state.common.faults -= 1;
      commitInPostgres(model, i);
      forget(at(model.state.members, i));
    },
  },
];
