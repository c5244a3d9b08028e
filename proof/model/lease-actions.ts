import type { Action } from './action.ts';
import { wanted } from './member.ts';
import { at, LEASE, type Model } from './model.ts';
import { AT, type MemberView, PHASE_OF } from './state.ts';

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
/** Leases of the permit: taken, answered late, ended at any time, and given up for a seal. */
export const leaseActions: readonly Action[] = [
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
