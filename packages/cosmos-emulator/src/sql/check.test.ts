import { describe, expect, it } from 'vitest';
import { parseQuery } from './parse.ts';
import { compileTop } from './query-engine.ts';

const compiling = (query: string) => () => compileTop(parseQuery(query));

/** The error of a query, with the part of its text that it points at. */
function refusal(query: string): { code: unknown; message: string; at: string } {
  try {
    compiling(query)();
  } catch (error) {
    const text = error instanceof Error ? error.message : '';
    const body: { errors: [{ code: unknown; message: string; location: { start: number; end: number } }] } =
      JSON.parse(text.replace('Message: ', ''));
    const [{ code, message, location }] = body.errors;
    return { code, message, at: query.slice(location.start, location.end) };
  }
  throw new Error(`${query} was not refused.`);
}

describe('a query is refused', () => {
  const ungrouped = (reference: string) =>
    `Property reference '${reference}' is invalid in the select list because it is not contained in either an aggregate function or the GROUP BY clause.`;
  it.each([
    ['SELECT d.a FROM c', 'SC2001', "Identifier 'd' could not be resolved.", 'd'],
    ['SELECT C.a FROM c', 'SC2001', "Identifier 'C' could not be resolved.", 'C'],
    ['SELECT c.a FROM c d', 'SC2001', "Identifier 'c' could not be resolved.", 'c'],
    ['SELECT c.a FROM t IN c.tags', 'SC2001', "Identifier 'c' could not be resolved.", 'c'],
    ['SELECT NULL', 'SC2001', "Identifier 'NULL' could not be resolved.", 'NULL'],
    ['SELECT a FROM c ORDER BY c.b', 'SC2001', "Identifier 'a' could not be resolved.", 'a'],
    [
      'SELECT 1 FROM c WHERE EXISTS(SELECT 1 FROM t IN d.tags)',
      'SC2001',
      "Identifier 'd' could not be resolved.",
      'd',
    ],
    ['SELECT 1 FROM c JOIN d', 'SC2001', "Identifier 'd' could not be resolved.", 'd'],
    [
      'SELECT t FROM c WHERE EXISTS(SELECT 1 FROM t IN c.tags)',
      'SC2001',
      "Identifier 't' could not be resolved.",
      't',
    ],
    ['SELECT NOPE(c.a) FROM c', 'SC2005', "'NOPE' is not a recognized built-in function name.", 'NOPE'],
    ['SELECT upper(c.a, 1) FROM c', 'SC2050', 'The UPPER function requires 1 argument(s).', 'upper(c.a, 1)'],
    ['SELECT COUNT() FROM c', 'SC2050', 'The COUNT function requires 1 argument(s).', 'COUNT()'],
    ['SELECT SUM(1, 2) FROM c', 'SC2050', 'The SUM function requires 1 argument(s).', 'SUM(1, 2)'],
    ['SELECT *', 'SC2040', "'SELECT *' is not valid if FROM clause is omitted.", '*'],
    ['SELECT * FROM c JOIN t IN c.t', 'SC2041', "'SELECT *' is only valid with a single input set.", '*'],
    ['SELECT * FROM c GROUP BY c.a', 'SC2042', "'SELECT *' is not valid with GROUP BY clause.", '*'],
    ['SELECT c.a, c.b.d FROM c GROUP BY c.a', 'SC2103', ungrouped('c.b.d'), 'c.b.d'],
    ['SELECT c FROM c GROUP BY c.a', 'SC2103', ungrouped('c'), 'c'],
    ['SELECT c["b"], COUNT(1) FROM c', 'SC2103', ungrouped('c["b"]'), 'c["b"]'],
    ['SELECT VALUE {"a": [c.a[0]], "n": SUM(c.b)} FROM c', 'SC2103', ungrouped('c.a[0]'), 'c.a[0]'],
    ['SELECT LOWER(c.a) FROM c GROUP BY UPPER(c.a)', 'SC2103', ungrouped('c.a'), 'c.a'],
    ['SELECT COUNT(1) FROM c ORDER BY c.a', 'SC2103', ungrouped('c.a'), 'c.a'],
  ])('%s', (query, code, message, at) => {
    expect(refusal(query)).toEqual({ code, message, at });
  });

  it.each([
    ['SELECT 1 FROM c WHERE COUNT(1) > 1', 'not allowed in this clause'],
    ['SELECT 1 FROM c GROUP BY COUNT(1)', 'not allowed in this clause'],
    ['SELECT SUM(MAX(c.a)) FROM c', 'not allowed in this clause'],
    ['SELECT c.a FROM c GROUP BY c.a ORDER BY c.a', "'ORDER BY' is not supported in presence of GROUP BY."],
    ['SELECT TOP 1 * FROM c OFFSET 0 LIMIT 1', "'TOP' is not supported in presence of OFFSET LIMIT."],
    ['SELECT 1 FROM c JOIN c IN c.a', "input alias 'c' is specified more than once"],
    ['SELECT 1 FROM c ORDER BY RANK f(c.a)', "'ORDER BY RANK' is not supported."],
    [`SELECT CONCAT(${'"a",'.repeat(10_000)}"b")`, 'The CONCAT function requires'],
  ])('%s', (query, message) => {
    expect(compiling(query)).toThrow(message);
  });

  it.each([
    'SELECT c.a, COUNT(1), c["a"].b, {"x": c.a[0]}, LOWER(c.d) || "x", 1 FROM c GROUP BY c["a"], LOWER(c.d)',
    'SELECT c.a + SUM(c.b) FROM c GROUP BY c.a',
    'SELECT 1 AS one, COUNT(1) AS n, @p FROM c',
    'SELECT 1 FROM c JOIN t IN c.a WHERE EXISTS(SELECT VALUE t FROM t IN c.b)',
    'SELECT [c.a][0], COUNT(1) FROM c GROUP BY c.a',
  ])('%s is not', (query) => {
    expect(compiling(query)).not.toThrow();
  });
});

describe('limits', () => {
  const joins = (count: number) => ' JOIN t IN c.t'.repeat(count).replace(/\bt IN/g, () => `t${serial++} IN`);
  let serial = 0;

  it('hold over a query and those inside it', () => {
    expect(compiling(`SELECT 1 FROM c${joins(10)}`)).not.toThrow();
    const query = `SELECT 1 FROM c${joins(5)} WHERE EXISTS(SELECT 1 FROM d IN c.d${joins(6)})`;
    expect(refusal(query)).toEqual({
      code: 'SC3002',
      message: 'The SQL query exceeded the maximum number of joins. The allowed limit is 10.',
      at: query,
    });
    const calls = (count: number) =>
      `SELECT ${Array.from({ length: count }, () => '{"a": [udf.f(c.a)]}').join()} FROM c`;
    expect(compiling(calls(10))).not.toThrow();
    expect(refusal(calls(11))).toEqual({
      code: 'SC3005',
      message:
        'The SQL query exceeded the maximum number of user-defined function calls. The allowed limit is 10.',
      at: calls(11),
    });
  });

  it('are looked for in any query that the parser takes', () => {
    const many = '1, '.repeat(170_000);
    expect(
      compiling(`SELECT ${many}1 FROM c WHERE c.a IN (${many.slice(0, 3000)}1) GROUP BY c.a`),
    ).not.toThrow();
    const deep = `c${'.a'.repeat(1900)}`;
    expect(compiling(`SELECT ${deep}, ${deep}.b FROM c GROUP BY ${deep}`)).not.toThrow();
    expect(compiling(`SELECT c.b${' + 1'.repeat(1900)} FROM c GROUP BY c.a`)).toThrow('SC2103');
  });
});
