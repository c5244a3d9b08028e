import { arrayFunctions } from './array.ts';
import { conversionFunctions } from './conversion.ts';
import { dateFunctions } from './date/date-functions.ts';
import type { BuiltInFunction } from './function-table.ts';
import { integerFunctions } from './integer.ts';
import { itemFunctions } from './item.ts';
import { mathFunctions } from './math.ts';
import { regularExpressionFunctions } from './regular-expression.ts';
import { spatialFunctions } from './spatial/spatial-functions.ts';
import { stringFunctions } from './string.ts';
import { typeFunctions } from './type.ts';

const groups = [
  arrayFunctions,
  conversionFunctions,
  dateFunctions,
  integerFunctions,
  itemFunctions,
  mathFunctions,
  regularExpressionFunctions,
  spatialFunctions,
  stringFunctions,
  typeFunctions,
];

/** Names without their underscores, so that `ISDEFINED` finds `IS_DEFINED` too, as the service allows. */
const functions: ReadonlyMap<string, BuiltInFunction> = new Map(
  groups.flatMap((group) =>
    Object.entries(group).map(([name, entry]) => [name.replaceAll('_', ''), entry] as const),
  ),
);

/** Finds a built-in function by its name in any case; undefined when there is none. */
export function findFunction(name: string): BuiltInFunction | undefined {
  return functions.get(name.toUpperCase().replaceAll('_', ''));
}
