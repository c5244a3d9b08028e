import { piecesOf, pointsOf, type Shape } from './geojson.ts';
import type { Point, Ring, Segment, Surface } from './surface.ts';

/** Tells whether a point is in a polygon and in none of its holes. */
function isInside(point: Point, [border, ...holes]: readonly Ring[], surface: Surface): boolean {
  if (border === undefined || !surface.holds(border, point)) return false;
  return !holes.some((hole) => surface.holds(hole, point));
}

/** Tells whether a point belongs to a shape, its border included. */
function covers(shape: Shape, point: Point, surface: Surface): boolean {
  if (shape.polygons.some((polygon) => isInside(point, polygon, surface))) return true;
  return piecesOf(shape).some((piece) => surface.touches(point, piece));
}

function haveCrossing(left: readonly Segment[], right: readonly Segment[], surface: Surface): boolean {
  return left.some((one) => right.some((other) => surface.cross(one, other)));
}

/** Tells whether two shapes have a point in common. */
export function intersect(left: Shape, right: Shape, surface: Surface): boolean {
  return (
    haveCrossing(piecesOf(left), piecesOf(right), surface) ||
    pointsOf(left).some((point) => covers(right, point, surface)) ||
    pointsOf(right).some((point) => covers(left, point, surface))
  );
}

/** Tells whether a piece that crosses no border of a shape is in it all the way between the corners that it touches. */
function coversAllAlong(shape: Shape, [start, end]: Segment, surface: Surface): boolean {
  const stops = pointsOf(shape)
    .filter((corner) => surface.touches(corner, [start, end]))
    .concat(end)
    .map((point) => ({ point, from: surface.distance(start, point) }))
    .toSorted((left, right) => left.from - right.from);
  return stops.every(({ point }, at) => {
    const before = stops[at - 1]?.point ?? start;
    return covers(shape, surface.middle(before, point), surface);
  });
}

/** Tells whether all of a shape is in another, whose border counts. */
export function isWithin(inner: Shape, outer: Shape, surface: Surface): boolean {
  if (haveCrossing(piecesOf(inner), piecesOf(outer), surface)) return false;
  if (!piecesOf(inner).every((piece) => coversAllAlong(outer, piece, surface))) return false;
  // A hole of the outer one may lie wholly inside the inner one, without a crossing.
  const holes = outer.polygons.flatMap(([, ...rings]) => rings.flatMap(({ points }) => points));
  return !holes.some((corner) => inner.polygons.some((polygon) => isInside(corner, polygon, surface)));
}

/** The least distance from the corners of one shape to the pieces of another. */
function distanceFromCorners(shape: Shape, other: Shape, surface: Surface): number {
  let least = Number.POSITIVE_INFINITY;
  for (const point of pointsOf(shape)) {
    for (const piece of piecesOf(other)) least = Math.min(least, surface.distanceToSegment(point, piece));
  }
  return least;
}

/** The shortest way between two shapes; 0 where they meet. */
export function distanceBetween(left: Shape, right: Shape, surface: Surface): number {
  if (intersect(left, right, surface)) return 0;
  return Math.min(distanceFromCorners(left, right, surface), distanceFromCorners(right, left, surface));
}

/** The area of a shape's polygons, without their holes; 0 for points and lines. */
export function areaOf({ polygons }: Shape, surface: Surface): number {
  let total = 0;
  for (const [border, ...holes] of polygons) {
    if (border !== undefined) total += surface.area(border);
    for (const hole of holes) total -= surface.area(hole);
  }
  return total;
}
