import { at, LEASE, type Model, PHASE, POSTGRES_OWNS } from './model.ts';
import { AT, become, type CoordinatorView, type MemberView } from './state.ts';

const STEP = AT.coordinator;

/** Lets a coordinator rest: it looks at the row anew. */
export function rest(coordinator: CoordinatorView): void {
  coordinator.clear();
}

/** Whether a coordinator is at a step. */
export function stands(model: Model, i: number, step: number): boolean {
  return at(model.state.coordinators, i).at === step;
}

/** Whether it is, and PostgreSQL can be reached. */
export function reaches(model: Model, i: number, step: number): boolean {
  return stands(model, i, step) && model.state.common.isDown === 0;
}

/** Whether no transaction of PostgreSQL is under way, so that the exclusive lock can be had. */
export function isExclusive(model: Model): boolean {
  return (
    model.has('authority moves without the lock') || model.state.members.every(({ locks }) => locks === 0)
  );
}

/** Whether a step of the row wants that lock. */
export function needsLock(from: number, to: number): boolean {
  return POSTGRES_OWNS[from] === true || POSTGRES_OWNS[to] === true;
}

/** Goes on from a row that a coordinator has seen, or moved, as the product's controller does. */
export function follow(model: Model, coordinator: CoordinatorView): void {
  const { phase } = coordinator;
  const next = model.next(phase);
  coordinator.to = next === undefined ? 0 : next + 1;
  if (phase === PHASE.sealedBack && next !== PHASE.postgres) coordinator.at = STEP.reverse;
  else if (phase === PHASE.rearm && next === PHASE.postgres) coordinator.at = STEP.mark;
  else if (POSTGRES_OWNS[phase] === true) goToMove(coordinator);
  else if (phase === PHASE.sealed && next !== PHASE.postgres) coordinator.at = STEP.move;
  else coordinator.at = STEP.sync;
}

/** Goes on to the next step of the row, if the wish has one. */
export function goToMove(coordinator: CoordinatorView): void {
  if (coordinator.to === 0) rest(coordinator);
  else coordinator.at = STEP.move;
}

/** Goes on when the permit is there as the row wants it. `drain` is the longest lease that may still run. */
export function afterPermit(
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

/** Whether every lease is over that a coordinator must wait for. */
export function waitedOut(model: Model, coordinator: CoordinatorView): boolean {
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

/** Moves the row, and goes on from where it is then. */
export function moveRow(
  model: Model,
  coordinator: CoordinatorView,
  { to, term }: { to: number; term: number },
): void {
  const { row } = model.state;
  become(row, { phase: to, epoch: row.epoch + 1, term });
  const { epoch } = row;
  become(coordinator, { epoch, phase: to, term });
  // The commit and every step among phases of PostgreSQL write no permit; whoever looks next goes on.
  if (to === PHASE.sealed || to === PHASE.sealedBack || POSTGRES_OWNS[to] !== true)
    follow(model, coordinator);
  else rest(coordinator);
}
