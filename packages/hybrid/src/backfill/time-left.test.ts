import { manualClock } from '@polyphase/core/testing';
import { describe, expect, it } from 'vitest';
import { TimeLeft } from './time-left.ts';

async function work(
  timeLeft: TimeLeft,
  clock: ReturnType<typeof manualClock>,
  seconds: number,
  rate: number,
) {
  for (let i = 0; i < seconds; i += 1) {
    await clock.advance(1_000);
    timeLeft.note(rate);
  }
}

describe('TimeLeft', () => {
  it('knows nothing before work was done, and the plain average from the first second on', async () => {
    const clock = manualClock();
    const timeLeft = new TimeLeft({ clock });
    timeLeft.resume();
    expect(timeLeft.of(100)).toBeUndefined();
    await work(timeLeft, clock, 1, 50);
    expect(timeLeft.perSecond).toBeCloseTo(50, 0);
    expect(timeLeft.of(100)).toBeCloseTo(2, 0);
    expect(timeLeft.of(0)).toBe(0);
  });

  it('is right at a steady rate, and follows another within minutes', async () => {
    const clock = manualClock();
    const timeLeft = new TimeLeft({ clock });
    timeLeft.resume();
    await work(timeLeft, clock, 600, 1_000);
    expect(timeLeft.of(60_000)).toBeCloseTo(60, -1);
    await work(timeLeft, clock, 240, 100);
    expect(timeLeft.perSecond).toBeLessThan(170);
    expect(timeLeft.perSecond).toBeGreaterThan(100);
  });

  it('does not count a pause', async () => {
    const clock = manualClock();
    const timeLeft = new TimeLeft({ clock });
    timeLeft.resume();
    await work(timeLeft, clock, 60, 100);
    const before = timeLeft.perSecond;
    await clock.advance(3_600_000);
    timeLeft.resume();
    await work(timeLeft, clock, 1, 100);
    expect(timeLeft.perSecond).toBeCloseTo(before ?? 0, 0);
  });

  it('gives no time while nothing moves', async () => {
    const clock = manualClock();
    const timeLeft = new TimeLeft({ clock });
    timeLeft.resume();
    await work(timeLeft, clock, 5, 0);
    expect(timeLeft.of(10)).toBeUndefined();
  });
});
