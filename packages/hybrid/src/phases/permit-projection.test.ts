import type { ControlRow, Permit, Phase } from '@polyphase/core';
import { memoryDocumentStore } from '@polyphase/core/memory';
import { describe, expect, it } from 'vitest';
import { protocolLimits } from '../protocol-limits.ts';
import { bringPermitTo, permitFor } from './permit-projection.ts';

const limits = protocolLimits({ armedLease: '5s' });
const wish = { phase: '6', flip: 'auto', revision: 1 } as const;
const row = (phase: Phase, epoch: number, term = 1): ControlRow => ({
  group: 'notes',
  phase,
  epoch,
  term,
  wish,
});
const open: Permit = {
  epoch: 3,
  open: true,
  opening: 1,
  term: 1,
  leaseMs: 30_000,
  drainMs: 30_000,
  tombstones: true,
};

describe('permitFor', () => {
  it('keeps the opening over a step that kept it open, and shortens leases before what may still run', () => {
    expect(permitFor(row('4', 4), open, limits)).toEqual({
      ...open,
      epoch: 4,
      leaseMs: 5_000,
      drainMs: 30_000,
    });
  });

  it('closes for the seal', () => {
    const armed = { ...open, epoch: 4, leaseMs: 5_000, drainMs: 5_000 };
    expect(permitFor(row('5', 5), armed, limits)).toEqual({ ...armed, epoch: 5, open: false });
  });

  it('opens anew after a seal, for an abort and for the way back', () => {
    const closed = { ...open, epoch: 5, open: false, leaseMs: 5_000, drainMs: 5_000 };
    expect(permitFor(row('4', 6), closed, limits)).toMatchObject({ open: true, opening: 6, drainMs: 5_000 });
    const back = permitFor(row('2', 8, 3), closed, limits);
    expect(back).toMatchObject({ open: true, opening: 8, term: 3, leaseMs: 30_000, drainMs: 30_000 });
  });

  it('opens anew where it may have been closed since it was read', () => {
    expect(permitFor(row('2', 9, 3), open, limits)).toMatchObject({ open: true, opening: 9 });
  });

  it('does not forget longer leases of another configuration', () => {
    const short = protocolLimits({ lease: 1_000, armedLease: 500 });
    expect(permitFor(row('3', 4), open, short)).toMatchObject({ leaseMs: 1_000, drainMs: 30_000 });
  });
});

describe('bringPermitTo', () => {
  it('writes whatever the permit looks like, and only upwards', async () => {
    const { permits } = memoryDocumentStore();
    await permits.create('notes', open);
    expect(await bringPermitTo(row('3', 4), permits, limits)).toMatchObject({ epoch: 4, open: true });
    expect(await bringPermitTo(row('2', 2), permits, limits)).toMatchObject({ epoch: 4 });
    expect(await bringPermitTo(row('5', 5), permits, limits)).toMatchObject({ epoch: 5, open: false });
  });

  it('derives it again from what came between, when what it read lags behind', async () => {
    const { permits } = memoryDocumentStore();
    const armed = { ...open, epoch: 4, leaseMs: 5_000, drainMs: 5_000 };
    await permits.create('notes', armed);
    await permits.project('notes', permitFor(row('3', 5), armed, limits), { over: 4 });
    const lagging = {
      read: async () => armed,
      project: permits.project.bind(permits),
      create: permits.create.bind(permits),
      drained: permits.drained.bind(permits),
      renew: permits.renew.bind(permits),
    };
    // Leases of 30 s were granted while it was not armed.
    expect(await bringPermitTo(row('4', 6), lagging, limits)).toMatchObject({ epoch: 6, drainMs: 30_000 });
  });

  it('leaves it closed from 6 on, and closes what never was there', async () => {
    const { permits } = memoryDocumentStore();
    expect(await bringPermitTo(row('7', 1), permits, limits)).toMatchObject({ epoch: 1, open: false });
    expect(await bringPermitTo(row('6', 9), permits, limits)).toMatchObject({ epoch: 1, open: false });
  });

  it('closes one that is open from 6 on, and never one of a later row', async () => {
    const { permits } = memoryDocumentStore();
    await permits.create('notes', { ...open, epoch: 0, opening: 0 });
    expect(await bringPermitTo(row('6', 9, 2), permits, limits)).toMatchObject({ epoch: 9, open: false });
    await permits.project('notes', permitFor(row('2', 11, 3), undefined, limits), { over: 9 });
    expect(await bringPermitTo(row('6', 9, 2), permits, limits)).toMatchObject({ epoch: 11, open: true });
  });
});
