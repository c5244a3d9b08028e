import { describe, expect, it } from 'vitest';
import { parseQuery } from './parse.ts';
import { printQuery } from './print.ts';

const printed = (query: string) => printQuery(parseQuery(query)).replaceAll('\n', ' ');
const where = (filter: string) =>
  printed(`SELECT * FROM c WHERE ${filter}`).replace('SELECT * FROM c WHERE ', '');

describe('parseQuery', () => {
  it.each([
    ['c.a = 1 OR c.b = 2 AND NOT c.d', '((c.a = 1) OR ((c.b = 2) AND (NOT c.d)))'],
    ['1 + 2 * 3 - 4 % 5', '((1 + (2 * 3)) - (4 % 5))'],
    ['c.a | 1 & 2 ^ 3 << 1', '(c.a | ((1 & 2) ^ (3 << 1)))'],
    ['-c.a < ~1', '((- c.a) < (~ 1))'],
    ["c.a || 'x' = 'yx'", '((c.a || "x") = "yx")'],
    ['c.a ?? c.b ?? 1', '((c.a ?? c.b) ?? 1)'],
    ['c.a ? 1 : c.b ? 2 : 3', '(c.a ? 1 : (c.b ? 2 : 3))'],
    [
      'c.a NOT BETWEEN 1 AND 2 AND c.b NOT IN (1, "x")',
      '((c.a NOT BETWEEN 1 AND 2) AND (c.b NOT IN (1, "x")))',
    ],
    ["c.a LIKE 'x!%' ESCAPE '!'", '(c.a LIKE "x!%" ESCAPE "!")'],
    ['c["odd name"][0]["order"].b', 'c["odd name"][0]["order"].b'],
    ['NOT NOT !c.a', '(NOT (NOT (NOT c.a)))'],
    ['EXISTS(SELECT VALUE 1 FROM t IN c.t)', 'EXISTS(SELECT VALUE 1 FROM t IN c.t)'],
    ['(SELECT VALUE COUNT(*) FROM t IN c.t) > 1', '((SELECT VALUE COUNT(1) FROM t IN c.t) > 1)'],
    ["{a: 1, 'b': [true, null, undefined]} != @p", '({"a": 1, "b": [true, null, undefined]} != @p)'],
    ['c.a <> 1', '(c.a != 1)'],
  ])('groups %s', (filter, expected) => {
    expect(where(filter)).toBe(expected);
  });

  it('reads every clause, and what it prints reads the same', () => {
    const query =
      'SELECT DISTINCT TOP 5 c.a AS x, t, COUNT(1) FROM root.items c JOIN t IN c.tags JOIN (SELECT VALUE 1) AS one WHERE c.a > 0 GROUP BY c.a, t OFFSET 1 LIMIT @n';
    expect(printed(printed(query))).toBe(printed(query));
    expect(printed(query)).toContain(
      'FROM root.items AS c JOIN t IN c.tags JOIN (SELECT VALUE 1) AS one WHERE',
    );
    expect(printed('SELECT VALUE c FROM c ORDER BY c.a, c.b DESC')).toBe(
      'SELECT VALUE c FROM c ORDER BY c.a, c.b DESC',
    );
  });

  it.each([
    'SELECT',
    'SELECT * FROM',
    'SELECT * FROM c WHERE',
    'SELECT * FROM c c2 c3',
    'SELECT a, FROM c',
    'SELECT [1, FROM c',
    'SELECT * FROM c ORDER c.a',
    'SELECT * FROM c GROUP BY',
    'SELECT * FROM c OFFSET 1',
    'SELECT * FROM c WHERE c.a = = 1',
    'SELECT (1 FROM c',
    'SELECT c. FROM c',
    'SELECT c.order FROM c',
    'UPDATE c',
    '',
    'SELECT * FROM c WHERE c.a BETWEEN 1',
    'SELECT c.x AS value FROM c',
  ])('refuses "%s"', (query) => {
    expect(() => parseQuery(query)).toThrow('"code":"SC1001"');
  });

  it.each([
    ['parentheses', `SELECT ${'('.repeat(5000)}1${')'.repeat(5000)}`],
    ['negations', `SELECT ${'NOT '.repeat(50_000)}true`],
    ['signs', `SELECT ${'- '.repeat(50_000)}1`],
    ['arrays', `SELECT ${'['.repeat(5000)}${']'.repeat(5000)}`],
    ['subqueries', `SELECT ${'(SELECT '.repeat(3000)}1${')'.repeat(3000)}`],
  ])('refuses %s nested without end, and does not run out of stack', (_name, query) => {
    expect(() => parseQuery(query)).toThrow('maximum depth');
  });

  it('refuses a text that is too long', () => {
    expect(() => parseQuery(`SELECT '${'x'.repeat(600_000)}'`)).toThrow('512 KB');
  });
});
