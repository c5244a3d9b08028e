import { isObject } from '../../json.ts';
import { anyValues, type FunctionTable } from './function-table.ts';

/** Functions that ask what a value is. They answer true or false, never undefined. */
export const typeFunctions: FunctionTable = {
  IIF: anyValues((test, yes, no) => (test === true ? yes : no), 3),
  IS_ARRAY: anyValues((value) => Array.isArray(value), 1),
  IS_BOOL: anyValues((value) => typeof value === 'boolean', 1),
  IS_DEFINED: anyValues((value) => value !== undefined, 1),
  IS_FINITE_NUMBER: anyValues((value) => typeof value === 'number' && Number.isFinite(value), 1),
  IS_INTEGER: anyValues((value) => Number.isSafeInteger(value), 1),
  IS_NULL: anyValues((value) => value === null, 1),
  IS_NUMBER: anyValues((value) => typeof value === 'number', 1),
  IS_OBJECT: anyValues((value) => isObject(value), 1),
  IS_PRIMITIVE: anyValues((value) => value !== undefined && (value === null || typeof value !== 'object'), 1),
  IS_STRING: anyValues((value) => typeof value === 'string', 1),
};
