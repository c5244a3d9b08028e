import { isObject, type Json, type Value } from '../../../json.ts';
import type { Point, Position, Ring, Segment, Surface } from './surface.ts';

/** A geometry taken apart: single points, lines, and polygons of an outer ring and holes. */
export interface Shape {
  readonly points: readonly Point[];
  readonly lines: ReadonlyArray<readonly Point[]>;
  readonly polygons: ReadonlyArray<readonly Ring[]>;
}

/** Why a value is no geometry, in the service's words. */
class Fault extends Error {
  override readonly name = 'Fault';
}

const empty: Shape = { points: [], lines: [], polygons: [] };

function listOf(value: Json | undefined): readonly Json[] {
  if (!Array.isArray(value)) throw new Fault('Coordinates must be an array.');
  return value;
}

function pointOf(value: Json | undefined, surface: Surface): Point {
  const [x, y, height = 0] = listOf(value);
  const isPosition = typeof x === 'number' && typeof y === 'number' && typeof height === 'number';
  if (!isPosition || listOf(value).length > 3) throw new Fault('Positions must have two or three numbers.');
  const position: Position = [x, y];
  const fault = surface.fault(position);
  if (fault !== undefined) throw new Fault(fault);
  return surface.locate(position);
}

function lineOf(value: Json | undefined, surface: Surface): readonly Point[] {
  const points = listOf(value).map((position) => pointOf(position, surface));
  if (points.length < 2) throw new Fault('The LineString input must have at least two positions.');
  return points;
}

function samePlace({ position: left }: Point, { position: right }: Point): boolean {
  return left[0] === right[0] && left[1] === right[1];
}

/** The first ring is the border. The others are holes, of which the smaller side counts whichever way they go round. */
function ringOf(value: Json, number: number, surface: Surface): Ring {
  const points = listOf(value).map((position) => pointOf(position, surface));
  const [start, end] = [points[0], points.at(-1)];
  if (start !== undefined && end !== undefined && !samePlace(start, end)) {
    throw new Fault(
      `The Polygon input is not valid because the start and end points of the ring number ${number} are not the same. Each ring of a polygon must have the same start and end points.`,
    );
  }
  if (points.length < 4) {
    throw new Fault(
      `The Polygon input is not valid because the ring number ${number} does not have enough points. Each ring of a polygon must contain at least four points.`,
    );
  }
  const ring = surface.enclose(points);
  return number > 1 && ring.isLarge ? surface.enclose(points.toReversed()) : ring;
}

function polygonOf(value: Json | undefined, surface: Surface): readonly Ring[] {
  const rings = listOf(value).map((ring, at) => ringOf(ring, at + 1, surface));
  if (rings.length === 0) throw new Fault('The Polygon input must have at least one ring.');
  return rings;
}

const readers: Readonly<Record<string, (coordinates: Json | undefined, surface: Surface) => Shape>> = {
  Point: (coordinates, surface) => ({ ...empty, points: [pointOf(coordinates, surface)] }),
  MultiPoint: (coordinates, surface) => ({
    ...empty,
    points: listOf(coordinates).map((one) => pointOf(one, surface)),
  }),
  LineString: (coordinates, surface) => ({ ...empty, lines: [lineOf(coordinates, surface)] }),
  MultiLineString: (coordinates, surface) => ({
    ...empty,
    lines: listOf(coordinates).map((one) => lineOf(one, surface)),
  }),
  Polygon: (coordinates, surface) => ({ ...empty, polygons: [polygonOf(coordinates, surface)] }),
  MultiPolygon: (coordinates, surface) => ({
    ...empty,
    polygons: listOf(coordinates).map((one) => polygonOf(one, surface)),
  }),
};

/** Reads a GeoJSON geometry; gives the reason as a text where it is none. */
export function readShape(value: Value, surface: Surface): Shape | string {
  const type = isObject(value) ? value.type : undefined;
  const reader = typeof type === 'string' && Object.hasOwn(readers, type) ? readers[type] : undefined;
  if (!isObject(value) || reader === undefined) return 'The input is not a GeoJSON geometry.';
  try {
    return reader(value.coordinates, surface);
  } catch (error) {
    if (error instanceof Fault) return error.message;
    throw error;
  }
}

function ringsOf(polygons: Shape['polygons']): ReadonlyArray<readonly Point[]> {
  return polygons.flat().map(({ points }) => points);
}

/** The corners and single points of a shape. */
export function pointsOf({ points, lines, polygons }: Shape): readonly Point[] {
  return [...points, ...lines.flat(), ...ringsOf(polygons).flat()];
}

/** The sides and pieces of line of a shape; a single point is a piece without length. */
export function piecesOf({ points, lines, polygons }: Shape): readonly Segment[] {
  const segments = [...lines, ...ringsOf(polygons)].flatMap((line) =>
    line.slice(1).map((point, at): Segment => [line[at] ?? point, point]),
  );
  return [...points.map((point): Segment => [point, point]), ...segments];
}
