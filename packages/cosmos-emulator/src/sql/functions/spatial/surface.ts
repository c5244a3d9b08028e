/** A position as GeoJSON writes it: longitude and latitude in degrees, or x and y. */
export type Position = readonly [number, number];

/** A direction or a place in space. */
export type Vector = readonly [number, number, number];

/** A position, and where it lies in the space that its surface computes in. */
export interface Point {
  readonly position: Position;
  readonly vector: Vector;
}

/** The straight way between two points. */
export type Segment = readonly [Point, Point];

/** A closed line: its last point is its first. */
export interface Ring {
  readonly points: readonly Point[];
  /** Whether what is inside is the larger part of the surface. */
  readonly isLarge: boolean;
}

/** What geometry is done on: the Earth, or a plane. */
export interface Surface {
  /** Says why a position cannot be on the surface; undefined when it can. */
  fault(position: Position): string | undefined;
  locate(position: Position): Point;
  /** Makes a ring of points; its inside is on the left, where the surface has two sides to choose from. */
  enclose(points: readonly Point[]): Ring;
  /** The length of the straight way, in metres on the Earth. */
  distance(from: Point, to: Point): number;
  /** The point half way. */
  middle(from: Point, to: Point): Point;
  distanceToSegment(point: Point, segment: Segment): number;
  /** Tells whether a point lies on a segment, as far as numbers can tell; a segment may be a single point. */
  touches(point: Point, segment: Segment): boolean;
  /** Tells whether two segments cross, each at a point between its ends. */
  cross(left: Segment, right: Segment): boolean;
  /** Tells whether a point that is not on the ring lies inside it. */
  holds(ring: Ring, point: Point): boolean;
  /** The area inside a ring, in square metres on the Earth. */
  area(ring: Ring): number;
}
