import type { Value } from '../../json.ts';
import { type BuiltInFunction, checkLength, type FunctionTable, takes, takesMany } from './function-table.ts';
import { combined } from './open-logic.ts';

/** Brings texts to one case, so that they compare without it; a final sigma is a sigma. */
function folded(text: string): string {
  return text.toLowerCase().replaceAll('ς', 'σ');
}

/** Compares two texts, without regard to case when the third argument is true. */
function matching(test: (text: string, part: string) => boolean): BuiltInFunction {
  return takes(['string', 'string', 'boolean?'], (text, part, ignoreCase) =>
    ignoreCase === true ? test(folded(text), folded(part)) : test(text, part),
  );
}

/** Looks for several texts in one: AND or OR of CONTAINS, where an absent part leaves the answer open. */
function containing(rule: 'all' | 'any', fold: (text: string) => string): BuiltInFunction {
  return takesMany('any', 2, (text, ...parts) => {
    if (typeof text !== 'string') return undefined;
    const whole = fold(text);
    return combined(
      rule,
      parts.map((part) => (typeof part === 'string' ? whole.includes(fold(part)) : undefined)),
    );
  });
}

/** Cuts white space, or the given characters, off the ends of a text. */
function trimming(ends: { readonly left: boolean; readonly right: boolean }): BuiltInFunction {
  return takes(['string', 'string?'], (text, characters) => {
    const drop = (character = ''): boolean =>
      characters === undefined ? character.trim() === '' : characters.includes(character);
    let start = 0;
    let end = text.length;
    if (ends.left) while (start < end && drop(text[start])) start++;
    if (ends.right) while (end > start && drop(text[end - 1])) end--;
    return text.slice(start, end);
  });
}

/** Gives the text before, or after, a delimiter that stands at a position; nothing where it does not occur. */
function cutting(
  side: 'before' | 'after',
  find: (text: string, delimiter: string) => number,
): BuiltInFunction {
  return takes(['string', 'string'], (text, delimiter) => {
    const at = find(text, delimiter);
    if (at < 0) return '';
    return side === 'before' ? text.slice(0, at) : text.slice(at + delimiter.length);
  });
}

const first = (text: string, delimiter: string): number => text.indexOf(delimiter);
const last = (text: string, delimiter: string): number => text.lastIndexOf(delimiter);

function concat(...parts: readonly string[]): string {
  checkLength(parts.reduce((length, part) => length + part.length, 0));
  return parts.join('');
}

function join(parts: readonly Value[], separator: string): Value {
  if (!parts.every((part) => typeof part === 'string')) return undefined;
  const own = parts.reduce((length, part) => length + part.length, 0);
  checkLength(own + separator.length * Math.max(0, parts.length - 1));
  return parts.join(separator);
}

/** Searches from a position towards the beginning: the match ends there at the latest. */
function lastIndexOf(text: string, part: string, position?: number): number {
  if (position === undefined) return text.lastIndexOf(part);
  const from = Math.trunc(position) - part.length + 1;
  return from < 0 ? -1 : text.lastIndexOf(part, from);
}

function left(text: string, length: number): string {
  return text.slice(0, Math.max(0, length));
}

function replace(text: string, part: string, by: string): string {
  if (part === '') return text;
  const pieces = text.split(part);
  checkLength(text.length + (pieces.length - 1) * (by.length - part.length));
  return pieces.join(by);
}

/** The documented limit of REPLICATE. */
const maximumReplica = 10_000;

function replicate(text: string, times: number): Value {
  if (times < 0 || text.length * times > maximumReplica) return undefined;
  // An empty text passes whatever the count, and `repeat` refuses a count that is too large.
  return text === '' ? text : text.repeat(times);
}

/** Functions over strings. Positions count UTF-16 units from zero, as JavaScript does. */
export const stringFunctions: FunctionTable = {
  CONCAT: takesMany('string', 2, concat),
  CONTAINS: matching((text, part) => text.includes(part)),
  CONTAINS_ALL_CI: containing('all', folded),
  CONTAINS_ALL_CS: containing('all', (text) => text),
  CONTAINS_ANY_CI: containing('any', folded),
  CONTAINS_ANY_CS: containing('any', (text) => text),
  ENDSWITH: matching((text, part) => text.endsWith(part)),
  INDEX_OF: takes(['string', 'string', 'number?'], (text, part, start) => text.indexOf(part, start)),
  LASTINDEXOF: takes(['string', 'string', 'number?'], lastIndexOf),
  LASTSUBSTRINGAFTER: cutting('after', last),
  LASTSUBSTRINGBEFORE: cutting('before', last),
  LEFT: takes(['string', 'number'], left),
  LENGTH: takes(['string'], (text) => text.length),
  LOWER: takes(['string'], (text) => text.toLowerCase()),
  LTRIM: trimming({ left: true, right: false }),
  REPLACE: takes(['string', 'string', 'string'], replace),
  REPLICATE: takes(['string', 'number'], replicate),
  REVERSE: takes(['string'], (text) => Array.from(text).toReversed().join('')),
  RIGHT: takes(['string', 'number'], (text, length) =>
    text.slice(text.length - Math.min(text.length, Math.max(0, Math.trunc(length)))),
  ),
  RTRIM: trimming({ left: false, right: true }),
  STARTSWITH: matching((text, part) => text.startsWith(part)),
  STRINGEQUALS: matching((text, other) => text === other),
  STRINGJOIN: takes(['array', 'string'], join),
  STRINGSPLIT: takes(['string', 'string'], (text, separator) =>
    separator === '' ? [text] : text.split(separator),
  ),
  SUBSTRING: takes(['string', 'number', 'number'], (text, start, length) =>
    left(text.slice(Math.max(0, start)), length),
  ),
  SUBSTRINGAFTER: cutting('after', first),
  SUBSTRINGBEFORE: cutting('before', first),
  TRIM: trimming({ left: true, right: true }),
  UPPER: takes(['string'], (text) => text.toUpperCase()),
};
