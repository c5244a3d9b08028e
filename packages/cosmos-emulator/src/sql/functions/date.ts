import type { Value } from '../../json.ts';
import { anyValues, type BuiltInFunction, type FunctionTable } from './function-table.ts';

/** Ticks of 100 nanoseconds from year 1 to the Unix epoch. */
const epochTicks = 621_355_968_000_000_000;

type Part = 'year' | 'month' | 'day' | 'hour' | 'minute' | 'second' | 'millisecond';

const parts: ReadonlyMap<string, Part> = new Map([
  ['year', 'year'],
  ['yyyy', 'year'],
  ['yy', 'year'],
  ['month', 'month'],
  ['mm', 'month'],
  ['m', 'month'],
  ['day', 'day'],
  ['dd', 'day'],
  ['d', 'day'],
  ['hour', 'hour'],
  ['hh', 'hour'],
  ['minute', 'minute'],
  ['mi', 'minute'],
  ['n', 'minute'],
  ['second', 'second'],
  ['ss', 'second'],
  ['s', 'second'],
  ['millisecond', 'millisecond'],
  ['ms', 'millisecond'],
]);

const milliseconds: Readonly<Record<Exclude<Part, 'year' | 'month'>, number>> = {
  day: 86_400_000,
  hour: 3_600_000,
  minute: 60_000,
  second: 1000,
  millisecond: 1,
};

const read: Readonly<Record<Part, (date: Date) => number>> = {
  year: (date) => date.getUTCFullYear(),
  month: (date) => date.getUTCMonth() + 1,
  day: (date) => date.getUTCDate(),
  hour: (date) => date.getUTCHours(),
  minute: (date) => date.getUTCMinutes(),
  second: (date) => date.getUTCSeconds(),
  millisecond: (date) => date.getUTCMilliseconds(),
};

function partOf(name: Value): Part | undefined {
  return typeof name === 'string' ? parts.get(name.toLowerCase()) : undefined;
}

/** Reads an ISO 8601 moment; more than three digits of a second are cut off. */
function timeOf(text: Value): number | undefined {
  if (typeof text !== 'string') return undefined;
  const time = Date.parse(text.replace(/(\.\d{3})\d+/, '$1'));
  return Number.isNaN(time) ? undefined : time;
}

/** Writes a moment with the seven digits that the service uses. */
function isoText(time: number): Value {
  return Math.abs(time) > 8.64e15 || Number.isNaN(time)
    ? undefined
    : new Date(time).toISOString().replace('Z', '0000Z');
}

function add(name: Value, amount: Value, text: Value): Value {
  const part = partOf(name);
  const time = timeOf(text);
  if (part === undefined || time === undefined || typeof amount !== 'number') return undefined;
  if (part !== 'year' && part !== 'month') return isoText(time + amount * milliseconds[part]);
  const date = new Date(time);
  date.setUTCMonth(date.getUTCMonth() + amount * (part === 'year' ? 12 : 1));
  return isoText(date.getTime());
}

/** Counts the boundaries of the part between two moments. */
function difference(name: Value, from: Value, to: Value): Value {
  const part = partOf(name);
  const start = timeOf(from);
  const end = timeOf(to);
  if (part === undefined || start === undefined || end === undefined) return undefined;
  if (part !== 'year' && part !== 'month') {
    return Math.floor(end / milliseconds[part]) - Math.floor(start / milliseconds[part]);
  }
  const years = new Date(end).getUTCFullYear() - new Date(start).getUTCFullYear();
  return part === 'year' ? years : years * 12 + new Date(end).getUTCMonth() - new Date(start).getUTCMonth();
}

function fromParts(...values: Value[]): Value {
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0, fraction = 0] = values;
  if (!values.every((value) => Number.isInteger(value))) return undefined;
  const time = Date.UTC(
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
  );
  return isoText(time + Math.trunc(Number(fraction) / 10_000));
}

function bin(text: Value, name: Value, size: Value = 1): Value {
  const time = timeOf(text);
  const part = partOf(name);
  if (time === undefined || part === undefined || typeof size !== 'number' || size <= 0) return undefined;
  if (part === 'year' || part === 'month') return undefined;
  const width = milliseconds[part] * size;
  return isoText(Math.floor(time / width) * width);
}

function atNow(apply: (now: number) => Value): BuiltInFunction {
  return { minimum: 0, maximum: 0, apply: (context) => apply(context.now) };
}

/** Functions over dates and times; "current" is the emulator's clock. */
export const dateFunctions: FunctionTable = {
  DATETIMEADD: anyValues(add, 3),
  DATETIMEBIN: anyValues(bin, 2, 3),
  DATETIMEDIFF: anyValues(difference, 3),
  DATETIMEFROMPARTS: anyValues(fromParts, 3, 7),
  DATETIMEPART: anyValues((name, text) => {
    const part = partOf(name);
    const time = timeOf(text);
    return part === undefined || time === undefined ? undefined : read[part](new Date(time));
  }, 2),
  DATETIMETOTICKS: anyValues((text) => {
    const time = timeOf(text);
    return time === undefined ? undefined : time * 10_000 + epochTicks;
  }, 1),
  DATETIMETOTIMESTAMP: anyValues(timeOf, 1),
  GETCURRENTDATETIME: atNow(isoText),
  GETCURRENTDATETIMESTATIC: atNow(isoText),
  GETCURRENTTICKS: atNow((now) => now * 10_000 + epochTicks),
  GETCURRENTTICKSSTATIC: atNow((now) => now * 10_000 + epochTicks),
  GETCURRENTTIMESTAMP: atNow((now) => now),
  GETCURRENTTIMESTAMPSTATIC: atNow((now) => now),
  TICKSTODATETIME: anyValues(
    (ticks) => (typeof ticks === 'number' ? isoText((ticks - epochTicks) / 10_000) : undefined),
    1,
  ),
  TIMESTAMPTODATETIME: anyValues((time) => (typeof time === 'number' ? isoText(time) : undefined), 1),
};
