import type { Action } from './action.ts';
import { at, LEASE, type Model, PHASE, POSTGRES_OWNS } from './model.ts';
import { project, see } from './permit.ts';
import { AT, become, type CoordinatorView, type MemberView } from './state.ts';
import { note } from './stores.ts';

const STEP = AT.coordinator;
const FLIP_STEPS: ReadonlySet<number> = new Set([
  STEP.wait,
  STEP.cut,
  STEP.drain,
  STEP.compare,
  STEP.commit,
  STEP.reverse,
]);

function rest(coordinator: CoordinatorView): void {
  coordinator.clear();
}

function stands(model: Model, i: number, step: number): boolean {
  return at(model.state.coordinators, i).at === step;
}

function reaches(model: Model, i: number, step: number): boolean {
  return stands(model, i, step) && model.state.common.isDown === 0;
}

// No transaction of PostgreSQL is under way, so that the exclusive lock can be had.
function isExclusive(model: Model): boolean {
  return (
    model.has('authority moves without the lock') || model.state.members.every(({ locks }) => locks === 0)
  );
}

function needsLock(from: number, to: number): boolean {
  return POSTGRES_OWNS[from] === true || POSTGRES_OWNS[to] === true;
}

/** Goes on from a row that a coordinator has seen, or moved, as the product's controller does. */
function follow(model: Model, coordinator: CoordinatorView): void {
  const { phase } = coordinator;
  const next = model.next(phase);
  coordinator.to = next === undefined ? 0 : next + 1;
  if (phase === PHASE.sealedBack && next !== PHASE.postgres) coordinator.at = STEP.reverse;
  else if (phase === PHASE.rearm && next === PHASE.postgres) coordinator.at = STEP.mark;
  else if (POSTGRES_OWNS[phase] === true) goToMove(coordinator);
  else if (phase === PHASE.sealed && next !== PHASE.postgres) coordinator.at = STEP.move;
  else coordinator.at = STEP.sync;
}

function goToMove(coordinator: CoordinatorView): void {
  if (coordinator.to === 0) rest(coordinator);
  else coordinator.at = STEP.move;
}

// The permit is there as the row wants it. `drain` is the longest lease that may still run.
function afterPermit(
  model: Model,
  coordinator: CoordinatorView,
  seen: { epoch: number; open: number; drain: number },
): void {
  const { epoch, open, drain } = seen;
  const { row } = model.state;
  if (model.has('abort opens the permit first') && row.epoch === coordinator.epoch - 1) {
    if (row.phase !== PHASE.sealed) return rest(coordinator);
    become(row, { phase: PHASE.armed, epoch: coordinator.epoch, term: coordinator.term });
    return rest(coordinator);
  }
  coordinator.gate = epoch;
  coordinator.seenDrain = drain;
  if (coordinator.phase === PHASE.sealed) {
    // Not the permit of this seal, or long leases may still run: given up.
    if (epoch !== coordinator.epoch || open === 1) return rest(coordinator);
    if (drain === LEASE.long && !model.has('sealed while long leases run')) return rest(coordinator);
    if (drain === LEASE.long) coordinator.seenDrain = LEASE.short;
    coordinator.at =
      model.has('a successor does not wait') && coordinator.seenExists === 0 ? STEP.cut : STEP.wait;
    if (model.has('cut before leases end')) coordinator.cut = model.state.common.sequence;
  } else if (
    coordinator.phase === PHASE.armed &&
    drain === LEASE.long &&
    !model.has('sealed while long leases run')
  )
    coordinator.at = STEP.settle;
  else goToMove(coordinator);
}

// Whether a lease that was granted before the permit was seen has run out, if it is no longer than `drain`.
function isOver(member: MemberView, coordinator: CoordinatorView, isGrant: boolean): boolean {
  const length = isGrant ? member.grant : member.lease;
  const epoch = isGrant ? member.grantEpoch : member.leaseEpoch;
  return length === LEASE.none || length > coordinator.seenDrain || epoch > coordinator.gate;
}

function waitedOut(model: Model, coordinator: CoordinatorView): boolean {
  if (model.has('no wait for leases')) return true;
  return model.state.members.every(
    (member, i) =>
      (isOver(member, coordinator, false) &&
        (isOver(member, coordinator, true) || model.has('lease counted from the answer'))) ||
      member.acknowledgedSeal === coordinator.gate ||
      (model.has('acknowledgement of any seal') && member.acknowledgedSeal !== 0) ||
      (model.has('only listed holders are waited for') && !at(model.world.members, i).knowsPostgres),
  );
}

function moveRow(model: Model, coordinator: CoordinatorView, to: number, term: number): void {
  const { row } = model.state;
  become(row, { phase: to, epoch: row.epoch + 1, term });
  const { epoch } = row;
  become(coordinator, { epoch, phase: to, term });
  // The commit and every step among phases of PostgreSQL write no permit; whoever looks next goes on.
  if (to === PHASE.sealed || to === PHASE.sealedBack || POSTGRES_OWNS[to] !== true)
    follow(model, coordinator);
  else rest(coordinator);
}

function hasWork(model: Model): boolean {
  const { row, permit } = model.state;
  if (row.epoch === 0) return false;
  if (model.next(row.phase) !== undefined) return true;
  if (POSTGRES_OWNS[row.phase] === true) return false;
  return permit.epoch < row.epoch || (row.phase === PHASE.armed && permit.drain === LEASE.long);
}

const looking: readonly Action[] = [
  {
    name: 'looks at the row',
    actor: 'coordinator',
    guard: (model, i) => reaches(model, i, AT.idle) && hasWork(model),
    effect: (model, i) => {
      const coordinator = at(model.state.coordinators, i);
      const { phase, epoch, term } = model.state.row;
      become(coordinator, { phase, epoch, term });
      follow(model, coordinator);
    },
  },
  {
    name: 'reads the permit',
    actor: 'coordinator',
    guard: (model, i) => stands(model, i, STEP.sync),
    effect: (model, i) => {
      const { permit } = model.state;
      const coordinator = at(model.state.coordinators, i);
      const isThere = permit.exists === 1 && permit.epoch >= coordinator.epoch;
      const looksRight = permit.open === (coordinator.phase === PHASE.sealed ? 0 : 1);
      if (model.has('permit that looks right is left alone') && looksRight)
        return afterPermit(model, coordinator, {
          epoch: coordinator.epoch,
          open: permit.open,
          drain: permit.drain,
        });
      if (isThere && !model.has('permit written whatever its epoch'))
        return afterPermit(model, coordinator, permit);
      see(coordinator, permit);
      coordinator.at = STEP.put;
    },
  },
  {
    name: 'reads a copy of the permit that lags',
    actor: 'coordinator',
    guard: (model, i) =>
      model.world.laggingReads === true &&
      stands(model, i, STEP.sync) &&
      model.state.oldPermit.exists === 1 &&
      model.state.oldPermit.epoch < at(model.state.coordinators, i).epoch,
    effect: (model, i) => {
      const coordinator = at(model.state.coordinators, i);
      see(coordinator, model.state.oldPermit);
      coordinator.at = STEP.put;
    },
  },
  {
    name: 'writes the permit',
    actor: 'coordinator',
    guard: (model, i) => stands(model, i, STEP.put),
    effect: writePermit,
  },
  {
    name: 'notes in the permit that longer leases are over',
    actor: 'coordinator',
    guard: (model, i) =>
      stands(model, i, STEP.settle) &&
      (waitedOut(model, at(model.state.coordinators, i)) ||
        at(model.state.coordinators, i).gate < model.state.permit.epoch),
    effect: (model, i) => {
      const coordinator = at(model.state.coordinators, i);
      const { permit } = model.state;
      if (permit.epoch === coordinator.epoch || model.has('long leases are over in a later permit'))
        permit.drain = LEASE.short;
      goToMove(coordinator);
    },
  },
];

function writePermit(model: Model, i: number): void {
  const { permit } = model.state;
  const coordinator = at(model.state.coordinators, i);
  const isLower = permit.exists === 0 || permit.epoch < coordinator.epoch;
  const asRead = permit.exists === coordinator.seenExists && permit.epoch === coordinator.seenEpoch;
  let isRefused = !isLower || (!asRead && !model.has('permit written over one that was not read'));
  if (model.has('permit written whatever its epoch')) isRefused = false;
  if (model.has('permit written under its ETag') && permit.tag !== coordinator.seenTag) {
    isRefused = true;
    if (asRead) note(model, 'S a heartbeat refused the write of a coordinator');
  }
  if (isRefused) {
    coordinator.at = STEP.sync;
    return;
  }
  project(model, coordinator);
  afterPermit(model, coordinator, permit);
}

const moving: readonly Action[] = [
  {
    name: 'moves the row',
    actor: 'coordinator',
    guard: (model, i) => {
      if (!reaches(model, i, STEP.move)) return false;
      const { phase, to } = at(model.state.coordinators, i);
      return !needsLock(phase, to - 1) || isExclusive(model);
    },
    effect: (model, i) => {
      const coordinator = at(model.state.coordinators, i);
      if (model.state.row.epoch !== coordinator.epoch) rest(coordinator);
      else moveRow(model, coordinator, coordinator.to - 1, coordinator.term);
    },
  },
  {
    name: 'marks every row dirty',
    actor: 'coordinator',
    guard: (model, i) => reaches(model, i, STEP.mark),
    effect: (model, i) => {
      if (!model.has('rearmed without marking')) for (const key of model.state.keys) key.dirty = key.row;
      at(model.state.coordinators, i).at = STEP.compare;
    },
  },
  {
    name: 'gives the seal up',
    actor: 'coordinator',
    guard: mayGiveUp,
    effect: (model, i) => {
      const coordinator = at(model.state.coordinators, i);
      const { row, common } = model.state;
      common.aborts -= 1;
      if (model.has('abort opens the permit first') && row.phase === PHASE.sealed)
        return become(coordinator, {
          at: STEP.sync,
          epoch: row.epoch + 1,
          phase: PHASE.armed,
          term: row.term,
        });
      moveRow(model, coordinator, row.phase === PHASE.sealed ? PHASE.armed : PHASE.postgres, row.term);
    },
  },
];

// Out of time, or at a difference; or a process ends, and takes back the seal that it would leave behind.
function mayGiveUp(model: Model, i: number): boolean {
  const { row, common } = model.state;
  const coordinator = at(model.state.coordinators, i);
  if (common.isDown === 1 || common.aborts === 0) return false;
  if (row.phase !== PHASE.sealed && !(row.phase === PHASE.sealedBack && isExclusive(model))) return false;
  return coordinator.at === AT.idle || (FLIP_STEPS.has(coordinator.at) && coordinator.epoch === row.epoch);
}

function isDrained(model: Model, coordinator: CoordinatorView): boolean {
  if (model.has('flip without a drain')) return true;
  return model.state.keys.every((_, key) => model.isRead(key, coordinator.cut));
}

// Whether the copy holds what the authority holds. In Cosmos DB the purger comes first, so that a tombstone that is there must be
// in PostgreSQL too: a straggler's delete may have taken the place of an acknowledged write that the feed has not brought.
function isFollowed(model: Model, key: number, isForward: boolean): boolean {
  const { document, row } = at(model.state.keys, key);
  if (!isForward || document === 0 || model.has('a tombstone compares as nothing'))
    return model.documents.looksSame(document, row);
  return model.documents.isSame(document, row);
}

const flipping: readonly Action[] = [
  {
    name: 'has waited out every lease',
    actor: 'coordinator',
    guard: (model, i) => stands(model, i, STEP.wait) && waitedOut(model, at(model.state.coordinators, i)),
    effect: (model, i) => {
      at(model.state.coordinators, i).at = model.has('cut before leases end') ? STEP.drain : STEP.cut;
    },
  },
  {
    name: 'sees that no dirty key is left',
    actor: 'coordinator',
    guard: (model, i) =>
      reaches(model, i, STEP.reverse) &&
      (model.state.keys.every(({ dirty }) => dirty === 0) || model.has('rollback without a drain')),
    effect: (model, i) => {
      at(model.state.coordinators, i).at = STEP.cut;
    },
  },
  {
    name: 'takes the cut: a marker in each feed range',
    actor: 'coordinator',
    guard: (model, i) => stands(model, i, STEP.cut),
    effect: (model, i) => {
      const coordinator = at(model.state.coordinators, i);
      coordinator.cut = model.state.common.sequence;
      coordinator.at = STEP.drain;
    },
  },
  {
    name: 'sees that the feed was read past the cut',
    actor: 'coordinator',
    guard: (model, i) => reaches(model, i, STEP.drain) && isDrained(model, at(model.state.coordinators, i)),
    effect: (model, i) => {
      const coordinator = at(model.state.coordinators, i);
      const skips = model.world.skipsComparison === true || model.has('no last comparison');
      coordinator.at = skips ? STEP.commit : STEP.compare;
    },
  },
  {
    name: 'finds a record the same in both stores',
    actor: 'coordinator',
    guard: (model, i) => {
      if (!reaches(model, i, STEP.compare)) return false;
      const { key, phase } = at(model.state.coordinators, i);
      // On the way back, what waits for a person comes first.
      if (phase === PHASE.sealedBack && model.state.ghost.openConflicts === 1) return false;
      return isFollowed(model, key, phase === PHASE.sealed);
    },
    effect: (model, i) => {
      const coordinator = at(model.state.coordinators, i);
      coordinator.key += 1;
      if (coordinator.key < model.world.keys) return;
      coordinator.key = 0;
      coordinator.at = coordinator.phase === PHASE.rearm ? STEP.move : STEP.commit;
    },
  },
  {
    name: 'commits: moves the authority',
    actor: 'coordinator',
    guard: (model, i) => reaches(model, i, STEP.commit) && isExclusive(model),
    effect: (model, i) => {
      const coordinator = at(model.state.coordinators, i);
      const { row } = model.state;
      const isMine = model.has('commit by phase, not by epoch')
        ? row.phase === coordinator.phase
        : row.epoch === coordinator.epoch;
      if (!isMine) return rest(coordinator);
      const isForward = coordinator.phase === PHASE.sealed;
      moveRow(model, coordinator, isForward ? PHASE.postgres : PHASE.dual, row.term + 1);
    },
  },
  {
    name: 'finds that the row has moved on',
    actor: 'coordinator',
    guard: (model, i) => {
      const { at: step, epoch } = at(model.state.coordinators, i);
      return FLIP_STEPS.has(step) && step !== STEP.commit && epoch !== model.state.row.epoch;
    },
    effect: (model, i) => rest(at(model.state.coordinators, i)),
  },
  {
    name: 'crashes',
    actor: 'coordinator',
    fault: true,
    guard: (model, i) => model.mayFail('coordinator crash') && !stands(model, i, AT.idle),
    effect: (model, i) => {
      model.state.common.faults -= 1;
      rest(at(model.state.coordinators, i));
    },
  },
];

/** What a controller does: it may die between any two of these, and another goes on from the row. */
export const coordinatorActions: readonly Action[] = [...looking, ...moving, ...flipping];
