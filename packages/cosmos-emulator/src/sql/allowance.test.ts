import { describe, expect, it } from 'vitest';
import type { Json } from '../json.ts';
import { cost, startAllowance, weigh } from './allowance.ts';
import { parseQuery } from './parse.ts';
import { compileTop } from './query-engine.ts';
import { startRun } from './scope.ts';

const numbers = Array.from({ length: 1000 }, (_, at) => at);

function run(query: string, document: Json): Json[] {
  return runOver(query, [document]);
}

function runOver(query: string, documents: readonly Json[]): Json[] {
  const compiled = compileTop(parseQuery(query));
  // A hundredth of the allowance, so that the tests are soon done.
  const spend = startAllowance(30_000_000);
  return compiled.executeOver(documents, { ...startRun({ parameters: new Map(), now: 0 }), spend });
}

describe('a query that runs away is refused', () => {
  const nested = (levels: number) => {
    let from = '(SELECT VALUE [c, c, c, c, c, c, c, c, c, c])';
    for (let at = 0; at < levels; at++) from = `(SELECT VALUE [a,a,a,a,a,a,a,a,a,a] FROM ${from} AS a)`;
    return `SELECT VALUE a FROM c JOIN ${from} AS a`;
  };
  const derived = (clause: string) => {
    let from = `(SELECT ${clause} VALUE c.n FROM c)`;
    for (let at = 0; at < 9; at++) from = `(SELECT ${clause} VALUE [a,a,a,a,a,a,a,a,a,a] FROM ${from} AS a)`;
    return from;
  };
  it.each([
    ['joins', 'SELECT VALUE 1 FROM c JOIN a IN c.n JOIN b IN c.n JOIN d IN c.n WHERE false'],
    [
      'results',
      'SELECT VALUE ARRAY_LENGTH(ARRAY(SELECT VALUE 1 FROM a IN c.n JOIN b IN c.n JOIN d IN c.n)) FROM c',
    ],
    [
      'subqueries',
      'SELECT VALUE 1 FROM c JOIN a IN c.n WHERE EXISTS(SELECT 1 FROM b IN c.n JOIN d IN c.n WHERE b + d < 0)',
    ],
    ['comparisons', 'SELECT VALUE 1 FROM c JOIN a IN c.n WHERE c.deep = c.same'],
    ['groups', 'SELECT VALUE COUNT(1) FROM c JOIN a IN c.n GROUP BY c.n'],
    ['duplicates', 'SELECT DISTINCT VALUE c.n FROM c JOIN a IN c.n'],
    ['values built from values', nested(9)],
    ['values built from distinct ones', `SELECT VALUE a FROM ${derived('DISTINCT')} AS a`],
    ['values built from first ones', `SELECT VALUE a FROM ${derived('TOP 1')} AS a`],
    [
      'results built from values',
      `SELECT VALUE [a,a,a,a,a,a,a,a,a,a] FROM c JOIN (SELECT VALUE [c.n,c.n,c.n,c.n,c.n,c.n,c.n,c.n,c.n,c.n]) AS b JOIN (SELECT VALUE [b,b,b,b,b,b,b,b,b,b]) AS a`,
    ],
    ['results that repeat their source', `SELECT VALUE [${'c,'.repeat(100_000)}c] FROM c`],
    ['patterns', `SELECT VALUE c.text LIKE "%${'a'.repeat(50_000)}b%" FROM c`],
    ['texts', `SELECT VALUE LENGTH(${Array.from({ length: 1900 }, () => 'c.text').join(' || ')}) FROM c`],
  ])('for its %s', (_name, query) => {
    const lists = () => numbers.map((at) => [at]);
    const document = { n: numbers, deep: lists(), same: lists(), text: 'a'.repeat(1_000_000) };
    expect(() => run(query, document)).toThrow('maximum amount of work');
  });

  it('for the results of many documents', () => {
    const documents = Array.from({ length: 70_000 }, (): Json => ({ a: 1 }));
    expect(() => runOver('SELECT VALUE c.a FROM c', documents)).toThrow('maximum amount of work');
    expect(runOver('SELECT VALUE c.a FROM c WHERE c.b', documents)).toEqual([]);
  });

  it('and no sooner', () => {
    const document = { n: numbers.slice(0, 200) };
    expect(run('SELECT VALUE COUNT(1) FROM c JOIN a IN c.n JOIN b IN c.n', document)).toEqual([40_000]);
  });
});

it('weighs what would be written', () => {
  let spent = 0;
  const count = (amount: number): void => {
    spent += amount;
  };
  const part = ['abc', null];
  weigh({ a: part, b: part, c: 1 }, count);
  expect(spent).toBe(15 * cost.node + 2 * 'abc'.length);
  expect(() => weigh(1, startAllowance())).not.toThrow();
});
