import { describe, expect, it } from 'vitest';
import type { Json, Value } from '../../../json.ts';
import { startAllowance } from '../../allowance.ts';
import { findFunction } from '../built-in.ts';

function call(name: string, ...values: Value[]): Value {
  return findFunction(name)?.apply({ now: 0, spend: startAllowance() }, ...values);
}

function callOnPlane(name: string, ...values: Value[]): Value {
  return findFunction(name)?.apply({ now: 0, spend: startAllowance(), geospatial: 'Geometry' }, ...values);
}

function geometry(type: string, coordinates: Json): Json {
  return { type, coordinates };
}

function point(x: number, y: number): Json {
  return geometry('Point', [x, y]);
}

/** The corners of a rectangle, counter-clockwise. */
function ring(west: number, south: number, east: number, north: number): Json[] {
  return [
    [west, south],
    [east, south],
    [east, north],
    [west, north],
    [west, south],
  ];
}

const square = geometry('Polygon', [ring(0, 0, 10, 10)]);
const inverse = geometry('Polygon', [ring(0, 0, 10, 10).toReversed()]);
const frame = geometry('Polygon', [ring(0, 0, 10, 10), ring(2, 2, 8, 8).toReversed()]);
const twoSquares = geometry('MultiPolygon', [[ring(0, 0, 1, 1)], [ring(5, 5, 6, 6)]]);
const bay = geometry('Polygon', [
  [
    [0, 0],
    [10, 0],
    [10, 10],
    [5, 2],
    [0, 10],
    [0, 0],
  ],
]);
const line = geometry('LineString', [
  [-1, 5],
  [11, 5],
]);

describe('ST_DISTANCE on the Earth', () => {
  const station = point(-122.11758113953535, 47.66901087006131);

  // The service's own figures; it measures along great ellipses, which differ from geodesics by less than 1 in 10 million.
  it.each([
    [-122.12826822304672, 47.63980239335718, 3345.269817267368],
    [-96.84368664765994, 46.81297794314663, 1907438.421299902],
  ])('from %d, %d is %d metres', (x, y, metres) => {
    const distance = Number(call('ST_DISTANCE', point(x, y), station));
    expect(Math.abs(distance / metres - 1)).toBeLessThan(1e-7);
  });

  it.each<[string, Json, Json, number]>([
    ['a degree of the meridian at the equator', point(0, 0), point(0, 1), 110_574.4],
    ['a degree of the equator', point(0, 0), point(1, 0), 111_319.5],
    ['across the date line', point(179.5, 0), point(-179.5, 0), 111_319.5],
    [
      'to the side of a line',
      point(5, 6),
      geometry('LineString', [
        [4.9, 5],
        [5.1, 5],
      ]),
      110_580,
    ],
    ['to the end of a line', point(12, 5), line, 110_900],
    ['to a polygon', point(11, 5), square, 110_900],
    ['from inside a polygon', point(5, 5), square, 0],
    ['from inside a hole', point(5, 5), frame, 331_800],
    ['from a line through it', line, square, 0],
    ['between polygons', geometry('Polygon', [ring(11, 0, 12, 10)]), square, 109_640],
  ])('%s', (_what, left, right, metres) => {
    const distance = Number(call('ST_DISTANCE', left, right));
    expect(Math.abs(distance - metres)).toBeLessThanOrEqual(metres * 0.002);
    expect(call('ST_DISTANCE', right, left)).toBeCloseTo(distance, 3);
  });
});

describe('ST_AREA', () => {
  it('on the Earth is what the service gives', () => {
    const area = Number(call('ST_AREA', geometry('Polygon', [ring(31.8, -5, 32, -4.7)])));
    expect(Math.abs(area / 735_970_283.0522614 - 1)).toBeLessThan(1e-7);
  });

  it('of a polygon that goes clockwise is all the Earth beside it', () => {
    const earth = 510_065_621_724_088;
    const sum = Number(call('ST_AREA', square)) + Number(call('ST_AREA', inverse));
    expect(sum / earth).toBeCloseTo(1, 9);
  });

  it('leaves out the holes, whichever way they go, and adds up polygons', () => {
    const hole = Number(call('ST_AREA', geometry('Polygon', [ring(2, 2, 8, 8)])));
    const expected = Number(call('ST_AREA', square)) - hole;
    expect(call('ST_AREA', frame)).toBeCloseTo(expected, 0);
    expect(call('ST_AREA', geometry('Polygon', [ring(0, 0, 10, 10), ring(2, 2, 8, 8)]))).toBeCloseTo(
      expected,
      0,
    );
    expect(callOnPlane('ST_AREA', twoSquares)).toBe(2);
    expect(callOnPlane('ST_AREA', frame)).toBe(64);
  });

  it('of points and lines is nothing', () => {
    expect(call('ST_AREA', point(1, 1))).toBe(0);
    expect(call('ST_AREA', line)).toBe(0);
    expect(call('ST_AREA', { type: 'Polygon' })).toBeUndefined();
  });
});

describe.each([
  ['the Earth', call],
  ['the plane', callOnPlane],
])('on %s', (_surface, apply) => {
  it.each<[string, Json, Json, boolean]>([
    ['a point inside', point(5, 5), square, true],
    ['a point outside', point(15, 5), square, false],
    ['a point at a corner', point(10, 10), square, true],
    ['a point on a side', point(0, 5), square, true],
    ['a point in a hole', point(5, 5), frame, false],
    ['a point beside a hole', point(1, 5), frame, true],
    ['a point in the second polygon', point(5.5, 5.5), twoSquares, true],
    ['a point between the polygons', point(3, 3), twoSquares, false],
    ['a point on a line', point(11, 5), line, true],
    ['a point at another', point(1, 1), point(1, 1), true],
    ['a point beside another', point(1, 1), point(1, 1.1), false],
    ['a line that leaves', line, square, false],
    [
      'a line inside',
      geometry('LineString', [
        [1, 1],
        [9, 9],
      ]),
      square,
      true,
    ],
    [
      'a line through a hole',
      geometry('LineString', [
        [1, 1],
        [9, 9],
      ]),
      frame,
      false,
    ],
    [
      'a line across a bay',
      geometry('LineString', [
        [0, 10],
        [10, 10],
      ]),
      bay,
      false,
    ],
    ['a polygon inside', geometry('Polygon', [ring(1, 1, 9, 9)]), square, true],
    ['a polygon around a hole', geometry('Polygon', [ring(1, 1, 9, 9)]), frame, false],
    ['a polygon that juts out', geometry('Polygon', [ring(1, 1, 11, 9)]), square, false],
    ['a polygon in itself', square, square, true],
  ])('ST_WITHIN of %s', (_what, inner, outer, expected) => {
    expect(apply('ST_WITHIN', inner, outer)).toBe(expected);
  });

  it.each<[string, Json, Json, boolean]>([
    ['a line through a square', line, square, true],
    [
      'a line beside it',
      geometry('LineString', [
        [11, 0],
        [11, 9],
      ]),
      square,
      false,
    ],
    [
      'a line in a hole',
      geometry('LineString', [
        [4, 4],
        [6, 6],
      ]),
      frame,
      false,
    ],
    [
      'crossing lines',
      line,
      geometry('LineString', [
        [5, 0],
        [5, 9],
      ]),
      true,
    ],
    ['a square around another', square, geometry('Polygon', [ring(4, 4, 5, 5)]), true],
    ['squares with a common side', square, geometry('Polygon', [ring(10, 0, 20, 10)]), true],
    ['squares apart', square, geometry('Polygon', [ring(11, 0, 20, 10)]), false],
    ['a cross of rectangles', geometry('Polygon', [ring(-5, 4, 15, 6)]), square, true],
  ])('ST_INTERSECTS of %s', (_what, left, right, expected) => {
    expect(apply('ST_INTERSECTS', left, right)).toBe(expected);
    expect(apply('ST_INTERSECTS', right, left)).toBe(expected);
  });

  it('polygons of too many points are too much work', () => {
    const circle = Array.from({ length: 2000 }, (_, at) => [Math.cos(at / 318.4), Math.sin(at / 318.4)]);
    const polygon = geometry('Polygon', [[...circle, circle[0] ?? null]]);
    expect(() => apply('ST_DISTANCE', polygon, polygon)).toThrow(/maximum amount of work/);
  });
});

describe('the Earth', () => {
  it('has the inverse of a polygon that goes clockwise', () => {
    expect(call('ST_WITHIN', point(5, 5), inverse)).toBe(false);
    expect(call('ST_WITHIN', point(15, 5), inverse)).toBe(true);
    expect(call('ST_WITHIN', point(-175, -5), inverse)).toBe(true);
    expect(call('ST_WITHIN', point(-175, -5), square)).toBe(false);
  });

  it('has polygons across the date line and around a pole', () => {
    const strait = geometry('Polygon', [
      [
        [170, -5],
        [-170, -5],
        [-170, 5],
        [170, 5],
        [170, -5],
      ],
    ]);
    expect(call('ST_WITHIN', point(180, 0), strait)).toBe(true);
    expect(call('ST_WITHIN', point(-175, 0), strait)).toBe(true);
    expect(call('ST_WITHIN', point(0, 0), strait)).toBe(false);
    const cap = geometry('Polygon', [
      [
        [0, 80],
        [90, 80],
        [180, 80],
        [-90, 80],
        [0, 80],
      ],
    ]);
    expect(call('ST_WITHIN', point(45, 89), cap)).toBe(true);
    expect(call('ST_WITHIN', point(45, -89), cap)).toBe(false);
  });

  it('has straight ways that bulge towards the pole', () => {
    const belt = geometry('Polygon', [
      [
        [-40, 50],
        [40, 50],
        [40, 60],
        [-40, 60],
        [-40, 50],
      ],
    ]);
    expect(call('ST_WITHIN', point(0, 51), belt)).toBe(false);
    expect(callOnPlane('ST_WITHIN', point(0, 51), belt)).toBe(true);
  });
});

describe('the plane', () => {
  it('measures in its own units, beyond the bounds of the Earth', () => {
    expect(callOnPlane('ST_DISTANCE', point(0, 0), point(300, 400))).toBe(500);
    expect(callOnPlane('ST_DISTANCE', point(5, 8), line)).toBe(3);
    expect(callOnPlane('ST_DISTANCE', point(14, 9), line)).toBe(5);
    const rising = geometry('LineString', [
      [1, 1],
      [3, 3],
    ]);
    expect(
      callOnPlane(
        'ST_INTERSECTS',
        rising,
        geometry('LineString', [
          [1, 3],
          [3, 1],
        ]),
      ),
    ).toBe(true);
    expect(
      callOnPlane(
        'ST_INTERSECTS',
        rising,
        geometry('LineString', [
          [4, 1],
          [5, 3],
        ]),
      ),
    ).toBe(false);
    expect(callOnPlane('ST_ISVALID', point(300, 400))).toBe(true);
  });
});

describe('ST_ISVALID and ST_ISVALIDDETAILED', () => {
  const openRing = ring(31.8, -5, 32, -4.7).slice(0, 4);
  it.each<[Value, string | undefined]>([
    [point(-84.38876194345323, 33.75682784306348), undefined],
    [point(133.7568278430635, -184.3887619434532), 'Latitude values must be between -90 and 90 degrees.'],
    [point(181, 0), 'Longitude values must be between -180 and 180 degrees.'],
    [geometry('Point', [1, 2, 3]), undefined],
    [line, undefined],
    [square, undefined],
    [twoSquares, undefined],
    [
      geometry('Polygon', [openRing]),
      'The Polygon input is not valid because the start and end points of the ring number 1 are not the same. Each ring of a polygon must have the same start and end points.',
    ],
  ])('%j: %s', (value, reason) => {
    expect(call('ST_ISVALID', value)).toBe(reason === undefined);
    expect(call('ST_ISVALIDDETAILED', value)).toEqual(
      reason === undefined ? { valid: true } : { valid: false, reason },
    );
  });

  it.each<[Value]>([
    [geometry('Point', [1])],
    [geometry('Point', [1, '2'])],
    [geometry('Point', 1)],
    [geometry('LineString', [[1, 2]])],
    [geometry('Polygon', [])],
    [
      geometry('Polygon', [
        [
          [1, 2],
          [3, 4],
          [1, 2],
        ],
      ]),
    ],
    [geometry('Circle', [1, 2])],
    [geometry('constructor', [1, 2])],
    [{ type: 'Point' }],
    ['Point'],
    [null],
  ])('%j is none, so nothing can be computed with it', (value) => {
    expect(call('ST_ISVALID', value)).toBe(false);
    expect(call('ST_ISVALIDDETAILED', value)).toMatchObject({ valid: false, reason: expect.any(String) });
    for (const name of ['ST_DISTANCE', 'ST_WITHIN', 'ST_INTERSECTS']) {
      expect(call(name, value, square)).toBeUndefined();
      expect(call(name, square, value)).toBeUndefined();
    }
  });

  it('leave open what is not there', () => {
    expect(call('ST_ISVALID', undefined)).toBeUndefined();
    expect(call('ST_ISVALIDDETAILED', undefined)).toBeUndefined();
  });
});
