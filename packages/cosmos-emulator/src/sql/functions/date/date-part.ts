import {
  addMonths,
  day,
  fieldsOf,
  floorDivide,
  hour,
  type Instant,
  inRange,
  minute,
  remainder,
  second,
} from './instant.ts';

/** One part of a date and time, such as the month. */
export interface DatePart {
  /** The part's value in a moment. */
  readonly read: (instant: Instant) => number;
  /** Moves a moment by so many of the part; undefined beyond the years 1 to 9999. */
  readonly add: (instant: Instant, amount: number) => Instant | undefined;
  /** Counts the starts of the part, such as midnights for the day, from some fixed moment. */
  readonly starts: (instant: Instant) => bigint;
  /** Its length in nanoseconds, for the parts that all have the same. */
  readonly width?: bigint;
}

/** A part of months, of which years are twelve. */
function calendarPart(read: (instant: Instant) => number, months: number): DatePart {
  return {
    read,
    add: (instant, amount) => addMonths(instant, amount * months),
    starts: (instant) => {
      const { year, month } = fieldsOf(instant);
      return BigInt(Math.floor((year * 12 + month - 1) / months));
    },
  };
}

/** A part of fixed length; what it reads starts again with each `whole`. */
function fixedPart(
  width: bigint,
  whole: bigint,
  read = (instant: Instant): number => Number(remainder(instant, whole) / width),
): DatePart {
  return {
    read,
    add: (instant, amount) => inRange(instant + BigInt(amount) * width),
    starts: (instant) => floorDivide(instant, width),
    width,
  };
}

const parts: ReadonlyMap<string, DatePart> = new Map(
  (
    [
      [['year', 'yyyy', 'yy'], calendarPart((instant) => fieldsOf(instant).year, 12)],
      [['month', 'mm', 'm'], calendarPart((instant) => fieldsOf(instant).month, 1)],
      [['day', 'dd', 'd'], fixedPart(day, day, (instant) => fieldsOf(instant).day)],
      [['hour', 'hh'], fixedPart(hour, day)],
      [['minute', 'mi', 'n'], fixedPart(minute, hour)],
      [['second', 'ss', 's'], fixedPart(second, minute)],
      [['millisecond', 'ms'], fixedPart(1_000_000n, second)],
      [['microsecond', 'mcs'], fixedPart(1000n, second)],
      [['nanosecond', 'ns'], fixedPart(1n, second)],
    ] as const
  ).flatMap(([names, part]) => names.map((name) => [name, part] as const)),
);

/** Finds a part by its name or an abbreviation of it, in any case; undefined when there is none. */
export function partOf(name: string): DatePart | undefined {
  return parts.get(name.toLowerCase());
}
