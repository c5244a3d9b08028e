import type { Value } from '../../../json.ts';
import { cost } from '../../allowance.ts';
import {
  type BuiltInFunction,
  type FunctionContext,
  type FunctionTable,
  takesInContext,
} from '../function-table.ts';
import { earth } from './earth.ts';
import { pointsOf, readShape, type Shape } from './geojson.ts';
import { plane } from './plane.ts';
import { areaOf, distanceBetween, intersect, isWithin } from './relations.ts';
import type { Surface } from './surface.ts';

function surfaceOf({ geospatial }: FunctionContext): Surface {
  return geospatial === 'Geometry' ? plane : earth;
}

/** A function of two geometries, of which each pair of points costs so much: undefined where one is not valid. */
function ofShapes(
  perPair: number,
  apply: (left: Shape, right: Shape, surface: Surface) => Value,
): BuiltInFunction {
  return takesInContext(['object', 'object'], (context, first, second) => {
    const surface = surfaceOf(context);
    const left = readShape(first, surface);
    const right = readShape(second, surface);
    if (typeof left === 'string' || typeof right === 'string') return undefined;
    context.spend(pointsOf(left).length * pointsOf(right).length * perPair);
    return apply(left, right, surface);
  });
}

/** Functions over GeoJSON geometries, on the Earth or on a plane as the container is configured. */
export const spatialFunctions: FunctionTable = {
  ST_AREA: takesInContext(['object'], (context, value) => {
    const surface = surfaceOf(context);
    const shape = readShape(value, surface);
    if (typeof shape === 'string') return undefined;
    context.spend(pointsOf(shape).length * cost.distance);
    return areaOf(shape, surface);
  }),
  ST_DISTANCE: ofShapes(cost.distance, distanceBetween),
  ST_INTERSECTS: ofShapes(cost.pair, intersect),
  ST_ISVALID: takesInContext(['any'], (context, value) =>
    value === undefined ? undefined : typeof readShape(value, surfaceOf(context)) !== 'string',
  ),
  ST_ISVALIDDETAILED: takesInContext(['any'], (context, value) => {
    if (value === undefined) return undefined;
    const shape = readShape(value, surfaceOf(context));
    return typeof shape === 'string' ? { valid: false, reason: shape } : { valid: true };
  }),
  ST_WITHIN: ofShapes(cost.pair, isWithin),
};
