import type { Action } from './action.ts';
import {
  afterPermit,
  follow,
  goToMove,
  isExclusive,
  moveRow,
  needsLock,
  reaches,
  rest,
  stands,
  waitedOut,
} from './coordinator.ts';
import { FLIP_STEPS, flipActions } from './flip-actions.ts';
import { at, LEASE, type Model, PHASE, POSTGRES_OWNS } from './model.ts';
import { project, see } from './permit.ts';
import { AT, become } from './state.ts';
import { note } from './stores.ts';

const STEP = AT.coordinator;

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
      else moveRow(model, coordinator, { to: coordinator.to - 1, term: coordinator.term });
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
      moveRow(model, coordinator, {
        to: row.phase === PHASE.sealed ? PHASE.armed : PHASE.postgres,
        term: row.term,
      });
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

/** What a controller does: it may die between any two of these, and another goes on from the row. */
export const coordinatorActions: readonly Action[] = [...looking, ...moving, ...flipActions];
