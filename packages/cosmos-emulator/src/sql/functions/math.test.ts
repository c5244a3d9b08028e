import { describe, expect, it } from 'vitest';
import type { Value } from '../../json.ts';
import { startAllowance } from '../allowance.ts';
import { findFunction } from './built-in.ts';

function call(name: string, values: readonly Value[]): Value {
  return findFunction(name)?.apply({ now: 0, spend: startAllowance() }, ...values);
}

describe('functions over numbers', () => {
  it.each<[string, Value[], Value]>([
    ['ABS', [-1], 1],
    ['ABS', [0], 0],
    ['ACOS', [-1], Math.PI],
    ['ACOS', [2], undefined],
    ['ASIN', [-1], -1.5707963267948966],
    ['ATAN', [-45.01], -1.5485826962062663],
    ['ATN2', [35.175643, 129.44], 0.265344532064832],
    ['CEILING', [62.6], 63],
    ['CEILING', [-123.45], -123],
    ['COS', [14.78], -0.5994654261946543],
    ['COT', [124.1332], -0.040311998371148884],
    ['COT', [0], undefined],
    ['DEGREES', [Math.PI / 2], 90],
    ['EXP', [10], 22026.465794806718],
    ['EXP', [1000], undefined],
    ['FLOOR', [62.6], 62],
    ['FLOOR', [-123.45], -124],
    ['LOG', [10], Math.LN10],
    ['LOG', [8, 2], 3],
    ['LOG', [0], undefined],
    ['LOG', [8, undefined], undefined],
    ['LOG10', [100], 2],
    ['NUMBERBIN', [37.752, -100], 100],
    ['NUMBERBIN', [37.752, 10], 30],
    ['NUMBERBIN', [37.752, 1], 37],
    ['NUMBERBIN', [37.752], 37],
    ['NUMBERBIN', [37.752, 0], undefined],
    ['NUMBERBIN', [37.752, 0.1], 37.7],
    ['NUMBERBIN', [37.752, 0.01], 37.75],
    ['NUMBERBIN', [155.23478, 0.01], 155.23],
    ['PI', [], Math.PI],
    ['POWER', [2, 3], 8],
    ['POWER', [2.5, 3], 15.625],
    ['POWER', [0, -1], undefined],
    ['RADIANS', [-45.01], -0.7855726963226477],
    ['RADIANS', [197.1099392], 3.4402174274458375],
    ['ROUND', [2.4], 2],
    ['ROUND', [2.5], 3],
    ['ROUND', [-2.4], -2],
    ['ROUND', [-2.5], -3],
    ['ROUND', [-2.6], -3],
    ['ROUND', [1.256, 2], 1.26],
    ['ROUND', [1234.5, -2], 1200],
    ['ROUND', [1.5, 400], 1.5],
    ['ROUND', [1.5, -400], undefined],
    ['ROUND', [1.5, 0.5], undefined],
    ['SIGN', [-2], -1],
    ['SIGN', [0], 0],
    ['SIN', [45.175643], 0.929607286611012],
    ['SQRT', [3], 1.7320508075688772],
    ['SQRT', [-1], undefined],
    ['SQUARE', [2], 4],
    ['TAN', [Math.PI / 2], 16331239353195370],
    ['TRUNC', [2.6], 2],
    ['TRUNC', [-2.6], -2],
    ['ABS', ['1'], undefined],
    ['ABS', [null], undefined],
    ['ABS', [undefined], undefined],
    ['POWER', [2, '3'], undefined],
  ])('%s(%j) is %j', (name, values, expected) => {
    expect(call(name, values)).toEqual(expected);
  });

  it('give a random number from 0 up to 1', () => {
    const number = call('RAND', []);
    expect(number).toBeGreaterThanOrEqual(0);
    expect(number).toBeLessThan(1);
    expect(call('RAND', [])).not.toBe(number);
  });
});

describe('functions over integers of 64 bits', () => {
  it.each<[string, Value[], Value]>([
    ['INTADD', [20, 10], 30],
    ['INTADD', [20, 0.4], undefined],
    ['INTADD', [20, '10'], undefined],
    ['INTADD', [2 ** 63, 2 ** 63], 0],
    ['INTADD', [1e300, 1], undefined],
    ['INTBITAND', [15, 25], 9],
    ['INTBITLEFTSHIFT', [16, 4], 256],
    ['INTBITLEFTSHIFT', [16, 0.4], undefined],
    ['INTBITLEFTSHIFT', [1, 40], 1_099_511_627_776],
    ['INTBITLEFTSHIFT', [1, 63], -(2 ** 63)],
    ['INTBITNOT', [65], -66],
    ['INTBITNOT', [0.1], undefined],
    ['INTBITNOT', [1e300], undefined],
    ['INTBITOR', [56, 100], 124],
    ['INTBITRIGHTSHIFT', [16, 4], 1],
    ['INTBITRIGHTSHIFT', [-16, 2], -4],
    ['INTBITXOR', [56, 100], 92],
    ['INTDIV', [10, 2], 5],
    ['INTDIV', [-7, 2], -3],
    ['INTDIV', [10, 0], undefined],
    ['INTMOD', [12, 5], 2],
    ['INTMOD', [-12, 5], -2],
    ['INTMOD', [12, 0], undefined],
    ['INTMUL', [20, 10], 200],
    ['INTMUL', [2 ** 62, 4], 0],
    ['INTSUB', [25, 10], 15],
  ])('%s(%j) is %j', (name, values, expected) => {
    expect(call(name, values)).toEqual(expected);
  });
});
