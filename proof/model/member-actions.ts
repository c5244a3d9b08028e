import type { Action } from './action.ts';
import { leaseActions } from './lease-actions.ts';
import { finish, forget, isAt, leaveUnknown, operationOf, wanted } from './member.ts';
import { at, LEASE, type Model } from './model.ts';
import { AT, become } from './state.ts';
import { applyToRow, isPostgres, note, putDocument } from './stores.ts';
import { transactionActions } from './transaction-actions.ts';

const STEP = AT.member;

function commitInCosmos(model: Model, i: number): void {
  const { state, documents } = model;
  const member = at(state.members, i);
  const operation = operationOf(model, i);
  const key = at(state.keys, operation.key);
  const where = { term: member.term, now: state.common.now, isRow: false, lineage: key.cosmosLineage };
  const decided = documents.decide(member.document, operation, where);
  if (decided.kind === 'fenced') return forget(member);
  member.at = STEP.confirm;
  member.sequence = 0;
  if (decided.kind === 'done') return;
  if (key.cosmosLineage & (1 << operation.id)) note(model, 'D3 an operation took effect twice');
  state.ghost.took |= 1 << operation.id;
  if (operation.deletes && model.has('deletes remove documents')) {
    member.document = decided.document;
    key.document = 0;
    key.cosmosLineage = documents.lineageOf(decided.document);
    key.sequence = state.common.sequence += 1;
    return;
  }
  putDocument(model, operation.key, decided.document);
  member.document = decided.document;
}

function isConfirmed(model: Model, i: number): boolean {
  const member = at(model.state.members, i);
  if (model.has('lease checked only before')) return true;
  if (member.lease === LEASE.none) return false;
  const isUnchecked = model.has('lease not checked before') && member.opening === 0;
  return isUnchecked || model.has('any lease confirms') || member.leaseOpening === member.opening;
}

function acknowledge(model: Model, i: number): void {
  const { state, documents, world } = model;
  const member = at(state.members, i);
  const operation = operationOf(model, i);
  const bit = 1 << operation.id;
  if (documents.lineageOf(member.document) & bit) state.ghost.acknowledged |= bit;
  state.ghost.cosmosTerms |= 1 << member.term;
  if (isPostgres(model)) note(model, 'D6 Cosmos DB acknowledged a write while PostgreSQL was the authority');
  const { row, postgresLineage } = at(state.keys, operation.key);
  // Where the store's date was set back, the date alone does not put a write over a dropped stamp above the row.
  const looksNew = world.clockWasAhead !== true && row !== 0 && documents.order(row, member.document) >= 0;
  if (looksNew && !isPostgres(model) && !(postgresLineage & bit))
    note(model, 'D8 the version that a caller was told finds a row that looks as new and lacks the write');
  if (world.inline !== true || !at(world.members, i).knowsPostgres) return finish(member);
  const written = member.document;
  forget(member);
  member.at = STEP.inline;
  member.document = written;
}
const cosmosWrites: readonly Action[] = [
  {
    name: 'checks its lease, and reads the document',
    actor: 'member',
    guard: (model, i) =>
      isAt(model, i, AT.idle) &&
      (at(model.state.members, i).lease !== LEASE.none || model.has('lease not checked before')),
    effect: (model, i) => {
      const member = at(model.state.members, i);
      const key = at(model.state.keys, operationOf(model, i).key);
      member.at = STEP.write;
      member.document = key.document;
      member.sequence = key.sequence;
      member.opening = member.leaseOpening;
      member.term = member.leaseTerm || 1;
    },
  },
  {
    name: 'finds that the document has changed',
    actor: 'member',
    guard: (model, i) =>
      isAt(model, i, STEP.write) &&
      at(model.state.keys, operationOf(model, i).key).sequence !== at(model.state.members, i).sequence,
    effect: (model, i) => forget(at(model.state.members, i)),
  },
  {
    name: 'writes the document',
    actor: 'member',
    guard: mayWrite,
    effect: commitInCosmos,
  },
  {
    name: 'writes the document, and the reply is lost',
    actor: 'member',
    fault: true,
    guard: (model, i) => model.mayFail('lost reply') && mayWrite(model, i),
    effect: (model, i) => {
      model.state.common.faults -= 1;
      commitInCosmos(model, i);
      forget(at(model.state.members, i));
    },
  },
  {
    name: 'finds the same lease still valid: acknowledged',
    actor: 'member',
    guard: (model, i) => isAt(model, i, STEP.confirm) && isConfirmed(model, i),
    effect: acknowledge,
  },
  {
    name: 'finds its lease gone: outcome unknown',
    actor: 'member',
    guard: (model, i) => isAt(model, i, STEP.confirm) && !isConfirmed(model, i),
    effect: leaveUnknown,
  },
  {
    name: 'makes the second write',
    actor: 'member',
    guard: (model, i) => isAt(model, i, STEP.inline) && model.state.common.isDown === 0,
    effect: (model, i) => {
      const member = at(model.state.members, i);
      const { key } = operationOf(model, i);
      applyToRow(model, { key, copy: member.document }, model.has('second write unconditional'));
      finish(member);
    },
  },
  {
    name: 'leaves the second write out',
    actor: 'member',
    guard: (model, i) => isAt(model, i, STEP.inline),
    effect: (model, i) => finish(at(model.state.members, i)),
  },
];

function mayWrite(model: Model, i: number): boolean {
  return (
    isAt(model, i, STEP.write) &&
    at(model.state.keys, operationOf(model, i).key).sequence === at(model.state.members, i).sequence
  );
}

const crashes: readonly Action[] = [
  {
    name: 'crashes',
    actor: 'member',
    fault: true,
    guard: (model, i) => model.mayFail('member crash') && wanted(model, i) !== undefined,
    effect: (model, i) => {
      const member = at(model.state.members, i);
      model.state.common.faults -= 1;
      become(member, { isDead: 1, operation: member.operation });
    },
  },
];

/** What a process that serves calls does. It may take either way at any time: the stores refuse the wrong one. */
export const memberActions: readonly Action[] = [
  ...leaseActions,
  ...cosmosWrites,
  ...transactionActions,
  ...crashes,
];
