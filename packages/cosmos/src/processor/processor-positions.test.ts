import { describe, expect, it } from 'vitest';
import { partsOf } from './processor-positions.ts';

const parts = (range: string, ...ranges: readonly string[]) =>
  partsOf(
    range,
    ranges.map((id) => ({ id })),
  );

describe('partsOf', () => {
  it('names the ranges that came of one in splits, however many', () => {
    expect(parts('-FF', '7F-FF', '-7F')).toEqual(['-7F', '7F-FF']);
    expect(parts('-7F', '7F-FF', '3F-7F', '-1F', '1F-3F')).toEqual(['-1F', '1F-3F', '3F-7F']);
  });

  it('is undefined for a range that is one now', () => {
    expect(parts('-7F', '-7F', '7F-FF')).toBeUndefined();
  });

  it('is undefined for a range that was merged into another, or was cut elsewhere since', () => {
    expect(parts('-7F', '-FF')).toBeUndefined();
    expect(parts('-7F', '-3F', '3F-FF')).toBeUndefined();
    expect(parts('3F-FF', '-7F', '7F-FF')).toBeUndefined();
    expect(parts('-7F')).toBeUndefined();
  });
});
