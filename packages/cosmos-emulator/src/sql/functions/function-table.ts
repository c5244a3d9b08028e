import type { Value } from '../../json.ts';

/** What a function may know besides its arguments. */
export interface FunctionContext {
  /** Milliseconds since the Unix epoch, by the emulator's clock; one moment for the whole request. */
  readonly now: number;
}

/** A built-in function: undefined stands for an argument, or a result, that is not there. */
export interface BuiltInFunction {
  readonly minimum: number;
  readonly maximum: number;
  readonly apply: (context: FunctionContext, ...values: Value[]) => Value;
}

/** Functions by name, in capitals. */
export type FunctionTable = Readonly<Record<string, BuiltInFunction>>;

/** A function of any values. */
export function anyValues(
  apply: (...values: Value[]) => Value,
  minimum: number,
  maximum = minimum,
): BuiltInFunction {
  return { minimum, maximum, apply: (_context, ...values) => apply(...values) };
}

/** A function of numbers: undefined for any other argument, and for a result that is no finite number. */
export function ofNumbers(
  apply: (...values: number[]) => number,
  minimum: number,
  maximum = minimum,
): BuiltInFunction {
  return anyValues(
    (...values) => {
      if (!values.every((value) => typeof value === 'number')) return undefined;
      const result = apply(...values);
      return Number.isFinite(result) ? result : undefined;
    },
    minimum,
    maximum,
  );
}

/** A function of strings: undefined for any other argument. */
export function ofStrings(
  apply: (...values: string[]) => Value,
  minimum: number,
  maximum = minimum,
): BuiltInFunction {
  return anyValues(
    (...values) => (values.every((value) => typeof value === 'string') ? apply(...values) : undefined),
    minimum,
    maximum,
  );
}
