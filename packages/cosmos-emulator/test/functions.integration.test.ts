import { type Container, type ContainerRequest, type ErrorResponse, GeospatialType } from '@azure/cosmos';
import { describe, expect, it } from 'vitest';
import { setUp } from './cosmos-setup.ts';

const places = [
  { id: 'ferry', location: { type: 'Point', coordinates: [2, 2] }, opened: '2024-02-29T08:30:00Z' },
  { id: 'market', location: { type: 'Point', coordinates: [8, 3] }, opened: '2019-12-31T23:59:59Z' },
  { id: 'pier', location: { type: 'Point', coordinates: [2, 200] }, opened: 'some day' },
];

const harbour = {
  type: 'Polygon',
  coordinates: [
    [
      [0, 0],
      [4, 0],
      [4, 4],
      [0, 4],
      [0, 0],
    ],
  ],
};

async function harbours(type?: GeospatialType): Promise<Container> {
  const { container } = await setUp(type === undefined ? {} : { geospatialConfig: { type } });
  for (const place of places) await container.items.create({ ...place, pk: 'p' });
  return container;
}

async function ids(container: Container, condition: string): Promise<unknown[]> {
  const query = {
    query: `SELECT VALUE c.id FROM c WHERE ${condition}`,
    parameters: [{ name: '@harbour', value: harbour }],
  };
  return (await container.items.query<unknown>(query).fetchAll()).resources;
}

describe('functions in queries', () => {
  it.each<[string, string[]]>([
    ['ST_WITHIN(c.location, @harbour)', ['ferry']],
    ['ST_ISVALID(c.location)', ['ferry', 'market']],
    ['ST_DISTANCE(c.location, {"type": "Point", "coordinates": [2, 2.01]}) < 1110', ['ferry']],
    ["RegexMatch(c.id, '^M.R', 'i')", ['market']],
    ["DateTimeDiff('day', c.opened, '2024-03-01') = 1", ['ferry']],
    ["Year(c.opened) = 2019 OR StringEquals(c.id, 'PIER', true)", ['market', 'pier']],
    ['DOCUMENTID(c) > 0', ['ferry', 'market', 'pier']],
  ])('WHERE %s', async (condition, expected) => {
    expect(await ids(await harbours(), condition)).toEqual(expected);
  });

  it('take points by the geometry of the container', async () => {
    const container = await harbours(GeospatialType.Geometry);
    expect(await ids(container, 'ST_ISVALID(c.location)')).toEqual(['ferry', 'market', 'pier']);
    expect(await ids(container, 'ST_DISTANCE(c.location, @harbour) = 196')).toEqual(['pier']);
    const { resource } = await container.read();
    expect(resource?.geospatialConfig).toEqual({ type: 'Geometry' });
  });

  it('number every item differently', async () => {
    const container = await harbours();
    const { resources } = await container.items.query<number>('SELECT VALUE DOCUMENTID(c) FROM c').fetchAll();
    expect(new Set(resources).size).toBe(3);
  });

  it.each([
    ["RegexMatch(REPLICATE('a', 9000), '^(?=a)(a+)+b$')"],
    ["LENGTH(REPLACE(REPLICATE('a', 9000), 'a', REPLICATE('b', 9000))) > 0"],
  ])('answer 400 to %s, and the emulator goes on', async (condition) => {
    const container = await harbours();
    const refusal = await ids(container, condition).catch((error: Partial<ErrorResponse>) => error);
    expect(refusal).toMatchObject({ code: 400 });
    expect(await ids(container, "c.id = 'pier'")).toEqual(['pier']);
  });

  it('refuse a container whose geometry is unknown', async () => {
    const { client } = await setUp();
    const definition: ContainerRequest = JSON.parse(
      '{"id": "other", "partitionKey": "/pk", "geospatialConfig": {"type": "Sphere"}}',
    );
    const create = client.database('db').containers.create(definition);
    await expect(create).rejects.toMatchObject({ code: 400 });
  });
});
