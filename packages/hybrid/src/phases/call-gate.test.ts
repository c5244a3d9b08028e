import { FencedError, SealedError } from '@polyphase/core';
import { manualClock } from '@polyphase/core/testing';
import { describe, expect, it } from 'vitest';
import { CallGate } from './call-gate.ts';

function gateWith(limits = { holdMs: 1_000, holdCalls: 10 }) {
  const clock = manualClock();
  return { clock, gate: new CallGate({ clock, limits, entity: 'notes' }) };
}

/** What became of a promise so far. */
function watched<Result>(promise: Promise<Result>) {
  const seen: { state: 'pending' | 'done' | 'failed'; error?: unknown } = { state: 'pending' };
  const watch = async (): Promise<void> => {
    try {
      await promise;
      seen.state = 'done';
    } catch (error) {
      seen.state = 'failed';
      seen.error = error;
    }
  };
  void watch();
  return seen;
}

describe('CallGate', () => {
  it('lets calls through, and tells when none is under way', async () => {
    const { gate, clock } = gateWith();
    const first = await gate.enter();
    const second = await gate.enter();
    const idle = watched(gate.whenIdle());
    first.leave();
    first.leave();
    await clock.advance(0);
    expect(idle.state).toBe('pending');
    second.leave();
    await clock.advance(0);
    expect(idle.state).toBe('done');
  });

  it('holds calls while it is closed, and lets them through when it opens', async () => {
    const { gate, clock } = gateWith();
    gate.close();
    const held = watched(gate.enter());
    await clock.advance(999);
    expect(held.state).toBe('pending');
    gate.open();
    await clock.advance(0);
    expect(held.state).toBe('done');
    expect(gate.heldMs).toBe(999);
    expect(clock.nextMs).toBeUndefined();
  });

  it('refuses a call that waited too long, and one too many', async () => {
    const { gate, clock } = gateWith({ holdMs: 100, holdCalls: 1 });
    gate.close();
    const held = watched(gate.enter());
    await expect(gate.enter()).rejects.toBeInstanceOf(SealedError);
    await clock.advance(100);
    expect(held.error).toBeInstanceOf(SealedError);
    const next = watched(gate.enter());
    gate.open();
    await clock.advance(0);
    expect(next.state).toBe('done');
  });

  it('keeps a held call out when it was closed again before the call had its turn', async () => {
    const { gate, clock } = gateWith();
    gate.close();
    const held = watched(gate.enter());
    await clock.advance(0);
    gate.open();
    gate.close();
    const idle = watched(gate.whenIdle());
    await clock.advance(0);
    expect([held.state, idle.state]).toEqual(['pending', 'done']);
  });

  it('ends the wait of a call whose caller gave up, and leaves no listener behind', async () => {
    const { gate, clock } = gateWith();
    gate.close();
    const caller = new AbortController();
    const held = watched(gate.enter(caller.signal));
    await clock.advance(0);
    caller.abort(new Error('enough'));
    await clock.advance(0);
    expect(held.error).toEqual(new Error('enough'));
    expect(clock.nextMs).toBeUndefined();
    await expect(gate.enter(caller.signal)).rejects.toThrow('enough');
  });

  it('refuses every call once it has ended, held ones at once', async () => {
    const { gate, clock } = gateWith();
    gate.close();
    const held = watched(gate.enter());
    gate.end(() => new FencedError({ message: 'over' }));
    await clock.advance(0);
    expect(held.error).toBeInstanceOf(FencedError);
    gate.open();
    await expect(gate.enter()).rejects.toBeInstanceOf(FencedError);
  });

  it('waits no longer than its caller does', async () => {
    const { gate, clock } = gateWith();
    gate.close();
    const held = watched(gate.enter(undefined, clock.monotonic() + 10));
    await clock.advance(10);
    expect(held.error).toBeInstanceOf(SealedError);
  });
});
