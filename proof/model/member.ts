import { at, type Model } from './model.ts';
import { AT, type MemberView } from './state.ts';
import type { Operation } from './world.ts';

/** The operation that a member is at; undefined when it has done all of its own, or is dead. */
export function wanted(model: Model, i: number): Operation | undefined {
  const { isDead, operation } = at(model.state.members, i);
  return isDead ? undefined : at(model.world.members, i).operations[operation];
}

/** The operation that a member is at, where it is known to be at one. */
export function operationOf(model: Model, i: number): Operation {
  const operation = wanted(model, i);
  if (!operation) throw new RangeError(`Member ${i} is at nothing`);
  return operation;
}

/** Whether a member is at a step of an operation. */
export function isAt(model: Model, i: number, step: number): boolean {
  return at(model.state.members, i).at === step && wanted(model, i) !== undefined;
}

/** Puts a member back to the beginning of its operation. */
export function forget(member: MemberView): void {
  member.at = AT.idle;
  member.document = member.sequence = member.opening = member.term = member.captures = member.locks = 0;
}

/** Puts a member to its next operation. */
export function finish(member: MemberView): void {
  forget(member);
  member.operation += 1;
  member.tries = 0;
}

/** The caller repeats the operation with the same id, or gives it up. */
export function leaveUnknown(model: Model, i: number): void {
  const member = at(model.state.members, i);
  if (model.world.retries !== true || member.tries > 0) return finish(member);
  forget(member);
  member.tries += 1;
}
