import { isObject } from '../../json.ts';
import { type FunctionTable, takes } from './function-table.ts';
import { isInteger } from './integer.ts';

/** Functions that ask what a value is, and answer true or false, never undefined; and the choice by a condition. */
export const typeFunctions: FunctionTable = {
  IIF: takes(['any', 'any', 'any'], (test, yes, no) => (test === true ? yes : no)),
  IS_ARRAY: takes(['any'], (value) => Array.isArray(value)),
  IS_BOOL: takes(['any'], (value) => typeof value === 'boolean'),
  IS_DEFINED: takes(['any'], (value) => value !== undefined),
  IS_FINITE_NUMBER: takes(['any'], (value) => Number.isFinite(value)),
  IS_INTEGER: takes(['any'], isInteger),
  IS_NULL: takes(['any'], (value) => value === null),
  IS_NUMBER: takes(['any'], (value) => typeof value === 'number'),
  IS_OBJECT: takes(['any'], isObject),
  IS_PRIMITIVE: takes(['any'], (value) => value === null || !['object', 'undefined'].includes(typeof value)),
  IS_STRING: takes(['any'], (value) => typeof value === 'string'),
};
