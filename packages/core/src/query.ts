/** A value that queries compare with. */
export type Scalar = string | number | boolean | null;

/** Tells whether queries can compare with a value: text, a finite number, a boolean or null. */
export function isScalar(value: unknown): value is Scalar {
  return (
    value === null ||
    typeof value === 'string' ||
    typeof value === 'boolean' ||
    (typeof value === 'number' && Number.isFinite(value))
  );
}

/**
 * What may be asked of one field. A field that is missing, or of another type than the value asked about, matches none of these but
 * `ne` (when present) and `exists: false`. `null` is a value like any other, and is not "missing".
 */
export interface FieldCondition<Value = Scalar> {
  readonly eq?: Value;
  /** Present, and not this value. */
  readonly ne?: Value;
  /** One of these values, at most 100. */
  readonly in?: readonly Value[];
  readonly lt?: Value;
  readonly lte?: Value;
  readonly gt?: Value;
  readonly gte?: Value;
  /** Text that starts so; case counts. */
  readonly startsWith?: string;
  /** Text that holds this somewhere; case counts. Reads every record that the rest of the query leaves. */
  readonly contains?: string;
  /** Whether the field is there at all. */
  readonly exists?: boolean;
}

type Depth = [never, 0, 1, 2, 3];

/** Dotted paths to the fields of a type, at most four names deep. Arrays are not entered. */
export type QueryPath<Value, Level extends number = 4> = [Level] extends [0]
  ? never
  : Value extends readonly unknown[] | Scalar | undefined
    ? never
    : {
        [Name in keyof Value & string]:
          | Name
          | `${Name}.${QueryPath<NonNullable<Value[Name]>, Depth[Level] & number>}`;
      }[keyof Value & string];

type FieldAt<Value, Path extends string> = Path extends keyof Value
  ? Value[Path]
  : Path extends `${infer Head}.${infer Rest}`
    ? Head extends keyof Value
      ? FieldAt<NonNullable<Value[Head]>, Rest>
      : unknown
    : unknown;

type Comparable<Field> = Extract<Field, Scalar>;

/** Conditions that must all hold: by field, and combined with `and`, `or`, `not`. */
export type Where<Value> = {
  readonly [Path in QueryPath<Value>]?:
    | Comparable<FieldAt<Value, Path>>
    | FieldCondition<Comparable<FieldAt<Value, Path>>>;
} & {
  readonly and?: readonly Where<Value>[];
  readonly or?: readonly Where<Value>[];
  readonly not?: Where<Value>;
};

/** Plain data that says which records are wanted. Every store answers it with the same keys in the same order. */
export interface Query<Value = Record<string, unknown>> {
  /** Which records. @default all */
  readonly where?: Where<Value>;
  /**
   * Fields of a declared index, in its order, all `"asc"` or all `"desc"`. Ties are broken by partition and id in the same
   * direction. Missing sorts before null, false, true, numbers, text (by code point), and then everything else.
   *
   * @default by partition and id
   */
  readonly orderBy?: readonly (readonly [field: keyof Value & string, direction: 'asc' | 'desc'])[];
  /** Records in a page, 1 to 1,000. @default 100 */
  readonly limit?: number;
  /** Where the last page ended. It stays good when the entity moves to another store. */
  readonly cursor?: string | undefined;
}

/** One page of answers. */
export interface Page<Item> {
  readonly items: readonly Item[];
  /** Ask again with it for the next page; absent on the last. */
  readonly cursor?: string;
}
