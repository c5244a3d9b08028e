import type { ControlRow, Permit } from '@polyphase/core';
import { permitFor } from '../../packages/hybrid/src/phases/permit-projection.ts';
import { protocolLimits } from '../../packages/hybrid/src/protocol-limits.ts';
import { at, LEASE, type Model } from './model.ts';
import { become, type CoordinatorView, type PermitView, PHASE_OF } from './state.ts';

const LIMITS = protocolLimits({});

const MS = [0, LIMITS.armedLeaseMs, LIMITS.leaseMs] as const;

function lengthOf(ms: number): number {
  return ms === 0 ? LEASE.none : ms <= LIMITS.armedLeaseMs ? LEASE.short : LEASE.long;
}

/** Remembers the permit as a coordinator has read it. */
export function see(coordinator: CoordinatorView, permit: PermitView): void {
  coordinator.seenExists = permit.exists;
  coordinator.seenOpen = permit.open;
  coordinator.seenEpoch = permit.epoch;
  coordinator.seenOpening = permit.opening;
  coordinator.seenTerm = permit.term;
  coordinator.seenLease = permit.lease;
  coordinator.seenDrain = permit.drain;
  coordinator.seenTag = permit.tag;
}

/** Writes the permit that a coordinator's row wants: the product's own `permitFor`. */
export function project(model: Model, coordinator: CoordinatorView): void {
  const { permit, oldPermit } = model.state;
  const row: ControlRow = {
    group: 'notes',
    epoch: coordinator.epoch,
    phase: at(PHASE_OF, coordinator.phase),
    term: coordinator.term,
    wish: { phase: '6', flip: 'auto', revision: 1 },
  };
  const wanted = permitFor(row, seenPermit(coordinator), LIMITS);
  if (model.world.laggingReads === true || model.has('lease by a plain read')) oldPermit.copyFrom(permit);
  const forgets = model.has('arming forgets long leases') && wanted.open;
  const keeps = model.has('opening outlives a seal') && wanted.open;
  become(permit, {
    exists: 1,
    open: wanted.open ? 1 : 0,
    epoch: wanted.epoch,
    opening: keeps ? 1 : wanted.opening,
    term: model.has('permit without a term') ? 1 : wanted.term,
    lease: lengthOf(wanted.leaseMs),
    drain: forgets ? lengthOf(wanted.leaseMs) : lengthOf(wanted.drainMs),
    tag: model.has('permit written under its ETag') ? (permit.tag + 1) % 8 : 0,
  });
}

function seenPermit(coordinator: CoordinatorView): Permit | undefined {
  if (coordinator.seenExists === 0) return undefined;
  return {
    epoch: coordinator.seenEpoch,
    open: coordinator.seenOpen === 1,
    opening: coordinator.seenOpening,
    term: coordinator.seenTerm,
    leaseMs: MS[coordinator.seenLease] ?? 0,
    drainMs: MS[coordinator.seenDrain] ?? 0,
    tombstones: true,
  };
}
