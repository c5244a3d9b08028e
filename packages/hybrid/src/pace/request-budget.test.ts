import { manualClock } from '@polyphase/core/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RequestBudget } from './request-budget.ts';

const answered = (requestUnits: number) => ({ requestUnits, throttled: 0 });
const refused = { requestUnits: 0, throttled: 1 };

/** Sends requests as fast as the budget lets them, for a while; a store of some capacity answers, and refuses what is beyond it. */
async function send(
  budget: RequestBudget,
  clock: ReturnType<typeof manualClock>,
  store: { readonly seconds: number; readonly units: number; readonly capacity: number },
) {
  const end = clock.monotonic() + store.seconds * 1_000;
  let [spent, refusals, second, used] = [0, 0, -1, 0];
  while (clock.monotonic() < end) {
    const wait = budget.waitMs;
    // A request takes a millisecond at least.
    await clock.advance(Math.max(1, wait));
    const now = Math.floor(clock.monotonic() / 1_000);
    if (now !== second) [second, used] = [now, 0];
    if (used + store.units > store.capacity) {
      refusals += 1;
      // The driver waits as the store asks, and tells afterwards.
      await clock.advance(100);
      budget.pay(refused);
    } else {
      used += store.units;
      spent += store.units;
      budget.pay(answered(store.units));
    }
  }
  return { perSecond: spent / store.seconds, refusals };
}

describe('RequestBudget', () => {
  it('never spends more than its bound, a burst and one request excepted', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 20, max: 5_000 }),
        fc.array(fc.record({ units: fc.integer({ min: 0, max: 800 }), refused: fc.boolean() }), {
          minLength: 20,
          maxLength: 80,
        }),
        async (mostPerSecond, requests) => {
          const clock = manualClock();
          const budget = new RequestBudget({ clock, mostPerSecond });
          let spent = 0;
          for (const request of requests) {
            const ready = budget.ready();
            while (budget.waitMs > 0) await clock.advance(Math.max(1, budget.waitMs));
            await ready;
            const seconds = clock.monotonic() / 1_000;
            expect(spent).toBeLessThanOrEqual(mostPerSecond * (seconds + 0.25) + 800);
            expect(budget.perSecond).toBeGreaterThanOrEqual(10);
            expect(budget.perSecond).toBeLessThanOrEqual(mostPerSecond);
            budget.pay({ requestUnits: request.units, throttled: request.refused ? 1 : 0 });
            spent += request.units;
          }
          expect(budget.spent).toBe(spent);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('is unlimited until the first refusal, then settles near what the store takes', async () => {
    const clock = manualClock();
    const budget = new RequestBudget({ clock });
    expect(budget.perSecond).toBe(Number.POSITIVE_INFINITY);
    await send(budget, clock, { seconds: 30, units: 10, capacity: 1_000 });
    const settled = await send(budget, clock, { seconds: 60, units: 10, capacity: 1_000 });
    expect(settled.perSecond).toBeGreaterThan(700);
    expect(settled.refusals).toBeLessThan(60);
  });

  it('counts refusals of requests in flight together as one', () => {
    const clock = manualClock();
    const budget = new RequestBudget({ clock, mostPerSecond: 1_000 });
    for (let i = 0; i < 20; i += 1) budget.pay(answered(50));
    budget.pay(refused);
    const once = budget.perSecond;
    for (let i = 0; i < 20; i += 1) budget.pay(refused);
    expect(budget.perSecond).toBe(once);
    expect(once).toBeLessThan(1_000);
  });

  it('goes on slowly through a minute of refusals, and is back a minute after it', async () => {
    const clock = manualClock();
    const budget = new RequestBudget({ clock, mostPerSecond: 400 });
    await send(budget, clock, { seconds: 10, units: 20, capacity: 10_000 });
    const storm = await send(budget, clock, { seconds: 60, units: 20, capacity: 0 });
    expect(storm.refusals).toBeGreaterThan(0);
    expect(budget.perSecond).toBeLessThan(40);
    const after = await send(budget, clock, { seconds: 60, units: 20, capacity: 10_000 });
    expect(budget.perSecond).toBe(400);
    expect(after.perSecond).toBeGreaterThan(300);
  });

  it('finds out what the store takes when it was refused before anything was known', async () => {
    const clock = manualClock();
    const budget = new RequestBudget({ clock });
    await send(budget, clock, { seconds: 20, units: 20, capacity: 0 });
    expect(budget.perSecond).toBe(10);
    const after = await send(budget, clock, { seconds: 30, units: 300, capacity: 3_000 });
    expect(after.perSecond).toBeGreaterThan(1_500);
  });

  it('stops waiting when its signal aborts', async () => {
    const clock = manualClock();
    const budget = new RequestBudget({ clock, mostPerSecond: 10 });
    budget.pay(answered(1_000));
    const stop = new AbortController();
    const waiting = budget.ready(stop.signal);
    stop.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });
});
