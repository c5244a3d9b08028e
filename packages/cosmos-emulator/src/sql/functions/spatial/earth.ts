import geographiclib from 'geographiclib-geodesic';
import type { Point, Position, Ring, Segment, Surface, Vector } from './surface.ts';

const wgs84 = geographiclib.Geodesic.WGS84;
const degree = Math.PI / 180;

function dot([ax, ay, az]: Vector, [bx, by, bz]: Vector): number {
  return ax * bx + ay * by + az * bz;
}

function product([ax, ay, az]: Vector, [bx, by, bz]: Vector): Vector {
  return [ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx];
}

function unit(vector: Vector): Vector {
  const length = Math.hypot(...vector) || 1;
  return [vector[0] / length, vector[1] / length, vector[2] / length];
}

/** What is left of a vector beside its part along a unit vector. */
function beside(vector: Vector, axis: Vector): Vector {
  const along = dot(vector, axis);
  return [vector[0] - along * axis[0], vector[1] - along * axis[1], vector[2] - along * axis[2]];
}

/**
 * Points are directions upwards, at right angles to the ellipsoid. What is a plane through the centre among them is one
 * on the ellipsoid as well, so that sides and crossings are the same.
 */
function locate(position: Position): Point {
  const [longitude, latitude] = [position[0] * degree, position[1] * degree];
  const flat = Math.cos(latitude);
  return {
    position,
    vector: [flat * Math.cos(longitude), flat * Math.sin(longitude), Math.sin(latitude)],
  };
}

function pointOf(vector: Vector): Point {
  const [x, y, z] = vector;
  return { position: [Math.atan2(y, x) / degree, Math.atan2(z, Math.hypot(x, y)) / degree], vector };
}

function distance({ position: [fromX, fromY] }: Point, { position: [toX, toY] }: Point): number {
  return wgs84.Inverse(fromY, fromX, toY, toX).s12 ?? Number.NaN;
}

function middle({ vector: [ax, ay, az] }: Point, { vector: [bx, by, bz] }: Point): Point {
  return pointOf(unit([ax + bx, ay + by, az + bz]));
}

/** Tells whether a direction in the plane of a segment, whose axis is at right angles to it, is between the ends. */
function isBetween(vector: Vector, [start, end]: Segment, axis: Vector): boolean {
  return dot(product(start.vector, vector), axis) >= 0 && dot(product(vector, end.vector), axis) >= 0;
}

function axisOf([start, end]: Segment): Vector {
  return unit(product(start.vector, end.vector));
}

/** Drops a perpendicular on the segment's great ellipse; beyond the ends, the nearer end is what counts. */
function distanceToSegment(point: Point, segment: Segment): number {
  const axis = axisOf(segment);
  const foot = unit(beside(point.vector, axis));
  if (dot(axis, axis) > 0 && isBetween(foot, segment, axis)) return distance(point, pointOf(foot));
  return Math.min(distance(point, segment[0]), distance(point, segment[1]));
}

/** Places nearer to each other than this share of the Earth's radius, not a millimetre, are one. */
const precision = 1e-10;

function areOne(left: Vector, right: Vector): boolean {
  return Math.hypot(left[0] - right[0], left[1] - right[1], left[2] - right[2]) <= precision;
}

function touches({ vector }: Point, segment: Segment): boolean {
  if (areOne(vector, segment[0].vector) || areOne(vector, segment[1].vector)) return true;
  const axis = axisOf(segment);
  return dot(axis, axis) > 0 && Math.abs(dot(vector, axis)) <= precision && isBetween(vector, segment, axis);
}

/** Which side of a segment's plane a point is on: below or above zero, and zero in it. */
function sideOf(axis: Vector, { vector }: Point): number {
  const height = dot(axis, vector);
  return Math.abs(height) <= precision ? 0 : height;
}

function cross([a, b]: Segment, [c, d]: Segment): boolean {
  const first = axisOf([a, b]);
  const second = axisOf([c, d]);
  const areApart = (axis: Vector, left: Point, right: Point): boolean =>
    sideOf(axis, left) * sideOf(axis, right) < 0;
  if (!areApart(first, c, d) || !areApart(second, a, b)) return false;
  // The planes of two ways meet on both sides of the Earth; the ways themselves on one.
  const place = product(first, second);
  const towards = (left: Point, right: Point): number => dot(place, left.vector) + dot(place, right.vector);
  return towards(a, b) * towards(c, d) > 0;
}

/** The angles of a triangle of directions beyond two right ones, which is its area; below zero when it goes right. */
function excess(a: Vector, b: Vector, c: Vector): number {
  return 2 * Math.atan2(dot(a, product(b, c)), 1 + dot(a, b) + dot(b, c) + dot(c, a));
}

/** Adds up the triangles from the first point, in whole Earths cut away: below zero, the left side is the larger one. */
function enclose(points: readonly Point[]): Ring {
  let sum = 0;
  const [first] = points;
  for (let at = 2; at < points.length; at++) {
    const [before, point] = [points[at - 1] ?? first, points[at] ?? first];
    if (first && before && point) sum += excess(first.vector, before.vector, point.vector);
  }
  return { points, isLarge: Math.sin(sum / 2) < 0 };
}

/**
 * Tells whether a point lies left of the ring. As seen from the point the ring goes round once to the left when the
 * point is inside and the other side of the Earth is not, once to the right the other way about, and not at all when
 * both are on one side: then the larger side is meant.
 */
function holds({ points, isLarge }: Ring, { vector }: Point): boolean {
  let turns = 0;
  for (let at = 1; at < points.length; at++) {
    const from = beside(points[at - 1]?.vector ?? vector, vector);
    const to = beside(points[at]?.vector ?? vector, vector);
    turns += Math.atan2(dot(vector, product(from, to)), dot(from, to));
  }
  return Math.abs(turns) > Math.PI ? turns > 0 : isLarge;
}

/** The area left of a ring: for one that goes clockwise it is all the Earth beside it. */
function area({ points }: Ring): number {
  const polygon = wgs84.Polygon(false);
  for (const { position } of points.slice(1)) polygon.AddPoint(position[1], position[0]);
  return polygon.Compute(false, false).area ?? Number.NaN;
}

function fault([longitude, latitude]: Position): string | undefined {
  if (Math.abs(latitude) > 90) return 'Latitude values must be between -90 and 90 degrees.';
  if (Math.abs(longitude) > 180) return 'Longitude values must be between -180 and 180 degrees.';
  return undefined;
}

/** The Earth as the WGS-84 ellipsoid, for containers whose geospatial type is `Geography`. */
export const earth: Surface = {
  fault,
  locate,
  enclose,
  distance,
  middle,
  distanceToSegment,
  touches,
  cross,
  holds,
  area,
};
