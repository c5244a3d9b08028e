import { describe, expect, it } from 'vitest';
import { FencedError, TimeoutError } from './errors.ts';
import { HeldLease } from './held-lease.ts';
import { memoryRelationalStore } from './memory/index.ts';
import { manualClock } from './testing/index.ts';

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
  it('tells its work at once when it runs out, is given up, or is found to be another’s', async () => {
    const { lease, clock } = leases();
    const first = lease('first');
    expect(first.whileHeld().aborted).toBe(true);
    await first.take();
    const given = first.whileHeld();
    await first.leave();
    expect(given.reason).toBeInstanceOf(FencedError);

    await first.take();
    const kept = first.whileHeld();
    expect(first.whileHeld()).toBe(kept);
    await clock.advance(2_000);
    await first.keep();
    await clock.advance(2_999);
    expect(kept.aborted).toBe(false);
    await clock.advance(1);
    expect(String(kept.reason)).toContain('it ran out');
    await lease('second', 100).take();
    await clock.advance(100);
    // Nobody has it, but somebody had: what was begun before is over, and what begins now has a token of its own.
    await first.take();
    expect([first.isProven, first.whileHeld().aborted]).toEqual([true, false]);
  });

  it('tells its work when another had it meanwhile, though no time ran out here', async () => {
    const clock = manualClock();
    const fast = manualClock();
    const { leases: store } = memoryRelationalStore({ clock: fast });
    const first = new HeldLease({ leases: store, name: 'x', holder: 'first', durationMs: 3_000, clock });
    await first.take();
    const work = first.whileHeld();
    await fast.advance(3_000);
    const other = new HeldLease({
      leases: store,
      name: 'x',
      holder: 'other',
      durationMs: 3_000,
      clock: fast,
    });
    await other.take();
    await other.leave();
    await clock.advance(1_500);
    expect([work.aborted, await first.take(), work.aborted]).toEqual([false, true, true]);
  });
});
