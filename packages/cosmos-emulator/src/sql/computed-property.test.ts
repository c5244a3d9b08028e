import { describe, expect, it } from 'vitest';
import type { Json } from '../json.ts';
import { computedProperties, parseComputedProperty } from './computed-property.ts';
import { parseQuery } from './parse.ts';
import { compileTop } from './query-engine.ts';
import { startRun } from './scope.ts';

const definition = [
  { name: 'lower', query: 'SELECT VALUE LOWER(c.name) FROM c' },
  { name: 'total', query: 'SELECT VALUE root.price * (1 + root["tax"]) FROM root' },
];
const documents: Json[] = [
  { id: '1', name: 'Bike', price: 100, tax: 0.5, parts: [{ name: 'Wheel', lower: 'own' }] },
  { id: '2', name: 'AXE', price: 10, tax: 0, lower: 'stored', parts: [] },
  { id: '3' },
];

function run(query: string): Json[] {
  const compiled = compileTop(parseQuery(query), computedProperties(definition));
  return compiled.executeOver(documents, startRun({ parameters: new Map(), now: 0 }));
}

describe('computed properties', () => {
  it.each<[string, Json[]]>([
    ['SELECT VALUE c.lower FROM c', ['bike', 'axe']],
    ['SELECT c.id, c["total"] FROM c', [{ id: '1', total: 150 }, { id: '2', total: 10 }, { id: '3' }]],
    ['SELECT VALUE c.id FROM c WHERE c.lower = "axe"', ['2']],
    ['SELECT VALUE p.id FROM products p WHERE IS_DEFINED(p.total) ORDER BY p.lower', ['2', '1']],
    [
      'SELECT c.lower, SUM(c.total) AS s FROM c WHERE c.total > 0 GROUP BY c.lower',
      [
        { lower: 'bike', s: 150 },
        { lower: 'axe', s: 10 },
      ],
    ],
    ['SELECT VALUE p.lower FROM c JOIN p IN c.parts', ['own']],
    ['SELECT VALUE (SELECT VALUE c.lower || p.name FROM p IN c.parts) FROM c', ['bikeWheel']],
    ['SELECT VALUE x FROM c.lower x', ['bike', 'axe']],
  ])('%s', (query, expected) => {
    expect(run(query)).toEqual(expected);
  });

  it('are not part of the document', () => {
    expect(run('SELECT * FROM c')).toEqual(documents);
    expect(run('SELECT VALUE c FROM c')).toEqual(documents);
  });
});

describe('parseComputedProperty', () => {
  it.each([
    'SELECT c.name FROM c',
    'SELECT * FROM c',
    'SELECT VALUE 1',
    'SELECT VALUE x FROM x IN c.parts',
    'SELECT VALUE c FROM c.parts c',
    'SELECT VALUE c.a FROM c JOIN d IN c.d',
    'SELECT VALUE c.a FROM (SELECT 1) c',
    'SELECT VALUE c.a FROM c WHERE c.b',
    'SELECT VALUE c.a FROM c ORDER BY c.a',
    'SELECT VALUE c.a FROM c GROUP BY c.a',
    'SELECT VALUE c.a FROM c OFFSET 0 LIMIT 1',
    'SELECT DISTINCT VALUE c.a FROM c',
    'SELECT TOP 1 VALUE c.a FROM c',
    'SELECT VALUE COUNT(1) FROM c',
    'SELECT VALUE UPPER(udf.f(c.a)) FROM c',
    'SELECT VALUE {"a": EXISTS(SELECT 1)} FROM c',
    'SELECT VALUE @p FROM c',
    'SELECT VALUE GetCurrentDateTime() FROM c',
    'SELECT VALUE RAND() + 1 FROM c',
    'SELECT VALUE NOPE(c.a) FROM c',
    'SELECT VALUE d.a FROM c',
    'SELECT VALUE',
  ])('refuses %s', (query) => {
    expect(() => parseComputedProperty(query, 'x')).toThrow(/computed property 'x' is invalid|"code":"SC/);
  });

  it('gives the expression and the name of the document', () => {
    expect(parseComputedProperty('SELECT VALUE c.a FROM c', 'x')).toMatchObject({
      root: 'c',
      expression: { kind: 'member', name: 'a' },
    });
  });
});
