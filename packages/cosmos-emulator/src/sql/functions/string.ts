import type { Value } from '../../json.ts';
import { anyValues, type BuiltInFunction, type FunctionTable, ofStrings } from './function-table.ts';

/** The longest string that a function may build, so that a query cannot exhaust the memory. */
const maximumLength = 4 * 1024 * 1024;

/** Compares two strings, case-insensitively when the third argument is true. */
function matching(test: (text: string, part: string) => boolean): BuiltInFunction {
  return anyValues(
    (text, part, ignoreCase) => {
      if (typeof text !== 'string' || typeof part !== 'string') return undefined;
      if (ignoreCase !== undefined && typeof ignoreCase !== 'boolean') return undefined;
      return ignoreCase === true ? test(text.toLowerCase(), part.toLowerCase()) : test(text, part);
    },
    2,
    3,
  );
}

function trimmed(text: string, characters: string | undefined, ends: 'left' | 'right' | 'both'): string {
  const drop = (character: string | undefined): boolean =>
    character !== undefined &&
    (characters === undefined ? /\s/.test(character) : characters.includes(character));
  let start = 0;
  let end = text.length;
  if (ends !== 'right') while (start < end && drop(text[start])) start++;
  if (ends !== 'left') while (end > start && drop(text[end - 1])) end--;
  return text.slice(start, end);
}

function substring(text: Value, start: Value, length: Value): Value {
  if (typeof text !== 'string' || typeof start !== 'number' || typeof length !== 'number') return undefined;
  const from = Math.max(0, Math.trunc(start));
  return length <= 0 ? '' : text.slice(from, from + Math.trunc(length));
}

function replicate(text: Value, times: Value): Value {
  if (typeof text !== 'string' || typeof times !== 'number' || times < 0) return undefined;
  return text.length * times > maximumLength ? undefined : text.repeat(Math.trunc(times));
}

function indexOf(text: Value, part: Value, start: Value): Value {
  if (typeof text !== 'string' || typeof part !== 'string') return undefined;
  if (start !== undefined && typeof start !== 'number') return undefined;
  return text.indexOf(part, start ?? 0);
}

/** Functions over strings. */
export const stringFunctions: FunctionTable = {
  CONCAT: ofStrings((...parts) => parts.join(''), 2, Number.POSITIVE_INFINITY),
  CONTAINS: matching((text, part) => text.includes(part)),
  ENDSWITH: matching((text, part) => text.endsWith(part)),
  INDEX_OF: anyValues(indexOf, 2, 3),
  LEFT: anyValues((text, length) => substring(text, 0, length), 2),
  LENGTH: ofStrings((text = '') => text.length, 1),
  LOWER: ofStrings((text = '') => text.toLowerCase(), 1),
  LTRIM: ofStrings((text = '', characters) => trimmed(text, characters, 'left'), 1, 2),
  REPLACE: ofStrings(
    (text = '', part = '', by = '') => (part === '' ? text : text.replaceAll(part, () => by)),
    3,
  ),
  REPLICATE: anyValues(replicate, 2),
  REVERSE: ofStrings((text = '') => Array.from(text).toReversed().join(''), 1),
  RIGHT: anyValues((text, length) => {
    if (typeof text !== 'string' || typeof length !== 'number') return undefined;
    return length <= 0 ? '' : text.slice(-Math.trunc(length));
  }, 2),
  RTRIM: ofStrings((text = '', characters) => trimmed(text, characters, 'right'), 1, 2),
  STARTSWITH: matching((text, part) => text.startsWith(part)),
  STRINGEQUALS: matching((text, other) => text === other),
  STRINGJOIN: anyValues((parts, separator) => {
    if (!Array.isArray(parts) || typeof separator !== 'string') return undefined;
    return parts.every((part) => typeof part === 'string') ? parts.join(separator) : undefined;
  }, 2),
  STRINGSPLIT: ofStrings((text = '', separator = '') => text.split(separator), 2),
  SUBSTRING: anyValues(substring, 3),
  TRIM: ofStrings((text = '', characters) => trimmed(text, characters, 'both'), 1, 2),
  UPPER: ofStrings((text = '') => text.toUpperCase(), 1),
};
