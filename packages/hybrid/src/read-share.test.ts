import { describe, expect, it } from 'vitest';
import { ReadShare } from './read-share.ts';

const tenants = Array.from({ length: 10_000 }, (_, i) => [`tenant-${i}`]);
const covered = (percent: number) =>
  tenants.filter((tenant) => new ReadShare({ percent, partitions: [] }).covers([tenant]));

describe('ReadShare', () => {
  it.each([0, 0.5, 10, 50, 99, 100])('covers %d percent of the partitions', (percent) => {
    expect(Math.abs(covered(percent).length / 100 - percent)).toBeLessThan(1.5);
  });

  it('never takes a partition away when the share grows, and says the same each time', () => {
    const [small, large] = [covered(10), new Set(covered(30).map(String))];
    expect(small.every((tenant) => large.has(String(tenant)))).toBe(true);
    expect(covered(10)).toEqual(small);
    // What a release before says, the next must say too: callers would be sent to the other store.
    expect(small.slice(0, 3).map(String)).toEqual(['tenant-17', 'tenant-20', 'tenant-22']);
  });

  it('covers partitions that are named', () => {
    const share = new ReadShare({ percent: 0, partitions: ['["a"]', '["a",1]'] });
    expect(share.covers([['a']])).toBe(true);
    expect(share.covers([['a', 1]])).toBe(true);
    expect(share.covers([['a', '1']])).toBe(false);
    expect(share.covers([['b']])).toBe(false);
  });

  it('leaves what reaches beyond the share to the authority', () => {
    const named = new ReadShare({ percent: 0, partitions: ['["a"]'] });
    expect(named.covers([['a'], ['b']])).toBe(false);
    expect(named.covers(undefined)).toBe(false);
    expect(new ReadShare({ percent: 100, partitions: [] }).covers(undefined)).toBe(true);
  });
});
