import { describe, expect, it } from 'vitest';
import { startAllowance } from '../allowance.ts';
import { findFunction } from './built-in.ts';

/** How many arguments the documentation gives each function, as `least-most`; without a second number, exactly so many. */
const documented: Readonly<Record<string, string>> = {
  '0': 'GetCurrentDateTime GetCurrentDateTimeStatic GetCurrentTicks GetCurrentTicksStatic GetCurrentTimestamp GetCurrentTimestampStatic PI RAND',
  '0-2': 'Now',
  '1': 'ABS ACOS ARRAY_AVG ARRAY_LENGTH ARRAY_MAX ARRAY_MEDIAN ARRAY_MIN ARRAY_SUM ASIN ATAN CEILING COS COT DateTimeToTicks DateTimeToTimestamp Day DEGREES DOCUMENTID EXP FLOOR IntBitNot IS_ARRAY IS_BOOL IS_DEFINED IS_FINITE_NUMBER IS_INTEGER IS_NULL IS_NUMBER IS_OBJECT IS_PRIMITIVE IS_STRING LENGTH LOG10 LOWER Month RADIANS REVERSE SIGN SIN SQRT SQUARE ST_AREA ST_ISVALID ST_ISVALIDDETAILED StringToArray StringToBoolean StringToNull StringToNumber StringToObject TAN TicksToDateTime TimestampToDateTime ToString TRUNC UPPER Year',
  '1-2': 'LOG LTRIM NumberBin ROUND RTRIM TRIM',
  '1-3': 'ObjectToArray',
  '2': 'Ago ATN2 DateTimeFormat DateTimePart IntAdd IntBitAnd IntBitLeftShift IntBitOr IntBitRightShift IntBitXor IntDiv IntMod IntMul IntSub LastSubstringAfter LastSubstringBefore LEFT POWER REPLICATE RIGHT SetDifference SetEqual SetIntersect SetUnion ST_DISTANCE ST_INTERSECTS ST_WITHIN StringJoin StringSplit SubstringAfter SubstringBefore',
  '2-3':
    'ARRAY_CONTAINS ARRAY_SLICE CONTAINS ENDSWITH INDEX_OF LastIndexOf RegexMatch STARTSWITH StringEquals',
  '2-4': 'DateTimeBin',
  '2-Infinity':
    'ARRAY_CONCAT ARRAY_CONTAINS_ALL ARRAY_CONTAINS_ANY CHOOSE CONCAT CONTAINS_ALL_CI CONTAINS_ALL_CS CONTAINS_ANY_CI CONTAINS_ANY_CS',
  '3': 'DateTimeAdd DateTimeDiff IIF REPLACE SUBSTRING',
  '3-7': 'DateTimeFromParts',
};

const rows = Object.entries(documented).flatMap(([count, names]) =>
  names.split(' ').map((name): [string, string] => [name, count]),
);

describe('built-in functions', () => {
  it.each(rows)('%s takes %s arguments', (name, count) => {
    const [minimum, maximum = minimum] = count.split('-').map(Number);
    expect(findFunction(name)).toMatchObject({ minimum, maximum });
  });

  it.each(rows.filter(([, count]) => !count.startsWith('0')))('%s passes on what is undefined', (name) => {
    const found = findFunction(name);
    const values = Array.from({ length: found?.minimum ?? 0 }, () => undefined);
    expect(found?.apply({ now: 0, spend: startAllowance() }, ...values)).toBe(
      name.startsWith('IS_') ? false : undefined,
    );
  });

  it('are found in any case, with and without underscores', () => {
    expect(findFunction('Array_Contains')).toBe(findFunction('ARRAY_CONTAINS'));
    expect(findFunction('ArrayContains')).toBe(findFunction('ARRAY_CONTAINS'));
  });

  it.each(['VECTORDISTANCE', 'FULLTEXTCONTAINS', 'IS_DATETIME', 'constructor', ''])('are not %j', (name) => {
    expect(findFunction(name)).toBeUndefined();
  });
});
