/** A moment: nanoseconds since the Unix epoch, in whole hundreds, as the service keeps them. */
export type Instant = bigint;

/** Nanoseconds of a tick, the smallest step of a date and time. */
export const tick = 100n;

/** Nanoseconds of a millisecond. */
export const millisecond = 1_000_000n;

/** Nanoseconds of a second. */
export const second = 1_000_000_000n;

/** Nanoseconds of a minute. */
export const minute = 60n * second;

/** Nanoseconds of an hour. */
export const hour = 60n * minute;

/** Nanoseconds of a day. */
export const day = 24n * hour;

/** Divides downwards, also below zero. */
export function floorDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  return value % by < 0n ? quotient - 1n : quotient;
}

/** What is left by {@link floorDivide}: never below zero. */
export function remainder(value: bigint, by: bigint): bigint {
  return value - floorDivide(value, by) * by;
}

/** The fields of a date and time, in UTC. */
export interface Fields {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour?: number | undefined;
  readonly minute?: number | undefined;
  readonly second?: number | undefined;
  /** Ticks beyond the second. */
  readonly ticks?: number | undefined;
}

function isBetween(value: number, low: number, high: number): boolean {
  return Number.isInteger(value) && value >= low && value <= high;
}

/** Counts the days of a month: the day before the first of the next one. */
function daysIn(year: number, month: number): number {
  return dateOf(year, month + 1, 0).getUTCDate();
}

/** The date of a year from 0 on; Date.UTC would move the first hundred years. */
function dateOf(year: number, month: number, dayOfMonth: number): Date {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, dayOfMonth);
  return date;
}

/** The moment that the fields name; undefined where there is none in the years 1 to 9999. */
export function instantOf(fields: Fields): Instant | undefined {
  const { year, month, hour: hours = 0, minute: minutes = 0, second: seconds = 0, ticks = 0 } = fields;
  const exists =
    isBetween(year, 1, 9999) &&
    isBetween(month, 1, 12) &&
    isBetween(fields.day, 1, daysIn(year, month)) &&
    isBetween(hours, 0, 23) &&
    isBetween(minutes, 0, 59) &&
    isBetween(seconds, 0, 59) &&
    isBetween(ticks, 0, 9_999_999);
  if (!exists) return undefined;
  const date = BigInt(dateOf(year, month, fields.day).getTime()) * millisecond;
  return (
    date + BigInt(hours) * hour + BigInt(minutes) * minute + BigInt(seconds) * second + BigInt(ticks) * tick
  );
}

/** The fields of a moment. */
export function fieldsOf(instant: Instant): Required<{ readonly [K in keyof Fields]: number }> {
  const date = new Date(Number(floorDivide(instant, millisecond)));
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    ticks: Number(remainder(instant, second) / tick),
  };
}

/** Moves a moment by months; from a day that the month does not have to its last. */
export function addMonths(instant: Instant, amount: number): Instant | undefined {
  const fields = fieldsOf(instant);
  const months = fields.year * 12 + fields.month - 1 + amount;
  const year = Math.floor(months / 12);
  const month = months - year * 12 + 1;
  if (!isBetween(year, 1, 9999)) return undefined;
  return instantOf({ ...fields, year, month, day: Math.min(fields.day, daysIn(year, month)) });
}

const pattern =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(?:Z|([+-])(\d\d):(\d\d))?)?$/;

/** Reads an ISO 8601 date, with or without a time; without an offset it is UTC. Undefined for any other text. */
export function parseInstant(text: string): Instant | undefined {
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const [
    ,
    year,
    month,
    dayOfMonth,
    hours,
    minutes,
    seconds,
    fraction = '',
    sign,
    offsetHours,
    offsetMinutes,
  ] = match;
  const local = instantOf({
    year: Number(year),
    month: Number(month),
    day: Number(dayOfMonth),
    hour: Number(hours ?? 0),
    minute: Number(minutes ?? 0),
    second: Number(seconds ?? 0),
    ticks: Number(fraction.slice(0, 7).padEnd(7, '0')),
  });
  if (local === undefined || sign === undefined) return local;
  const offset = BigInt(offsetHours ?? 0) * hour + BigInt(offsetMinutes ?? 0) * minute;
  return inRange(sign === '+' ? local - offset : local + offset);
}

const earliest = parseInstant('0001-01-01') ?? 0n;
const latest = parseInstant('9999-12-31T23:59:59.9999999') ?? 0n;

/** The moment when it is in the years 1 to 9999, cut to whole ticks; else undefined. */
export function inRange(instant: bigint | undefined): Instant | undefined {
  if (instant === undefined || instant < earliest || instant > latest) return undefined;
  return floorDivide(instant, tick) * tick;
}

/** Writes a moment with the seven digits that the service uses. */
export function formatInstant(instant: Instant): string {
  const whole = new Date(Number(floorDivide(instant, millisecond))).toISOString().slice(0, 19);
  return `${whole}.${String(fieldsOf(instant).ticks).padStart(7, '0')}Z`;
}
