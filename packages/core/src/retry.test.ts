import { describe, expect, it } from 'vitest';
import type { Clock } from './clock.ts';
import {
  ConflictError,
  ConnectionError,
  ThrottledError,
  TimeoutError,
  UnknownOutcomeError,
} from './errors.ts';
import { backoffMs, retryTransient } from './retry.ts';
import { manualClock } from './testing/manual-clock.ts';

/** Fails with each error in turn, then succeeds; tells when it was called. */
function failing(failures: readonly Error[], clock: Clock) {
  const calledAt: number[] = [];
  return {
    calledAt,
    call: async () => {
      calledAt.push(clock.monotonic());
      const error = failures[calledAt.length - 1];
      if (error) throw error;
      return 'done';
    },
  };
}

const connection = () => new ConnectionError({ message: 'down' });

describe('retryTransient', () => {
  it('waits longer each time, as far as the longest wait', async () => {
    const clock = manualClock();
    const { call, calledAt } = failing([connection(), connection(), connection(), connection()], clock);
    const done = retryTransient(call, { clock, baseMs: 10, maxMs: 30, random: () => 1 });
    await clock.advance(1_000);
    expect(await done).toBe('done');
    expect(calledAt).toEqual([0, 10, 30, 60, 90]);
  });

  it('waits at least what a throttled store asks for', async () => {
    const clock = manualClock();
    const throttled = new ThrottledError({ message: 'slow down', retryAfterMs: 500 });
    const { call, calledAt } = failing([throttled, new TimeoutError({ message: 'late' })], clock);
    const done = retryTransient(call, { clock, random: () => 0 });
    await clock.advance(1_000);
    await done;
    expect(calledAt).toEqual([0, 500, 500]);
  });

  it('gives up after its attempts with the last error', async () => {
    const clock = manualClock();
    const errors = [connection(), connection(), connection()];
    const { call, calledAt } = failing(errors, clock);
    const done = retryTransient(call, { clock, attempts: 3 }).catch((error: unknown) => error);
    await clock.advance(10_000);
    expect(await done).toBe(errors[2]);
    expect(calledAt).toHaveLength(3);
  });

  it.each([
    new ConflictError({ message: 'changed' }),
    new UnknownOutcomeError({ message: 'who knows', operationId: 'op' }),
    new Error('a bug'),
  ])('passes on at once what only the caller can decide about: $name', async (error) => {
    const clock = manualClock();
    const { call, calledAt } = failing([error], clock);
    await expect(retryTransient(call, { clock })).rejects.toBe(error);
    expect(calledAt).toHaveLength(1);
  });

  it('stops waiting when it is aborted', async () => {
    const clock = manualClock();
    const controller = new AbortController();
    const { signal } = controller;
    const { call, calledAt } = failing([connection()], clock);
    const done = retryTransient(call, { clock, signal, random: () => 1 });
    const reason = new Error('enough');
    await clock.advance(1);
    controller.abort(reason);
    await expect(done).rejects.toBe(reason);
    expect(calledAt).toHaveLength(1);
  });
});

it('backoff has full jitter', () => {
  expect(backoffMs(3, { baseMs: 10, maxMs: 1_000, random: () => 0.5 })).toBe(20);
  expect(backoffMs(60, { baseMs: 10, maxMs: 1_000, random: () => 1 })).toBe(1_000);
});
