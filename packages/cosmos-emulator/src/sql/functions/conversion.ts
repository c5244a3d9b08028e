import { isObject, type Json, type Value } from '../../json.ts';
import { type BuiltInFunction, type FunctionTable, takes } from './function-table.ts';

/** The deepest nesting that a document may have. */
const maximumDepth = 128;

function isDeeper(value: Json | undefined, levels: number): boolean {
  if (value === undefined || value === null || typeof value !== 'object') return false;
  return levels === 0 || Object.values(value).some((item) => isDeeper(item, levels - 1));
}

/** Reads a text by the rules of JSON: undefined where it is none, or holds another type of value. */
function parsing(accept: (value: Json) => boolean): BuiltInFunction {
  return takes(['string'], (text) => {
    try {
      const value: Json = JSON.parse(text);
      return accept(value) && !isDeeper(value, maximumDepth) ? value : undefined;
    } catch {
      return undefined;
    }
  });
}

function toString(value: Value): Value {
  if (value === undefined || typeof value === 'string') return value;
  return typeof value === 'number' ? String(value) : JSON.stringify(value);
}

/** Functions from and to strings. */
export const conversionFunctions: FunctionTable = {
  STRINGTOARRAY: parsing((value) => Array.isArray(value)),
  STRINGTOBOOLEAN: parsing((value) => typeof value === 'boolean'),
  STRINGTONULL: parsing((value) => value === null),
  STRINGTONUMBER: parsing((value) => typeof value === 'number'),
  STRINGTOOBJECT: parsing(isObject),
  TOSTRING: takes(['any'], toString),
};
