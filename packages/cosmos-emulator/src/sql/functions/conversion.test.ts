import { describe, expect, it } from 'vitest';
import type { Value } from '../../json.ts';
import { startAllowance } from '../allowance.ts';
import { findFunction } from './built-in.ts';

describe('functions from and to strings', () => {
  it.each<[string, Value, Value]>([
    ['STRINGTOARRAY', '[]', []],
    ['STRINGTOARRAY', '[ "coats", "gloves", "hats" ]', ['coats', 'gloves', 'hats']],
    [
      'STRINGTOARRAY',
      '[ { "types": [ "coats" ] }, 76, false, null ]',
      [{ types: ['coats'] }, 76, false, null],
    ],
    ['STRINGTOARRAY', "[ 'coats', 'gloves', 'hats' ]", undefined],
    ['STRINGTOARRAY', '[1,]', undefined],
    ['STRINGTOARRAY', '{}', undefined],
    ['STRINGTOARRAY', null, undefined],
    ['STRINGTOARRAY', `${'['.repeat(500)}${']'.repeat(500)}`, undefined],
    ['STRINGTOBOOLEAN', 'true', true],
    ['STRINGTOBOOLEAN', '    false ', false],
    ['STRINGTOBOOLEAN', 'TRUE', undefined],
    ['STRINGTOBOOLEAN', '"true"', undefined],
    ['STRINGTOBOOLEAN', true, undefined],
    ['STRINGTONULL', 'null', null],
    ['STRINGTONULL', '  null', null],
    ['STRINGTONULL', 'Null', undefined],
    ['STRINGTONUMBER', '100', 100],
    ['STRINGTONUMBER', '3.14', 3.14],
    ['STRINGTONUMBER', '   60   ', 60],
    ['STRINGTONUMBER', '-1.79769e+308', -1.79769e308],
    ['STRINGTONUMBER', 'Hello', undefined],
    ['STRINGTONUMBER', '', undefined],
    ['STRINGTONUMBER', '0xF', undefined],
    ['STRINGTONUMBER', '+1', undefined],
    ['STRINGTONUMBER', '1e999', undefined],
    ['STRINGTONUMBER', 'NaN', undefined],
    ['STRINGTONUMBER', 1, undefined],
    ['STRINGTOOBJECT', '{ "a": { "b": [1] } }', { a: { b: [1] } }],
    ['STRINGTOOBJECT', "{ 'a': 1 }", undefined],
    ['STRINGTOOBJECT', '{ a: 1 }', undefined],
    ['STRINGTOOBJECT', '[]', undefined],
    ['TOSTRING', 'AdventureWorks', 'AdventureWorks'],
    ['TOSTRING', 1, '1'],
    ['TOSTRING', 0.1234, '0.1234'],
    ['TOSTRING', Number.NaN, 'NaN'],
    ['TOSTRING', Number.POSITIVE_INFINITY, 'Infinity'],
    ['TOSTRING', false, 'false'],
    ['TOSTRING', null, 'null'],
    ['TOSTRING', { a: [1, 'b'] }, '{"a":[1,"b"]}'],
    ['TOSTRING', undefined, undefined],
  ])('%s(%j) is %j', (name, value, expected) => {
    expect(findFunction(name)?.apply({ now: 0, spend: startAllowance() }, value)).toEqual(expected);
  });
});
