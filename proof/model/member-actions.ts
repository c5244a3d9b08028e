import { WRITE_PHASES } from '../../packages/postgres/src/fence.ts';
import type { Action } from './action.ts';
import { at, LEASE, type Model } from './model.ts';
import { AT, become, type MemberView, PHASE_OF } from './state.ts';
import { applyToRow, isPostgres, note, putDocument, putRow } from './stores.ts';
import type { Operation } from './world.ts';

const STEP = AT.member;

// The operation that a member is at; undefined when it has done all of its own, or is dead.
function wanted(model: Model, i: number): Operation | undefined {
  const { isDead, operation } = at(model.state.members, i);
  return isDead ? undefined : at(model.world.members, i).operations[operation];
}

function operationOf(model: Model, i: number): Operation {
  const operation = wanted(model, i);
  if (!operation) throw new RangeError(`Member ${i} is at nothing`);
  return operation;
}

function isAt(model: Model, i: number, step: number): boolean {
  return at(model.state.members, i).at === step && wanted(model, i) !== undefined;
}

function forget(member: MemberView): void {
  member.at = AT.idle;
  member.document = member.sequence = member.opening = member.term = member.captures = member.locks = 0;
}

function finish(member: MemberView): void {
  forget(member);
  member.operation += 1;
  member.tries = 0;
}

// The operation goes on with the same id, or the caller gives it up.
function leaveUnknown(model: Model, i: number): void {
  const member = at(model.state.members, i);
  if (model.world.retries !== true || member.tries > 0) return finish(member);
  forget(member);
  member.tries += 1;
}

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

function takeLease(model: Model, i: number): void {
  const { permit, members } = model.state;
  const member = at(members, i);
  const { lease, opening, term, epoch } = permit;
  permit.tag = model.has('permit written under its ETag') ? (permit.tag + 1) % 8 : 0;
  if (model.world.slowGrants === true) {
    Object.assign(member, { grant: lease, grantOpening: opening, grantTerm: term, grantEpoch: epoch });
  } else Object.assign(member, { lease, leaseOpening: opening, leaseTerm: term, leaseEpoch: epoch });
}

function endLease(member: MemberView): void {
  member.lease = member.leaseOpening = member.leaseTerm = member.leaseEpoch = 0;
}

function endGrant(member: MemberView): void {
  member.grant = member.grantOpening = member.grantTerm = member.grantEpoch = 0;
}

const leases: readonly Action[] = [
  {
    name: 'takes a lease of the permit',
    actor: 'member',
    guard: (model, i) => {
      const { permit } = model.state;
      const member = at(model.state.members, i);
      if (permit.open === 0 || member.grant !== 0 || wanted(model, i) === undefined) return false;
      return member.lease !== permit.lease || member.leaseEpoch !== permit.epoch;
    },
    effect: takeLease,
  },
  {
    name: 'takes a lease by a copy of the permit that lags',
    actor: 'member',
    guard: (model, i) =>
      model.has('lease by a plain read') &&
      model.state.oldPermit.open === 1 &&
      at(model.state.members, i).lease === LEASE.none &&
      wanted(model, i) !== undefined,
    effect: (model, i) => {
      const { lease, opening, term, epoch } = model.state.oldPermit;
      Object.assign(at(model.state.members, i), {
        lease,
        leaseOpening: opening,
        leaseTerm: term,
        leaseEpoch: epoch,
      });
    },
  },
  {
    name: 'gets its lease',
    actor: 'member',
    guard: (model, i) => at(model.state.members, i).grant !== 0,
    effect: (model, i) => {
      const member = at(model.state.members, i);
      member.lease = member.grant;
      member.leaseOpening = member.grantOpening;
      member.leaseTerm = member.grantTerm;
      member.leaseEpoch = member.grantEpoch;
      endGrant(member);
    },
  },
  {
    name: 'gets its lease when it is over',
    actor: 'member',
    guard: (model, i) =>
      at(model.state.members, i).grant !== 0 && !model.has('lease counted from the answer'),
    effect: (model, i) => endGrant(at(model.state.members, i)),
  },
  {
    name: 'sees its lease end',
    actor: 'member',
    guard: (model, i) => at(model.state.members, i).lease !== LEASE.none,
    effect: (model, i) => endLease(at(model.state.members, i)),
  },
  {
    // Nothing is under way, the lease is given up, and renewals under way are disowned.
    name: 'acknowledges the seal',
    actor: 'member',
    guard: (model, i) => {
      const { permit, row } = model.state;
      const member = at(model.state.members, i);
      if (model.world.acknowledgements !== true || PHASE_OF[row.phase] !== '5') return false;
      if (permit.open === 1 || member.acknowledgedSeal === permit.epoch || member.isDead === 1) return false;
      const isQuiet = member.at === AT.idle || model.has('acknowledged with a write under way');
      return isQuiet && (member.lease !== 0 || member.grant !== 0);
    },
    effect: (model, i) => {
      const member = at(model.state.members, i);
      member.acknowledgedSeal = model.state.permit.epoch;
      if (!model.has('acknowledged with a write under way')) endLease(member);
      if (!model.has('acknowledgement keeps renewals')) endGrant(member);
    },
  },
];

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
      applyToRow(model, key, member.document, model.has('second write unconditional'));
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

const postgresWrites: readonly Action[] = [
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
export const memberActions: readonly Action[] = [...leases, ...cosmosWrites, ...postgresWrites];
