import type { Point, Ring, Segment, Surface } from './surface.ts';

/** Twice the signed area of a triangle: positive where the third point is left of the way to the second. */
function turn({ position: [ax, ay] }: Point, { position: [bx, by] }: Point, point: Point): number {
  const [x, y] = point.position;
  return (bx - ax) * (y - ay) - (by - ay) * (x - ax);
}

function distance({ position: [ax, ay] }: Point, { position: [bx, by] }: Point): number {
  return Math.hypot(bx - ax, by - ay);
}

function locate([x, y]: readonly [number, number]): Point {
  return { position: [x, y], vector: [x, y, 0] };
}

function middle({ position: [ax, ay] }: Point, { position: [bx, by] }: Point): Point {
  return locate([(ax + bx) / 2, (ay + by) / 2]);
}

function distanceToSegment(point: Point, [start, end]: Segment): number {
  const [ax, ay] = start.position;
  const [dx, dy] = [end.position[0] - ax, end.position[1] - ay];
  const length = dx * dx + dy * dy;
  const along = ((point.position[0] - ax) * dx + (point.position[1] - ay) * dy) / (length || 1);
  const share = Math.min(1, Math.max(0, along));
  return distance(point, locate([ax + share * dx, ay + share * dy]));
}

/** How far from a segment a point may seem to be that is on it, as a share of how far it is from the origin. */
const precision = 1e-12;

function touches(point: Point, segment: Segment): boolean {
  return distanceToSegment(point, segment) <= precision * Math.max(1, Math.hypot(...point.position));
}

function cross([a, b]: Segment, [c, d]: Segment): boolean {
  return turn(a, b, c) * turn(a, b, d) < 0 && turn(c, d, a) * turn(c, d, b) < 0;
}

/** Counts how often a ray from the point to the right meets the ring: inside, an odd number of times. */
function holds({ points }: Ring, point: Point): boolean {
  const [x, y] = point.position;
  let inside = false;
  for (let at = 1; at < points.length; at++) {
    const [ax = 0, ay = 0] = points[at - 1]?.position ?? [];
    const [bx = 0, by = 0] = points[at]?.position ?? [];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}

function area({ points }: Ring): number {
  let doubled = 0;
  for (let at = 1; at < points.length; at++) {
    const [ax = 0, ay = 0] = points[at - 1]?.position ?? [];
    const [bx = 0, by = 0] = points[at]?.position ?? [];
    doubled += ax * by - bx * ay;
  }
  return Math.abs(doubled) / 2;
}

/** The plane of containers whose geospatial type is `Geometry`. */
export const plane: Surface = {
  fault: () => undefined,
  locate,
  enclose: (points) => ({ points, isLarge: false }),
  distance,
  middle,
  distanceToSegment,
  touches,
  cross,
  holds,
  area,
};
