import { fieldsOf, floorDivide, type Instant, day as oneDay, remainder } from './instant.ts';

const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
const days = ['Thursday', 'Friday', 'Saturday', 'Sunday', 'Monday', 'Tuesday', 'Wednesday'];

type Moment = ReturnType<typeof fieldsOf> & { readonly weekday: string };

function padded(value: number, width: number): string {
  return String(value).padStart(width, '0');
}

/** One or two digits, by the number of letters. */
function digits(read: (moment: Moment) => number): (moment: Moment, count: number) => string {
  return (moment, count) => padded(read(moment), Math.min(count, 2));
}

/** Digits for one letter or two, the beginning of the name for three, all of it from four on. */
function digitsOrName(read: (moment: Moment) => number, nameOf: (moment: Moment) => string) {
  return (moment: Moment, count: number): string => {
    if (count < 3) return padded(read(moment), count);
    return count === 3 ? nameOf(moment).slice(0, 3) : nameOf(moment);
  };
}

function fraction(moment: Moment, count: number): string {
  return padded(moment.ticks, 7).slice(0, Math.min(count, 7));
}

const specifiers: Readonly<Record<string, (moment: Moment, count: number) => string>> = {
  y: ({ year }, count) => (count < 3 ? padded(year % 100, count) : padded(year, count)),
  M: digitsOrName(
    ({ month }) => month,
    ({ month }) => months[month - 1] ?? '',
  ),
  d: digitsOrName(
    ({ day }) => day,
    ({ weekday }) => weekday,
  ),
  H: digits(({ hour }) => hour),
  h: digits(({ hour }) => ((hour + 11) % 12) + 1),
  m: digits(({ minute }) => minute),
  s: digits(({ second }) => second),
  f: fraction,
  F: (moment, count) => fraction(moment, count).replace(/0+$/, ''),
  t: ({ hour }, count) => (hour < 12 ? 'AM' : 'PM').slice(0, count),
};

/**
 * Writes a moment by a format such as `yyyy-MM-dd HH:mm:ss.fff`. A backslash takes the next character as it is, and so
 * do quotes all between them; letters that name nothing stand for themselves.
 */
export function formatDate(instant: Instant, format: string): string {
  const weekday = days[Number(remainder(floorDivide(instant, oneDay), 7n))] ?? '';
  const moment = { ...fieldsOf(instant), weekday };
  return format.replace(
    /\\([^])|'([^']*)'|"([^"]*)"|([yMdHhmsfFt])\4*/g,
    (run: string, escaped?: string, single?: string, double?: string, letter = '') =>
      escaped ?? single ?? double ?? specifiers[letter]?.(moment, run.length) ?? run,
  );
}
