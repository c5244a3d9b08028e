import { expect, it } from 'vitest';
import { type Duration, parseDuration, toMs } from './duration.ts';
import { InvalidOptionsError } from './errors.ts';

it.each([
  [0, 0],
  [250, 250],
  ['250ms', 250],
  ['1.5s', 1_500],
  ['5m', 300_000],
  ['1h', 3_600_000],
  ['7d', 604_800_000],
])('%j is %d ms', (duration, ms) => {
  expect(parseDuration(duration)).toBe(ms);
});

it.each([
  -1,
  Number.NaN,
  Infinity,
  '',
  '5',
  'm',
  '-5m',
  '5 m',
  '5M',
  '1e3ms',
  '0x1s',
  '5m\n',
  null,
  {},
  undefined,
])('refuses %j', (duration) => {
  expect(parseDuration(duration)).toBeUndefined();
});

it('toMs names the option that is wrong', () => {
  expect(toMs('2s', 'ttl')).toBe(2_000);
  expect(() => toMs('soon' as Duration, 'ttl')).toThrow(InvalidOptionsError);
  expect(() => toMs(-1, 'ttl')).toThrow(/^ttl must be/);
});
