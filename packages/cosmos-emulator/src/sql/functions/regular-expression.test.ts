import { describe, expect, it } from 'vitest';
import type { Value } from '../../json.ts';
import { startAllowance } from '../allowance.ts';
import { findFunction } from './built-in.ts';

function matches(...values: Value[]): Value {
  return findFunction('REGEXMATCH')?.apply({ now: 0, spend: startAllowance() }, ...values);
}

describe('REGEXMATCH', () => {
  it.each<[Value[], Value]>([
    [['abcd', 'ABC'], false],
    [['abcd', 'ABC', 'i'], true],
    [['abcd', 'ab.', ''], true],
    [['abcd', 'ab c', 'x'], true],
    [['abcd', 'aB c', 'ix'], true],
    [['abcd', 'ab c'], false],
    [['a b', 'a\\ b  # with a blank', 'x'], true],
    [['a b', 'a[ ]b', 'x'], true],
    [['03a', '[0-9]'], true],
    [['salt3824908', 'salt{1}'], true],
    [['shame', 's....', 'i'], true],
    [['a\nb', 'a.b'], false],
    [['a\nb', 'a.b', 's'], true],
    [['a\nb', '^b$'], false],
    [['a\nb', '^b$', 'm'], true],
    [['a\nB', '^ b $', 'mix'], true],
    [['foobar', '(?<=foo)bar'], true],
    [['foobar', '^(?!foo)'], false],
    [['barfoo', '^(?!foo)'], true],
    [['abab', '^(ab)\\1$'], true],
    [['abac', '^(ab)\\1$'], false],
    [['ABab', '^(ab)\\1$', 'i'], true],
    [['abc', 'a', 'g'], undefined],
    [['abc', '('], undefined],
    [['abc', 'a', undefined], undefined],
    [[1, '1'], undefined],
    [['1', 1], undefined],
    [['1', undefined], undefined],
  ])('of %j is %j', (values, expected) => {
    expect(matches(...values)).toBe(expected);
  });

  it('answers in bounded time whatever the pattern', () => {
    const start = performance.now();
    const text = 'a'.repeat(50_000);
    expect(matches(text, '^(a+)+$')).toBe(true);
    expect(matches(`${text}b`, '^(a+)+$')).toBe(false);
    expect(matches(`${text}b`, '(a|aa)+$')).toBe(false);
    expect(() => matches(text.repeat(40), '(?:[a-z]{0,500}[b-z]){2}b?$')).toThrow(/too complex/);
    expect(() => matches(`${text}b`, '^(?=a)(a+)+$')).toThrow(/too complex/);
    expect(() => matches(`${text}b`, '^(a*)*\\1$')).toThrow(/too complex/);
    expect(performance.now() - start).toBeLessThan(10_000);
  });

  it('is part of the work that a request may take', () => {
    const context = { now: 0, spend: startAllowance(10_000_000) };
    const match = (): Value =>
      findFunction('REGEXMATCH')?.apply(context, `${'xz'.repeat(5000)}yq`, '(?:[a-z]{0,500}[x-z]){2}y$');
    const manyTimes = (): void => {
      for (let at = 0; at < 100; at++) match();
    };
    expect(manyTimes).toThrow(/maximum amount of work/);
  });
});
