import { expect, it } from 'vitest';
import { systemClock } from './clock.ts';

it('the system clock sleeps, and stops at once when it is aborted', async () => {
  const before = systemClock.monotonic();
  await systemClock.sleep(5);
  expect(systemClock.monotonic() - before).toBeGreaterThanOrEqual(4);
  const controller = new AbortController();
  const reason = new Error('enough');
  const sleeping = systemClock.sleep(60_000, controller.signal);
  controller.abort(reason);
  await expect(sleeping).rejects.toBe(reason);
  await expect(systemClock.sleep(60_000, controller.signal)).rejects.toBe(reason);
  expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1_000);
});
