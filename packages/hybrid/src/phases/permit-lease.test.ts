import { ConnectionError, type PermitStore, UnknownOutcomeError, type WriteLease } from '@polyphase/core';
import { manualClock } from '@polyphase/core/testing';
import { describe, expect, it } from 'vitest';
import { PermitLease } from './permit-lease.ts';

const WRITE = { operation: 'create', entity: 'notes', key: '1', operationId: 'op' };
const lease = (opening: number): WriteLease => ({ opening, term: 1, leaseMs: 900, tombstones: false });

/** A permit whose answers the test gives, one for each time it is asked. */
function leaseWith() {
  const clock = manualClock();
  const asked: { answer(lease: WriteLease | undefined): void; fail(error: Error): void }[] = [];
  const renew: PermitStore['renew'] = () =>
    new Promise((resolve, reject) => {
      asked.push({ answer: resolve, fail: reject });
    });
  const refuse = () => Promise.reject(new Error('not asked for here'));
  const permits: PermitStore = { read: refuse, create: refuse, project: refuse, drained: refuse, renew };
  return { clock, asked, held: new PermitLease({ permits, group: 'notes', holder: 'me', clock }) };
}

describe('PermitLease', () => {
  it('counts from before it was asked for', async () => {
    const { clock, asked, held } = leaseWith();
    const first = held.ensure();
    await clock.advance(500);
    asked[0]?.answer(lease(1));
    await first;
    await clock.advance(399);
    expect(await held.ensure()).toMatchObject({ opening: 1 });
    await clock.advance(1);
    const next = held.ensure();
    asked[1]?.answer(undefined);
    expect(await next).toBeUndefined();
  });

  it('is no lease when it was over before its answer came', async () => {
    const { clock, asked, held } = leaseWith();
    const late = held.ensure();
    await clock.advance(900);
    asked[0]?.answer(lease(1));
    expect(await late).toBeUndefined();
  });

  it('asks once for many, and renews in the background when a third is used up', async () => {
    const { clock, asked, held } = leaseWith();
    const both = [held.ensure(), held.ensure()];
    asked[0]?.answer(lease(1));
    await Promise.all(both);
    expect(asked).toHaveLength(1);
    await clock.advance(301);
    expect(await held.ensure()).toMatchObject({ opening: 1 });
    expect(asked).toHaveLength(2);
    // A renewal that fails disturbs nobody while the lease lasts.
    asked[1]?.fail(new ConnectionError({ message: 'away' }));
    await clock.advance(1);
    expect(await held.ensure()).toMatchObject({ opening: 1 });
  });

  it('acknowledges nothing when it ran out between write and acknowledgement and cannot be had again', async () => {
    const { clock, asked, held } = leaseWith();
    const first = held.ensure();
    asked[0]?.answer(lease(1));
    await first;
    await clock.advance(900);
    const confirmed = held.confirm(lease(1), WRITE);
    asked[1]?.answer(undefined);
    await expect(confirmed).rejects.toMatchObject({ code: 'unknown-outcome', operationId: 'op' });
    const again = held.confirm(lease(1), WRITE);
    asked[2]?.fail(new ConnectionError({ message: 'away' }));
    await expect(again).rejects.toBeInstanceOf(UnknownOutcomeError);
  });

  it('acknowledges after a renewal of the same opening, and not of another', async () => {
    const { clock, asked, held } = leaseWith();
    const first = held.ensure();
    asked[0]?.answer(lease(1));
    await first;
    await clock.advance(900);
    const confirmed = held.confirm(lease(1), WRITE);
    asked[1]?.answer(lease(1));
    await confirmed;
    await clock.advance(900);
    const straggler = held.confirm(lease(1), WRITE);
    asked[2]?.answer(lease(4));
    await expect(straggler).rejects.toBeInstanceOf(UnknownOutcomeError);
    await expect(held.confirm(lease(1), WRITE)).rejects.toBeInstanceOf(UnknownOutcomeError);
    await held.confirm(lease(4), WRITE);
  });

  it('disowns a renewal that was under way when it was given up', async () => {
    const { asked, held } = leaseWith();
    const first = held.ensure();
    held.giveUp();
    asked[0]?.answer(lease(1));
    expect(await first).toBeUndefined();
    const next = held.ensure();
    expect(asked).toHaveLength(2);
    asked[1]?.answer(lease(2));
    expect(await next).toMatchObject({ opening: 2 });
  });
});
