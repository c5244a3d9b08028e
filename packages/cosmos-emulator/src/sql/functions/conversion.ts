import { isObject, type Json, type Value } from '../../json.ts';
import { anyValues, type FunctionTable, ofStrings } from './function-table.ts';

function parsed(text: string, accept: (value: Json) => boolean): Value {
  try {
    const value: Json = JSON.parse(text);
    return accept(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Functions from and to strings. */
export const conversionFunctions: FunctionTable = {
  STRINGTOARRAY: ofStrings((text = '') => parsed(text, (value) => Array.isArray(value)), 1),
  STRINGTOBOOLEAN: ofStrings((text = '') => parsed(text, (value) => typeof value === 'boolean'), 1),
  STRINGTONULL: ofStrings((text = '') => parsed(text, (value) => value === null), 1),
  STRINGTONUMBER: ofStrings((text = '') => parsed(text, (value) => typeof value === 'number'), 1),
  STRINGTOOBJECT: ofStrings((text = '') => parsed(text, isObject), 1),
  TOSTRING: anyValues((value) => {
    if (value === undefined || typeof value === 'string') return value;
    return JSON.stringify(value);
  }, 1),
};
