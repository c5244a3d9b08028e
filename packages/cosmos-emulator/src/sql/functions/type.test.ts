import { describe, expect, it } from 'vitest';
import type { Value } from '../../json.ts';
import { startAllowance } from '../allowance.ts';
import { findFunction } from './built-in.ts';

describe('functions that ask for the type', () => {
  const values: Value[] = [undefined, null, true, 'AdventureWorks', 42, 1.5, 1e300, [], {}];
  it.each<[string, string]>([
    ['IS_ARRAY', '.......T.'],
    ['IS_BOOL', '..T......'],
    ['IS_DEFINED', '.TTTTTTTT'],
    ['IS_FINITE_NUMBER', '....TTT..'],
    ['IS_INTEGER', '....T....'],
    ['IS_NULL', '.T.......'],
    ['IS_NUMBER', '....TTT..'],
    ['IS_OBJECT', '........T'],
    ['IS_PRIMITIVE', '.TTTTTT..'],
    ['IS_STRING', '...T.....'],
  ])('%s knows its own', (name, expected) => {
    const answers = values.map((value) =>
      findFunction(name)?.apply({ now: 0, spend: startAllowance() }, value),
    );
    expect(answers.map((answer) => (answer === true ? 'T' : '.')).join('')).toBe(expected);
    expect(answers).not.toContain(undefined);
  });

  it.each<[Value, Value]>([
    [2 ** 63, true],
    [-(2 ** 63), true],
    [2 ** 64, false],
    [-1, true],
    [Number.POSITIVE_INFINITY, false],
  ])('IS_INTEGER asks for 64 bits: %j', (value, expected) => {
    expect(findFunction('IS_INTEGER')?.apply({ now: 0, spend: startAllowance() }, value)).toBe(expected);
  });

  it('IS_FINITE_NUMBER knows infinity and what is no number', () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(findFunction('IS_FINITE_NUMBER')?.apply({ now: 0, spend: startAllowance() }, value)).toBe(false);
      expect(findFunction('IS_NUMBER')?.apply({ now: 0, spend: startAllowance() }, value)).toBe(true);
    }
  });
});

describe('IIF', () => {
  it.each<[Value, Value]>([
    [true, 'yes'],
    [false, 'no'],
    [1, 'no'],
    ['true', 'no'],
    [{}, 'no'],
    [undefined, 'no'],
  ])('takes nothing but true for true: %j', (test, expected) => {
    expect(findFunction('IIF')?.apply({ now: 0, spend: startAllowance() }, test, 'yes', 'no')).toBe(expected);
  });

  it('gives undefined where the chosen side is', () => {
    expect(
      findFunction('IIF')?.apply({ now: 0, spend: startAllowance() }, true, undefined, 'no'),
    ).toBeUndefined();
  });
});
