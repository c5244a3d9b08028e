import type { Value } from '../../../json.ts';
import {
  type BuiltInFunction,
  type FunctionContext,
  type FunctionTable,
  takes,
  takesInContext,
} from '../function-table.ts';
import { formatDate } from './date-format.ts';
import { partOf } from './date-part.ts';
import {
  floorDivide,
  formatInstant,
  type Instant,
  inRange,
  instantOf,
  millisecond,
  parseInstant,
  tick,
} from './instant.ts';

function currentInstant({ now }: FunctionContext): Instant {
  return BigInt(Math.floor(now)) * millisecond;
}

function written(instant: Instant | undefined): Value {
  return instant === undefined ? undefined : formatInstant(instant);
}

/** A function of one moment. */
function ofInstant(apply: (instant: Instant) => Value): BuiltInFunction {
  return takes(['string'], (text) => {
    const instant = parseInstant(text);
    return instant === undefined ? undefined : apply(instant);
  });
}

function reading(name: string): BuiltInFunction {
  return ofInstant((instant) => partOf(name)?.read(instant));
}

/** Moves the current moment by so many of a part; as it is without them. */
function shifted(context: FunctionContext, amount: number | undefined, name: string | undefined): Value {
  const instant = currentInstant(context);
  if (name === undefined || amount === undefined) return name === undefined ? written(instant) : undefined;
  return written(partOf(name)?.add(instant, amount));
}

function add(name: string, amount: number, text: string): Value {
  const instant = parseInstant(text);
  return instant === undefined ? undefined : written(partOf(name)?.add(instant, amount));
}

function difference(name: string, from: string, to: string): Value {
  const part = partOf(name);
  const start = parseInstant(from);
  const end = parseInstant(to);
  if (part === undefined || start === undefined || end === undefined) return undefined;
  return Number(part.starts(end) - part.starts(start));
}

/** The first year that bins may start in: the epoch of Windows. */
const earliestBin = instantOf({ year: 1601, month: 1, day: 1 }) ?? 0n;

function bin(text: string, name: string, size = 1, startText = '1970-01-01'): Value {
  const instant = parseInstant(text);
  const start = parseInstant(startText);
  const width = partOf(name)?.width;
  if (instant === undefined || start === undefined || start < earliestBin) return undefined;
  if (width === undefined || size <= 0) return undefined;
  const whole = width * BigInt(size);
  return written(inRange(start + floorDivide(instant - start, whole) * whole));
}

function fromParts(...values: ReadonlyArray<number | undefined>): Value {
  const [year = 0, month = 0, day = 0, hour, minute, second, ticks] = values;
  return written(instantOf({ year, month, day, hour, minute, second, ticks }));
}

/** A moment that a number of units since the Unix epoch names. */
function ofCount(unit: bigint): BuiltInFunction {
  return takes(['number'], (count) =>
    Number.isFinite(count) ? written(inRange(BigInt(Math.floor(count)) * unit)) : undefined,
  );
}

/** Counts the whole units since the Unix epoch. */
function countOf(instant: Instant, unit: bigint): number {
  return Number(floorDivide(instant, unit));
}

function atNow(apply: (instant: Instant) => Value): BuiltInFunction {
  return takesInContext([], (context) => apply(currentInstant(context)));
}

/** Functions over dates and times; "current" is the emulator's clock. */
export const dateFunctions: FunctionTable = {
  AGO: takesInContext(['string', 'integer'], (context, name, amount) => shifted(context, -amount, name)),
  DATETIMEADD: takes(['string', 'integer', 'string'], add),
  DATETIMEBIN: takes(['string', 'string', 'integer?', 'string?'], bin),
  DATETIMEDIFF: takes(['string', 'string', 'string'], difference),
  DATETIMEFORMAT: takes(['string', 'string'], (text, format) => {
    const instant = parseInstant(text);
    return instant === undefined ? undefined : formatDate(instant, format);
  }),
  DATETIMEFROMPARTS: takes(
    ['integer', 'integer', 'integer', 'integer?', 'integer?', 'integer?', 'integer?'],
    fromParts,
  ),
  DATETIMEPART: takes(['string', 'string'], (name, text) => {
    const instant = parseInstant(text);
    return instant === undefined ? undefined : partOf(name)?.read(instant);
  }),
  DATETIMETOTICKS: ofInstant((instant) => countOf(instant, tick)),
  DATETIMETOTIMESTAMP: ofInstant((instant) => countOf(instant, millisecond)),
  DAY: reading('day'),
  GETCURRENTDATETIME: atNow(written),
  GETCURRENTDATETIMESTATIC: atNow(written),
  GETCURRENTTICKS: atNow((instant) => countOf(instant, tick)),
  GETCURRENTTICKSSTATIC: atNow((instant) => countOf(instant, tick)),
  GETCURRENTTIMESTAMP: atNow((instant) => countOf(instant, millisecond)),
  GETCURRENTTIMESTAMPSTATIC: atNow((instant) => countOf(instant, millisecond)),
  MONTH: reading('month'),
  NOW: takesInContext(['string?', 'integer?'], (context, name, amount) => shifted(context, amount, name)),
  TICKSTODATETIME: ofCount(tick),
  TIMESTAMPTODATETIME: ofCount(millisecond),
  YEAR: reading('year'),
};
