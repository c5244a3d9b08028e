import type { Container, ContainerRequest, ErrorResponse } from '@azure/cosmos';
import { describe, expect, it } from 'vitest';
import { setUp } from './cosmos-setup.ts';

async function catalogue(partitions: number): Promise<Container> {
  const computedProperties = [
    { name: 'lowerName', query: 'SELECT VALUE LOWER(c.name) FROM c' },
    { name: 'total', query: 'SELECT VALUE c.price * (1 + c.tax) FROM c' },
  ];
  const definition: Partial<ContainerRequest> = { computedProperties };
  const { container } = await setUp(definition, { partitions });
  const names = ['Bike', 'AXE', 'Cart', 'bike', 'Drum', 'cart'];
  for (const [at, name] of names.entries()) {
    await container.items.create({
      id: `i${at}`,
      pk: `k${at % 4}`,
      name,
      price: 10 * (at + 1),
      tax: at % 2,
      parts: [
        { kind: 'a', size: at },
        { kind: 'b', size: -at },
      ],
    });
  }
  return container;
}

async function all(container: Container, query: string): Promise<unknown[]> {
  return (await container.items.query<unknown>(query).fetchAll()).resources;
}

describe.each([1, 3])('over %i physical partitions', (partitions) => {
  it.each<[string, unknown[]]>([
    ['SELECT VALUE c.id FROM c WHERE c.lowerName = "bike" ORDER BY c.id', ['i0', 'i3']],
    ['SELECT c.id, c.total FROM c ORDER BY c.total DESC OFFSET 0 LIMIT 1', [{ id: 'i5', total: 120 }]],
    ['SELECT DISTINCT VALUE c.lowerName FROM c ORDER BY c.lowerName', ['axe', 'bike', 'cart', 'drum']],
    ['SELECT VALUE SUM(c.total) FROM c', [330]],
    [
      'SELECT c.lowerName, COUNT(1) AS n FROM c WHERE c.lowerName < "b" GROUP BY c.lowerName',
      [{ lowerName: 'axe', n: 1 }],
    ],
    [
      'SELECT VALUE FIRST(SELECT VALUE p.kind FROM p IN c.parts WHERE p.size < 0) FROM c WHERE c.id = "i1"',
      ['b'],
    ],
    ['SELECT VALUE LAST(SELECT VALUE p.kind FROM p IN c.parts) FROM c WHERE c.id = "i0"', ['b']],
    ['SELECT VALUE c.id FROM c WHERE ALL(SELECT VALUE p.size >= 0 FROM p IN c.parts)', ['i0']],
    ['SELECT VALUE COUNTIF(c.price > 30) FROM c', [3]],
    ['SELECT VALUE 1 + (SELECT VALUE MAX(p.size) FROM p IN c.parts) FROM c WHERE c.id = "i5"', [6]],
  ])('%s', async (query, expected) => {
    expect(await all(await catalogue(partitions), query)).toEqual(expected);
  });

  it('computed properties stay out of the item', async () => {
    const items = await all(await catalogue(partitions), 'SELECT * FROM c');
    expect(items).toHaveLength(6);
    for (const item of items) expect(item).not.toHaveProperty('lowerName');
  });
});

describe('a query is refused', () => {
  const levels = ' FROM (SELECT VALUE [a,a,a,a,a,a,a,a,a,a]'.repeat(9);
  const grown = `SELECT VALUE a${levels} FROM (SELECT VALUE [1]) AS a${') AS a'.repeat(9)}`;
  it.each([
    ['SELECT COUNT(*) FROM c', '"location":{"start":13,"end":14},"code":"SC1001"'],
    ['SELECT c.name, COUNT(1) FROM c', '"location":{"start":7,"end":13},"code":"SC2103"'],
    ['SELECT LOWER() FROM c', '"location":{"start":7,"end":14},"code":"SC2050"'],
    ['SELECT udf.nothing(c.name) FROM c', 'nothing'],
    [`SELECT ${'(1+'.repeat(1000)}1${')'.repeat(1000)} FROM c`, 'maximum depth'],
    [`SELECT '${'x'.repeat(600_000)}' FROM c`, 'maximum limit of 524288 characters'],
    [grown, 'maximum amount of work'],
  ])('%#: %s', async (query, message) => {
    const container = await catalogue(1);
    const refused: Promise<unknown> = container.items.query(query, { partitionKey: 'k1' }).fetchAll();
    const error: ErrorResponse = await refused.then(
      () => expect.fail('It was answered.'),
      (reason: ErrorResponse) => reason,
    );
    expect(error.code).toBe(400);
    expect(error.body).toMatchObject({ code: 'BadRequest' });
    expect(error.message).toContain(message);
    expect(await all(container, 'SELECT VALUE COUNT(1) FROM c')).toEqual([6]);
  });
});
