import type { FieldType, JsonValue } from '@polyphase/core';
import { type RawBuilder, sql } from 'kysely';

/**
 * Types that a column may have instead of text or double precision. A value is in the column only when it comes back from there
 * exactly as it was; every other value of the field stays in the rest column.
 *
 * - `timestamptz`: text as `Date.toISOString` writes it, `2020-01-31T23:59:59.999Z`, from the year 0001 to 9999. `timestamptz(0)`
 *   the same without a fraction, `timestamptz(6)` with six digits.
 * - `date`: text as `2020-01-31`, from the year 0001 to 9999.
 * - `uuid`: text of 32 lower-case hexadecimal digits with hyphens.
 * - `numeric`: text of a decimal as PostgreSQL prints it (`-12.50`, no exponent, at most 250 digits on either side); any number.
 * - `bigint`, `integer`: whole numbers up to 2^53 − 1, or 2^31 − 1; as text at most 18 digits, without leading zeros (`bigint`).
 */
export type NativeType =
  | 'timestamptz'
  | 'timestamptz(0)'
  | 'timestamptz(6)'
  | 'date'
  | 'uuid'
  | 'numeric'
  | 'bigint'
  | 'integer';

type Sql = RawBuilder<unknown>;

interface NativeColumn {
  /** Type in statements; `exact`, where it differs, is that in the table's definition, and `catalog` how the catalog prints that. */
  readonly sql: string;
  readonly exact?: string;
  readonly catalog: string;
  /** Pattern of the texts that it holds exactly, for JavaScript and PostgreSQL alike. */
  readonly texts?: string;
  /** Whole numbers that it holds are at most this; Infinity: it holds every number. */
  readonly numbers?: number;
  /** The text of a value, as fast as can be. */
  readonly text: (column: Sql) => Sql;
  /** The same text by a function that may be part of an index. @default `text` */
  readonly indexable?: (column: Sql) => Sql;
}

// Patterns know the days of each month and leap years: what they let through, no cast refuses and no cast changes.
const YEAR = '(?!0000)[0-9]{4}';
const LEAP = '(?!0000)(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)';
const DATE = `(?:${YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|${LEAP}-02-29)`;
const TIME = '(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]';

const printed = (column: Sql): Sql => sql`${column}::text`;

function timestamp(digits: 0 | 3 | 6): NativeColumn {
  const fraction = { 0: '', 3: '.MS', 6: '.US' }[digits];
  return {
    sql: 'timestamptz',
    exact: `timestamptz(${digits})`,
    catalog: `timestamp(${digits}) with time zone`,
    texts: `${DATE}T${TIME}${digits === 0 ? '' : `\\.[0-9]{${digits}}`}Z`,
    text: (column) =>
      sql`to_char(${column} at time zone 'UTC', ${sql.lit(`YYYY-MM-DD"T"HH24:MI:SS${fraction}"Z"`)})`,
    indexable: (column) => sql`polyphase.timestamp_text(${column}, ${sql.lit(digits)})`,
  };
}

const NATIVE: Readonly<Record<NativeType, NativeColumn>> = {
  timestamptz: timestamp(3),
  'timestamptz(0)': timestamp(0),
  'timestamptz(6)': timestamp(6),
  date: {
    sql: 'date',
    catalog: 'date',
    texts: DATE,
    // As a timestamp without zone: otherwise it would be midnight of the session's zone, which some days do not have.
    text: (column) => sql`to_char(${column}::timestamp, 'YYYY-MM-DD')`,
    indexable: (column) => sql`polyphase.date_text(${column})`,
  },
  uuid: {
    sql: 'uuid',
    catalog: 'uuid',
    texts: '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}',
    text: printed,
  },
  numeric: {
    sql: 'numeric',
    catalog: 'numeric',
    texts: '(?!-0(?:\\.0*)?$)-?(?:0|[1-9][0-9]{0,249})(?:\\.[0-9]{1,250})?',
    numbers: Number.POSITIVE_INFINITY,
    text: printed,
  },
  bigint: {
    sql: 'bigint',
    catalog: 'bigint',
    texts: '0|-?[1-9][0-9]{0,17}',
    numbers: Number.MAX_SAFE_INTEGER,
    text: printed,
  },
  integer: { sql: 'integer', catalog: 'integer', numbers: 2 ** 31 - 1, text: printed },
};

/** Names of the native types. */
export const NATIVE_TYPES: readonly string[] = Object.keys(NATIVE);

/** Whether a name is that of a native type. */
export function isNativeType(name: unknown): name is NativeType {
  return typeof name === 'string' && NATIVE_TYPES.includes(name);
}

/** Whether fields of a type can have values in a native column at all. */
export function serves(native: NativeType, type: FieldType): boolean {
  const { texts, numbers } = NATIVE[native];
  return (type === 'text' && texts !== undefined) || (type === 'number' && numbers !== undefined);
}

/** Type of a native column: in statements, and in the catalog. */
export function nativeSql(native: NativeType): { readonly sql: string; readonly catalog: string } {
  return NATIVE[native];
}

const patterns = new Map<string, RegExp>();

function whole(texts: string): RegExp {
  const known = patterns.get(texts) ?? new RegExp(`^(?:${texts})$`);
  patterns.set(texts, known);
  return known;
}

/** Whether a native column gives a value back exactly as it was. */
export function fitsNative(native: NativeType, type: FieldType, value: JsonValue): boolean {
  const { texts, numbers = 0 } = NATIVE[native];
  if (type === 'text') return typeof value === 'string' && texts !== undefined && whole(texts).test(value);
  if (typeof value !== 'number') return false;
  return numbers === Number.POSITIVE_INFINITY || (Number.isInteger(value) && Math.abs(value) <= numbers);
}

/** The same of a jsonb in SQL: true, false or null. */
export function fitsNativeSql(native: NativeType, type: FieldType, json: Sql): Sql {
  const { texts = '', numbers = 0 } = NATIVE[native];
  if (type === 'text')
    return sql`(case when jsonb_typeof(${json}) = 'string' then ${json} #>> '{}' ~ ${`^(?:${texts})$`} end)`;
  const number = sql`(${json} #>> '{}')::numeric`;
  const fits =
    numbers === Number.POSITIVE_INFINITY
      ? sql`true`
      : sql`${number} = trunc(${number}) and abs(${number}) <= ${String(numbers)}::numeric`;
  return sql`(case when jsonb_typeof(${json}) = 'number' then ${fits} end)`;
}

/** The text of a native column's value, from which the field's value is read; independent of the session's settings. */
export function nativeText(native: NativeType, column: Sql): Sql {
  return NATIVE[native].text(column);
}

/** What a native column counts as in orders and comparisons: the field's own text or number. May be part of an index. */
export function nativeValue(native: NativeType, type: FieldType, column: Sql): Sql {
  if (type === 'number') return sql`${column}::double precision`;
  const { text, indexable = text } = NATIVE[native];
  return indexable(column);
}

/** Definition of a native column, with a check against values that only raw SQL could put there and that no field can have. */
export function nativeDefinition(native: NativeType, type: FieldType, column: Sql): Sql {
  const { sql: name, exact = name, numbers } = NATIVE[native];
  const is = sql.raw(exact);
  if (name === 'timestamptz')
    return sql`${is} check (${column} >= '0001-01-01 00:00:00+00' and ${column} < '10000-01-01 00:00:00+00')`;
  if (name === 'date') return sql`${is} check (${column} >= '0001-01-01' and ${column} < '10000-01-01')`;
  if (type !== 'number') return is;
  // A number of JSON is a double; NaN and infinities are none.
  return numbers === Number.POSITIVE_INFINITY
    ? sql`${is} check (${column} - ${column} = 0 and ${column}::double precision::text::numeric = ${column})`
    : sql`${is} check (${column} between ${sql.lit(-(numbers ?? 0))} and ${sql.lit(numbers ?? 0)})`;
}
