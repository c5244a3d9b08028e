import { describe, expect, it } from 'vitest';
import type { Value } from '../../json.ts';
import { cost, startAllowance } from '../allowance.ts';
import { findFunction } from './built-in.ts';

function call(name: string, values: readonly Value[]): Value {
  return findFunction(name)?.apply({ now: 0, spend: startAllowance() }, ...values);
}

const product = 'AdventureWorks';
const wish = 'Have a nice day!';

describe('functions over strings', () => {
  it.each<[string, Value[], Value]>([
    ['CONCAT', ['Ad', 'venture', 'Works'], product],
    ['CONCAT', ['a', 1], undefined],
    ['CONCAT', ['a', undefined], undefined],
    ['CONTAINS', [product, 'Works'], true],
    ['CONTAINS', [product, 'adventure'], false],
    ['CONTAINS', [product, 'adventure', false], false],
    ['CONTAINS', [product, 'works', true], true],
    ['CONTAINS', [product, 'works', 'true'], undefined],
    ['CONTAINS', [product, 'works', undefined], undefined],
    ['CONTAINS', [product, 1], undefined],
    ['CONTAINS', ['ΟΔΟΣ 1', 'οδος', true], true],
    ['CONTAINS_ALL_CI', [wish, 'HAVE', 'NICE', 'DAY!'], true],
    ['CONTAINS_ALL_CI', [wish, 'had', 'nice'], false],
    ['CONTAINS_ALL_CI', [wish, undefined, 'nice'], undefined],
    ['CONTAINS_ALL_CI', [wish, undefined, 'had'], false],
    ['CONTAINS_ALL_CS', [wish, 'Have', 'nice'], true],
    ['CONTAINS_ALL_CS', [wish, 'HAVE', 'nice'], false],
    ['CONTAINS_ALL_CS', [1, 'a'], undefined],
    ['CONTAINS_ANY_CI', [wish, 'had', 'NICE'], true],
    ['CONTAINS_ANY_CI', [wish, undefined, 'nice'], true],
    ['CONTAINS_ANY_CI', [wish, undefined, 'had'], undefined],
    ['CONTAINS_ANY_CI', [wish, 'had', 'been'], false],
    ['CONTAINS_ANY_CS', [wish, 'HAVE', 'NICE'], false],
    ['CONTAINS_ANY_CS', [wish, 'HAVE', 'nice'], true],
    ['ENDSWITH', [product, 'Works'], true],
    ['ENDSWITH', [product, 'works', true], true],
    ['INDEX_OF', [product, 's'], 13],
    ['INDEX_OF', [product, 'tureW'], 5],
    ['INDEX_OF', [product, 'Cosmos'], -1],
    ['INDEX_OF', [product, 'Works', 5], 9],
    ['INDEX_OF', [product, 'Adventure', 5], -1],
    ['INDEX_OF', [product, 'aD'], -1],
    ['INDEX_OF', [product, 's', undefined], undefined],
    ['LASTINDEXOF', ['abcdeabc', 'abc'], 5],
    ['LASTINDEXOF', ['abcdeabc', 'abc', 6], 0],
    ['LASTINDEXOF', ['abcdeabc', 'abc', 7], 5],
    ['LASTINDEXOF', ['abcdeabc', 'abc', 1], -1],
    ['LASTINDEXOF', ['abcdeabc', 'fg'], -1],
    ['LAST_INDEX_OF', ['abab', 'b'], 3],
    ['LASTSUBSTRINGAFTER', ['/products/shoes/boots', '/'], 'boots'],
    ['LASTSUBSTRINGAFTER', ['bike::touring::frame', '::'], 'frame'],
    ['LASTSUBSTRINGBEFORE', ['A-B-C', '-'], 'A-B'],
    ['LASTSUBSTRINGBEFORE', ['bike::touring::frame', '::'], 'bike::touring'],
    ['SUBSTRINGAFTER', ['contoso|north|2026', '|'], 'north|2026'],
    ['SUBSTRINGAFTER', ['bike', '::'], ''],
    ['SUBSTRINGBEFORE', ['a/b/c', '/'], 'a'],
    ['SUBSTRINGBEFORE', ['bike', '::'], ''],
    ['LEFT', [product, 9], 'Adventure'],
    ['LEFT', [product, 0], ''],
    ['LEFT', [product, -1], ''],
    ['LEFT', [product, 100], product],
    ['LEFT', [product, '9'], undefined],
    ['LENGTH', [product], 14],
    ['LENGTH', [''], 0],
    ['LENGTH', [null], undefined],
    ['LOWER', [product], 'adventureworks'],
    ['LTRIM', ['   AdventureWorks   '], 'AdventureWorks   '],
    ['LTRIM', ['AdventureWorks', 'Adventure'], 'Works'],
    ['REPLACE', ['This is a test', 'test', 'desk'], 'This is a desk'],
    ['REPLACE', ['a.a', 'a', '$&'], '$&.$&'],
    ['REPLACE', ['abc', '', 'x'], 'abc'],
    ['REPLACE', ['abc', 'b', 1], undefined],
    ['REPLACE', ['abc', 1, 'b'], undefined],
    ['REPLICATE', [product, 2], 'AdventureWorksAdventureWorks'],
    ['REPLICATE', [product, 0], ''],
    ['REPLICATE', [product, -1], undefined],
    ['REPLICATE', ['a', 10_001], undefined],
    ['REPLICATE', ['', 1e300], ''],
    ['REVERSE', [product], 'skroWerutnevdA'],
    ['REVERSE', ['a😀b'], 'b😀a'],
    ['RIGHT', [product, 5], 'Works'],
    ['RIGHT', [product, 0], ''],
    ['RIGHT', [product, -5], ''],
    ['RIGHT', [product, 1.9], 's'],
    ['LEFT', [product, 1.9], 'A'],
    ['REPLICATE', ['ab', 1.9], 'ab'],
    ['SUBSTRING', [product, 1.9, 1.9], 'd'],
    ['RIGHT', [product, 100], product],
    ['RTRIM', ['   AdventureWorks   '], '   AdventureWorks'],
    ['RTRIM', ['AdventureWorks', 'Works'], 'Adventure'],
    ['STARTSWITH', [product, 'adventure', true], true],
    ['STARTSWITH', [product, 'adventure'], false],
    ['STRINGEQUALS', [product, product], true],
    ['STRINGEQUALS', [product, 'ADVENTUREWORKS', true], true],
    ['STRINGEQUALS', [product, 'ADVENTUREWORKS', false], false],
    ['STRINGJOIN', [['Iropa', 'Mountain', 'Bike'], ' '], 'Iropa Mountain Bike'],
    ['STRINGJOIN', [['Iropa', 'Mountain'], undefined], undefined],
    ['STRINGJOIN', [['a', 1], '-'], undefined],
    ['STRINGJOIN', [[], '-'], ''],
    ['STRINGSPLIT', ['Handlebar', 'e'], ['Handl', 'bar']],
    ['STRINGSPLIT', ['xenmoun mountain bike', 'moun'], ['xen', ' ', 'tain bike']],
    ['STRINGSPLIT', ['Helmet', undefined], undefined],
    ['STRINGSPLIT', ['Helmet', ''], ['Helmet']],
    ['STRINGSPLIT', ['', ''], ['']],
    ['SUBSTRING', [product, 0, 9], 'Adventure'],
    ['SUBSTRING', [product, 9, 100], 'Works'],
    ['SUBSTRING', [product, 0, -1], ''],
    ['SUBSTRING', [product, 20, 1], ''],
    ['TRIM', ['   AdventureWorks   '], product],
    ['TRIM', ['xyAyx', 'yx'], 'A'],
    ['TRIM', [' a', ''], ' a'],
    ['TRIM', [1], undefined],
    ['UPPER', [product], 'ADVENTUREWORKS'],
  ])('%s(%j) is %j', (name, values, expected) => {
    expect(call(name, values)).toEqual(expected);
  });

  it('refuse to build what would exhaust the memory', () => {
    const long = 'a'.repeat(1_000_000);
    expect(() => call('REPLACE', [long, 'a', long])).toThrow(/too large/);
    expect(() => call('CONCAT', [long, long, long, long, long])).toThrow(/too large/);
    expect(() => call('STRINGJOIN', [Array.from({ length: 10 }, () => ''), long])).toThrow(/too large/);
    expect(() => call('STRINGJOIN', [Array.from({ length: 5 }, () => long), ''])).toThrow(/too large/);
    expect(call('REPLACE', ['ab'.repeat(2_000_000), 'ab', ''])).toBe('');
  });

  it('count what they read and build as work of the query', () => {
    const spent: number[] = [];
    const context = { now: 0, spend: (amount: number) => spent.push(amount / cost.text) };
    findFunction('REPLICATE')?.apply(context, 'ab', 100);
    findFunction('STRINGSPLIT')?.apply(context, 'a,b,c', ',');
    findFunction('LENGTH')?.apply(context, 'abc');
    findFunction('IS_STRING')?.apply(context, 'abc');
    findFunction('CONCAT')?.apply(context, 'abc', 'd');
    expect(spent).toEqual([2, 200, 5, 1, 3, 3, 3, 1, 4]);
  });
});
