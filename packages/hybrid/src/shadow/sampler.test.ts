import { describe, expect, it } from 'vitest';
import { Sampler } from './sampler.ts';

const picked = (sampler: Sampler, share: number, n: number) =>
  Array.from({ length: n }, () => sampler.takes(share));

describe('Sampler', () => {
  it.each([0, 0.001, 0.1, 0.5, 1])('picks a share of %d', (share) => {
    const taken = picked(new Sampler(Math.sqrt(5)), share, 10_000).filter(Boolean).length;
    expect(Math.abs(taken - share * 10_000)).toBeLessThanOrEqual(5);
  });

  it('picks the first, so that what is rare is seen at all', () => {
    expect(new Sampler(Math.sqrt(5)).takes(0.001)).toBe(true);
  });

  it.each([2, 3, 7, 10, 100])('is not in step with a caller that repeats itself every %d times', (every) => {
    const taken = picked(new Sampler(Math.sqrt(5)), 0.1, every * 1_000);
    for (let place = 0; place < every; place += 1) {
      const share = taken.filter((yes, i) => yes && i % every === place).length / 1_000;
      expect(share).toBeGreaterThan(0.05);
      expect(share).toBeLessThan(0.15);
    }
  });

  it('picks independently of another', () => {
    const [one, other] = [new Sampler(Math.sqrt(5)), new Sampler(Math.sqrt(2))];
    const both = Array.from({ length: 10_000 }, () => [one.takes(0.1), other.takes(0.1)]);
    expect(both.filter(([a, b]) => a && b).length).toBeLessThan(200);
  });
});
