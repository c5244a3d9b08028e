import type { Action } from './action.ts';
import { at, LEASE, type Model, PHASE } from './model.ts';
import { see } from './permit.ts';
import { AT, become } from './state.ts';

const STEP = AT.coordinator;

// Where nothing was ever written, the row may begin in the seal before 6.
function beginsSealed(model: Model): boolean {
  const wish = model.world.wishes[model.state.common.wish];
  const isEmpty = model.state.keys.every(({ document, row }) => document === 0 && row === 0);
  return isEmpty && (wish === '6' || wish === '7');
}

/** How a row and a permit come to be: a row beside the permit that is there, and each only if there is none. */
export const openingActions: readonly Action[] = [
  {
    name: 'makes a permit of phase 0, since there is none',
    actor: 'member',
    guard: (model, i) => {
      const { operations, knowsPostgres } = at(model.world.members, i);
      const { operation, isDead } = at(model.state.members, i);
      return (
        model.state.permit.exists === 0 && !knowsPostgres && isDead === 0 && operation < operations.length
      );
    },
    effect: (model) =>
      become(model.state.permit, { exists: 1, open: 1, term: 1, lease: LEASE.long, drain: LEASE.long }),
  },
  {
    name: 'finds no row, and looks whether both stores are empty',
    actor: 'coordinator',
    guard: (model, i) =>
      model.state.row.epoch === 0 &&
      model.state.common.isDown === 0 &&
      at(model.state.coordinators, i).at === AT.idle,
    effect: (model, i) => {
      const coordinator = at(model.state.coordinators, i);
      coordinator.at = STEP.makePermit;
      coordinator.to = beginsSealed(model) ? PHASE.sealed + 1 : 1;
    },
  },
  {
    name: 'makes the permit, unless there is one',
    actor: 'coordinator',
    guard: (model, i) => at(model.state.coordinators, i).at === STEP.makePermit,
    effect: (model, i) => {
      const { permit } = model.state;
      const coordinator = at(model.state.coordinators, i);
      const isSealed = coordinator.to === PHASE.sealed + 1;
      const overwrites = isSealed && model.has('first permit overwrites one that is there');
      if (permit.exists === 0 || overwrites) {
        const open = { open: 1, lease: LEASE.long, drain: LEASE.long };
        // One that never granted a lease: nothing need be waited out.
        become(permit, { exists: 1, term: 1, ...(isSealed ? {} : open) });
      }
      see(coordinator, permit);
      coordinator.at = STEP.makeRow;
    },
  },
  {
    name: 'makes the row, unless there is one',
    actor: 'coordinator',
    guard: (model, i) =>
      at(model.state.coordinators, i).at === STEP.makeRow && model.state.common.isDown === 0,
    effect: (model, i) => {
      const coordinator = at(model.state.coordinators, i);
      const { to, seenEpoch, seenOpen, seenTerm } = coordinator;
      // A permit that some row closed belongs to a row of another database.
      const isForeign = seenEpoch > 0 && seenOpen === 0;
      if (model.state.row.epoch === 0 && !isForeign)
        become(model.state.row, { phase: to - 1, epoch: seenEpoch + 1, term: seenTerm });
      coordinator.clear();
    },
  },
];
