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
    ['c.a & 4 = 4 < 5 || c.b | 1', '((c.a & (4 = (4 < 5))) || (c.b | 1))'],
    ['1 - 2 - 3 || 4 + 5 >> 1', '(((1 - 2) - 3) || ((4 + 5) >> 1))'],
    ['1-1+-1', '((1 - 1) + (- 1))'],
    ['-c.a < ~1', '((- c.a) < (~ 1))'],
    ["(c.a || 'x') = 'yx'", '((c.a || "x") = "yx")'],
    ['c.a = 1 IN (true, false) AND c.b', '(((c.a = 1) IN (true, false)) AND c.b)'],
    ['((c.a OR c.b).d = 1 OR (c.e)) ? 1 : ((2))', '((((c.a OR c.b).d = 1) OR c.e) ? 1 : 2)'],
    ['c.a BETWEEN 1 + 1 AND 5 AND c.b', '((c.a BETWEEN (1 + 1) AND 5) AND c.b)'],
    ['NOT c.a = 1 AND NOT c.b IN (1)', '((NOT (c.a = 1)) AND (NOT (c.b IN (1))))'],
    ['c.a = NOT c.b AND -NOT c.d > 1', '((c.a = (NOT c.b)) AND ((- (NOT c.d)) > 1))'],
    ['c.a ?? c.b OR c.d', '(c.a ?? (c.b OR c.d))'],
    ['c.a ?? c.b ?? 1', '((c.a ?? c.b) ?? 1)'],
    ['c.a ? 1 : c.b ? 2 : 3', '(c.a ? 1 : (c.b ? 2 : 3))'],
    [
      'c.a NOT BETWEEN 1 AND 2 AND c.b NOT IN (1, "x")',
      '((c.a NOT BETWEEN 1 AND 2) AND (c.b NOT IN (1, "x")))',
    ],
    ["c.a LIKE 'x!%' ESCAPE '!'", '(c.a LIKE "x!%" ESCAPE "!")'],
    ['c["odd name"][0]["order"].b', 'c["odd name"][0]["order"].b'],
    ['NOT NOT c.a', '(NOT (NOT c.a))'],
    ['EXISTS(SELECT VALUE 1 FROM t IN c.t)', 'EXISTS(SELECT VALUE 1 FROM t IN c.t)'],
    ['(SELECT VALUE COUNT(1) FROM t IN c.t) > 1', '((SELECT VALUE COUNT(1) FROM t IN c.t) > 1)'],
    ['ALL(SELECT VALUE t FROM t IN c.t)', 'ALL(SELECT VALUE t FROM t IN c.t)'],
    ['FIRST(SELECT 1).a = last(SELECT 2)["a"]', '(FIRST(SELECT 1).a = LAST(SELECT 2)["a"])'],
    ['udf.f(c.a, 1).b', 'udf.f(c.a, 1).b'],
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
    'SELECT 1',
    'select distinct top 5 value c.a from c where c.b group by c.b order by c.b asc offset 1 limit 2',
    'SELECT TOP @n * FROM c OFFSET @a LIMIT @b',
    'SELECT TOP 1.5 * FROM c OFFSET -1 LIMIT +2',
    'SELECT *',
    'SELECT c.a b, 1 AS first, 2 last FROM c',
    'SELECT VALUE NULL + True + Infinity + NaN',
    'SELECT c.all, c.first, c.last, c.NULL, c.count FROM c',
    'SELECT c["value"], c[\'order\'], c[@p], c[1 + 1], c["a"]["b"][0] FROM c',
    'SELECT "x".y, [1][0], {"a": 1}.a, @p.x, f(1).y, (SELECT 1).x, EXISTS(SELECT 1).x',
    'SELECT [], {}, [[]], [{}], {"a": {"b": []}, c: 1}',
    String.raw`SELECT '', "", 'it\'s', "a\"b", '\u00e9\n\t\r\b\f\/\\'`,
    'SELECT 0, 007, 1., .5, 1.5e10, 1E-3, 1e+3, 0x1F, 1e999',
    'SELECT LEFT("a", 1), right("a", 1), ALL(1), FIRST(), COUNT(), COUNT(1, 2), nothing()',
    'SELECT udf.f(), udf.g(1, [2]), UDF',
    'SELECT * FROM c AS d',
    'SELECT * FROM c.a.b[0]["d"][-1] e',
    'SELECT * FROM ROOT',
    'SELECT * FROM t IN c.tags',
    'SELECT * FROM c JOIN t IN c.tags JOIN c.a JOIN u IN (SELECT VALUE t) JOIN (SELECT 1) AS v',
    'SELECT * FROM (SELECT * FROM c ORDER BY c.a OFFSET 0 LIMIT 1) AS c',
    'SELECT 1 WHERE true',
    'SELECT 1 GROUP BY 1 ORDER BY 1',
    'SELECT * FROM c ORDER BY c.a, c.b DESC, c.d ASC',
    'SELECT * FROM c ORDER BY RANK VectorDistance(c.v, [1])',
    'SELECT * FROM c ORDER BY RANK RRF(f(c.a), g(c.b)) DESC, h()',
    'SELECT -1, - - 1, +-~1, NOT NOT true, 1 + NOT false',
    'SELECT a ? b : c ? d : e, a ?? b ?? c, a ? b ?? c : d, (a ? b : c) ?? d',
    'SELECT a IN (1), a NOT IN (1, (SELECT 1)), a LIKE b, a NOT LIKE "x" || "y" ESCAPE "!", a NOT BETWEEN 1 AND 2',
    'SELECT 1 -- the rest of the line, even SELECT\n/* and\n more */ , 2',
    'SELECT\t1\r\n',
  ])('takes %s, and what it prints reads the same', (query) => {
    expect(printed(printed(query))).toBe(printed(query));
  });

  it.each([
    '',
    '   ',
    'UPDATE c',
    'FROM c',
    'SELECT',
    'SELECT FROM c',
    'SELECT 1;',
    'SELECT 1; SELECT 2',
    'SELECT 1 SELECT 2',
    'SELECT *, c.a FROM c',
    'SELECT c.* FROM c',
    'SELECT VALUE * FROM c',
    'SELECT VALUE 1, 2',
    'SELECT VALUE 1 AS a',
    'SELECT COUNT(*) FROM c',
    'SELECT a, FROM c',
    'SELECT , a',
    'SELECT c.x AS value FROM c',
    "SELECT c.x AS 'x' FROM c",
    'SELECT c.x AS FROM c',
    'SELECT c. FROM c',
    'SELECT c..a FROM c',
    ...['order', 'value', 'left', 'RIGHT', 'rank', 'true', 'null', 'undefined', 'udf', 'array', 'exists'].map(
      (word) => `SELECT c.${word} FROM c`,
    ),
    'SELECT c."a" FROM c',
    'SELECT c.1 FROM c',
    'SELECT c[] FROM c',
    'SELECT c.$a FROM c',
    'SELECT c.naïve FROM c',
    'SELECT left',
    'SELECT f(1,)',
    'SELECT f(,1)',
    'SELECT f(1',
    'SELECT c.f(1) FROM c',
    'SELECT udf.a.b(1)',
    'SELECT udf.f',
    'SELECT UDF.f(1)',
    'SELECT [1,]',
    'SELECT [1',
    'SELECT {"a" 1}',
    'SELECT {"a": 1,}',
    'SELECT {a}',
    'SELECT {value: 1}',
    'SELECT {1: 1}',
    'SELECT {["a"]: 1}',
    'SELECT (1 FROM c',
    'SELECT ()',
    'SELECT (1, 2)',
    'SELECT SELECT 1',
    'SELECT EXISTS(1)',
    'SELECT ARRAY(1)',
    'SELECT EXISTS SELECT 1',
    'SELECT @',
    'SELECT @1',
    'SELECT 1a',
    'SELECT 1e',
    'SELECT 0x',
    'SELECT 1.2.3',
    'SELECT \u00a01',
    'SELECT 1 # 2',
    'SELECT !true',
    'SELECT 1 == 1',
    'SELECT 1 = = 1',
    'SELECT 1 && 1',
    'SELECT 1 => 1',
    'SELECT * 2',
    'SELECT 1 +',
    'SELECT 1 NOT 2',
    'SELECT 1 NOT = 2',
    'SELECT a ? b',
    'SELECT a ? : b',
    'SELECT a ?? ',
    'SELECT a IN ()',
    'SELECT a IN 1',
    'SELECT a IN @p',
    'SELECT a IN (SELECT 1)',
    'SELECT a IN (1) = true',
    'SELECT a IN (1) IN (2)',
    'SELECT a IN (1) AND b IN (2) = true',
    'SELECT ((a) = 1',
    'SELECT ((a) b)',
    'SELECT a BETWEEN 1',
    'SELECT a BETWEEN 1 OR 2',
    'SELECT a LIKE',
    'SELECT a LIKE "x" ESCAPE',
    'SELECT a LIKE "x" ESCAPE @p',
    'SELECT a LIKE "x" ESCAPE ("!")',
    "SELECT 'open",
    "SELECT 'it''s'",
    'SELECT "a\'',
    'SELECT "a\nb"',
    String.raw`SELECT "\q"`,
    String.raw`SELECT "\u12"`,
    'SELECT TOP * FROM c',
    'SELECT TOP 5',
    'SELECT TOP (5) * FROM c',
    'SELECT TOP "5" * FROM c',
    'SELECT TOP c.a * FROM c',
    'SELECT TOP 5 DISTINCT * FROM c',
    'SELECT DISTINCT DISTINCT * FROM c',
    'SELECT * FROM',
    'SELECT * FROM c,',
    'SELECT * FROM c, d',
    'SELECT * FROM c c2 c3',
    'SELECT * FROM c AS',
    'SELECT * FROM "c"',
    'SELECT * FROM @c',
    'SELECT * FROM t IN @p',
    'SELECT * FROM t IN [1]',
    'SELECT * FROM [1]',
    'SELECT * FROM f(c)',
    'SELECT * FROM c[@p]',
    'SELECT * FROM c[c.a]',
    'SELECT * FROM 1',
    'SELECT * FROM c JOIN',
    'SELECT * FROM c LEFT JOIN t IN c.tags',
    'SELECT * FROM c JOIN t ON t.a = c.a',
    'SELECT * FROM (c)',
    'SELECT * FROM c WHERE',
    'SELECT * WHERE true FROM c',
    'SELECT * FROM c WHERE true WHERE true',
    'SELECT * FROM c GROUP c.a',
    'SELECT * FROM c GROUP BY',
    'SELECT * FROM c GROUP BY c.a HAVING true',
    'SELECT * FROM c ORDER c.a',
    'SELECT * FROM c ORDER BY',
    'SELECT * FROM c ORDER BY c.a,',
    'SELECT * FROM c ORDER BY ASC',
    'SELECT * FROM c ORDER BY c.a ASC DESC',
    'SELECT * FROM c ORDER BY RANK c.a',
    'SELECT * FROM c ORDER BY c.a GROUP BY c.a',
    'SELECT * FROM c LIMIT 1',
    'SELECT * FROM c OFFSET 1',
    'SELECT * FROM c LIMIT 1 OFFSET 1',
    'SELECT * FROM c OFFSET 1 LIMIT',
    'SELECT * FROM c OFFSET 1 + 1 LIMIT 1',
    'SELECT * FROM c OFFSET "1" LIMIT 1',
    'SELECT /* open',
    'SELECT * FROM c UNION SELECT * FROM d',
  ])('refuses "%s"', (query) => {
    expect(() => parseQuery(query)).toThrow('"code":"SC1001"');
  });

  it('takes long chains, and refuses endless ones', () => {
    for (const link of [' AND c.a', ' + 1', '.a', '[0]', ' ?? 1']) {
      expect(() => parseQuery(`SELECT c${link.repeat(1900)} FROM c`)).not.toThrow();
      expect(() => parseQuery(`SELECT c${link.repeat(30_000)} FROM c`)).toThrow('maximum depth');
    }
  });

  it.each([
    ['parentheses', `SELECT ${'(1+'.repeat(5000)}1${')'.repeat(5000)}`],
    ['negations', `SELECT ${'NOT '.repeat(50_000)}true`],
    ['signs', `SELECT ${'- '.repeat(50_000)}1`],
    ['arrays', `SELECT ${'['.repeat(5000)}${']'.repeat(5000)}`],
    ['subqueries', `SELECT ${'(SELECT '.repeat(3000)}1${')'.repeat(3000)}`],
  ])('refuses %s nested without end, and does not run out of stack', (_name, query) => {
    expect(() => parseQuery(query)).toThrow('maximum depth');
  });

  it('takes parentheses around each part of a long chain, as printing makes them', () => {
    const printedChain = `SELECT ${'('.repeat(1900)}c.a${' OR c.b)'.repeat(1900)} FROM c`;
    expect(printed(printed(printedChain))).toBe(printed(printedChain));
    expect(() => parseQuery(`SELECT ${'('.repeat(30_000)}c.a${' OR c.b)'.repeat(30_000)} FROM c`)).toThrow(
      'maximum depth',
    );
    expect(() => parseQuery(`SELECT ${'('.repeat(100_000)}1${')'.repeat(100_000)}`)).not.toThrow();
  });

  it('reads a long text in linear time', () => {
    const long = 'x'.repeat(500_000);
    expect(() => parseQuery(`SELECT '${long}'`)).not.toThrow();
    expect(() => parseQuery(`SELECT '${long}`)).toThrow('SC1001');
    expect(() => parseQuery(`SELECT ${long}`)).not.toThrow();
    expect(() => parseQuery(`SELECT ${'1'.repeat(500_000)}x`)).toThrow('SC1001');
    expect(() => parseQuery(`SELECT ${'/*'.repeat(250_000)}`)).toThrow('SC1001');
    expect(() => parseQuery(`SELECT [${'1,'.repeat(250_000)}1]`)).not.toThrow();
  });

  it('refuses a text that is too long', () => {
    expect(() => parseQuery(`SELECT '${'x'.repeat(600_000)}'`)).toThrow('maximum limit of 524288 characters');
  });
});
