import { FencedError, TimeoutError } from '@polyphase/core';
import { memoryRelationalStore } from '@polyphase/core/memory';
import { manualClock } from '@polyphase/core/testing';
import { describe, expect, it } from 'vitest';
import { HeldLease } from './held-lease.ts';

function leases() {
  const clock = manualClock();
  const store = memoryRelationalStore({ clock });
  const lease = (holder: string, durationMs = 3_000) =>
    new HeldLease({ leases: store.leases, name: 'relay:notes', holder, durationMs, clock });
  return { clock, checkpoints: store.checkpoints, lease };
}

describe('HeldLease', () => {
  it('is taken by one process; another gets it when it is given up, or over', async () => {
    const { lease, clock } = leases();
    const [first, second] = [lease('first'), lease('second')];
    expect([await first.take(), await second.take(), await second.take()]).toEqual([true, false, false]);
    expect([first.isProven, second.isProven]).toEqual([true, false]);
    await first.leave();
    expect([await second.take(), await first.take()]).toEqual([true, false]);
    await clock.advance(3_000);
    expect([await first.take(), await second.take()]).toEqual([true, false]);
  });

  it('lasts as long as it is kept', async () => {
    const { lease, clock } = leases();
    const [first, second] = [lease('first'), lease('second')];
    await first.take();
    for (let i = 0; i < 10; i += 1) {
      await clock.advance(1_100);
      await first.keep();
      expect(await second.take()).toBe(false);
    }
    await second.keep();
    expect(second.isProven).toBe(false);
  });

  it('proves nothing once it has run out, and guards nothing once another has it', async () => {
    const { lease, clock, checkpoints } = leases();
    const paused = lease('paused');
    await paused.take();
    const proof = paused.proof();
    await clock.advance(3_000);
    expect(() => paused.proof()).toThrow(TimeoutError);
    await lease('next').take();
    expect(await paused.take()).toBe(false);
    const step = { name: 'feed', expected: 0, position: 'x', lease: proof };
    await expect(checkpoints.advance(step)).rejects.toBeInstanceOf(FencedError);
  });

  it('guards what was begun under it where nobody else took it, though it had run out', async () => {
    const { lease, clock, checkpoints } = leases();
    const paused = lease('paused');
    await paused.take();
    const before = paused.proof();
    await clock.advance(5_000);
    await paused.take();
    expect(paused.proof()).toEqual(before);
    const step = { name: 'feed', expected: 0, position: 'x', lease: before };
    expect(await checkpoints.advance(step)).toMatchObject({ position: 'x' });
  });
});
