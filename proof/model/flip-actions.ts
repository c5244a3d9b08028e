import type { Action } from './action.ts';
import { isExclusive, moveRow, reaches, rest, stands, waitedOut } from './coordinator.ts';
import { at, type Model, PHASE } from './model.ts';
import { AT, type CoordinatorView } from './state.ts';

const STEP = AT.coordinator;

/** Steps in which a coordinator is in the middle of a flip. */
export const FLIP_STEPS: ReadonlySet<number> = new Set([
  STEP.wait,
  STEP.cut,
  STEP.drain,
  STEP.compare,
  STEP.commit,
  STEP.reverse,
]);

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

/** The steps of a flip, there and back: each is safe to repeat, whoever comes to it. */
export const flipActions: readonly Action[] = [
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
      moveRow(model, coordinator, { to: isForward ? PHASE.postgres : PHASE.dual, term: row.term + 1 });
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
