import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ApplyThrottle } from './apply-throttle.ts';

const page = (ms: number, records = 500) => ({ ms, records, bytes: records * 400 });

describe('ApplyThrottle', () => {
  it('never stops the work, and never pauses for ever', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            ms: fc.double({ min: 0, max: 60_000, noNaN: true }),
            records: fc.integer({ min: 0, max: 500 }),
            bytes: fc.integer({ min: 0, max: 4_000_000 }),
          }),
        ),
        (applies) => {
          const throttle = new ApplyThrottle();
          for (const applied of applies) {
            const pause = throttle.pauseAfter(applied);
            expect(pause).toBeGreaterThanOrEqual(0);
            expect(pause).toBeLessThanOrEqual(10_000);
            expect(throttle.share).toBeGreaterThanOrEqual(0.05);
            expect(throttle.share).toBeLessThanOrEqual(1);
          }
        },
      ),
    );
  });

  it('does not pause while applies take what they always took, whatever their size', () => {
    const throttle = new ApplyThrottle();
    for (let i = 0; i < 200; i += 1)
      expect(throttle.pauseAfter(page(i % 2 === 0 ? 100 : 38, i % 2 === 0 ? 500 : 160))).toBe(0);
  });

  it('gives way when applies take four times as long, and comes back with the usual', () => {
    const throttle = new ApplyThrottle();
    for (let i = 0; i < 50; i += 1) throttle.pauseAfter(page(60));
    for (let i = 0; i < 8; i += 1) throttle.pauseAfter(page(240));
    expect(throttle.share).toBeLessThan(0.3);
    expect(throttle.pauseAfter(page(240))).toBeGreaterThan(500);
    for (let i = 0; i < 30; i += 1) throttle.pauseAfter(page(60));
    expect(throttle.share).toBe(1);
  });

  it('takes what stays slow for usual in the end', () => {
    const throttle = new ApplyThrottle();
    for (let i = 0; i < 50; i += 1) throttle.pauseAfter(page(60));
    for (let i = 0; i < 200; i += 1) throttle.pauseAfter(page(240));
    expect(throttle.share).toBe(1);
  });

  it('harms nobody with what is fast, however much slower than usual', () => {
    const throttle = new ApplyThrottle();
    for (let i = 0; i < 50; i += 1) throttle.pauseAfter(page(4));
    for (let i = 0; i < 20; i += 1) expect(throttle.pauseAfter(page(40))).toBe(0);
  });
});
