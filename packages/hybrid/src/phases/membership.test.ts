import { FencedError, InvalidOptionsError, TimeoutError } from '@polyphase/core';
import { memoryRelationalStore } from '@polyphase/core/memory';
import { manualClock } from '@polyphase/core/testing';
import { describe, expect, it } from 'vitest';
import { Membership } from './membership.ts';

function members() {
  const clock = manualClock();
  const { leases, checkpoints } = memoryRelationalStore({ clock });
  const member = (holder: string, durationMs = 3_000) =>
    new Membership({ leases, group: 'notes', holder, durationMs, clock });
  /** Lets time pass, while a living process renews, until a promise is settled. */
  const passing = async <Result>(promise: Promise<Result>, living?: Membership): Promise<Result> => {
    const over = new AbortController();
    const settled = promise.finally(() => over.abort());
    settled.catch(() => undefined);
    for (let i = 0; !over.signal.aborted && i < 1_000; i += 1) {
      await living?.keep();
      await clock.advance(100);
    }
    return settled;
  };
  return { clock, checkpoints, member, passing };
}

describe('Membership', () => {
  it('refuses a second process while the first one lives, and names it', async () => {
    const { member, passing } = members();
    const first = member('first');
    await first.join();
    const second = member('second');
    const joined = passing(second.join(), first);
    await expect(joined).rejects.toBeInstanceOf(InvalidOptionsError);
    await expect(joined).rejects.toThrow('first');
    expect([first.state, second.state]).toEqual(['held', 'taken']);
  });

  it('waits for the lease that a dead process left behind, however long it was', async () => {
    const { member, passing, clock } = members();
    await member('dead', 9_000).join();
    const next = member('next');
    await passing(next.join());
    expect(next.state).toBe('held');
    expect(clock.monotonic()).toBeLessThan(9_500);
  });

  it('takes over at once what was given up', async () => {
    const { member } = members();
    const first = member('first');
    await first.join();
    await first.leave();
    const next = member('next');
    await next.join();
    expect(next.state).toBe('held');
  });

  it('proves nothing while it has run out, and is lost for good once another took it', async () => {
    const { member, clock, checkpoints } = members();
    const paused = member('paused');
    await paused.join();
    const proof = paused.proof();
    await clock.advance(3_000);
    expect(() => paused.proof()).toThrow(TimeoutError);
    await member('next').join();
    await expect(paused.keep()).rejects.toBeInstanceOf(FencedError);
    const step = { name: 'feed', expected: 0, position: 'x', lease: proof };
    await expect(checkpoints.advance(step)).rejects.toBeInstanceOf(FencedError);
  });

  it('is kept where nobody else took it, though it had run out', async () => {
    const { member, clock } = members();
    const paused = member('paused');
    await paused.join();
    await clock.advance(5_000);
    await paused.keep();
    expect(paused.proof().name).toBe('member:notes');
  });
});
