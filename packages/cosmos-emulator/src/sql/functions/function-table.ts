import { isObject, type Json, type JsonObject, type Value } from '../../json.ts';
import { badRequest } from '../../service-error.ts';
import type { Geospatial } from '../../storage/container-properties.ts';
import { cost, type Spend } from '../allowance.ts';

/** What a function may know besides its arguments. */
export interface FunctionContext {
  /** Milliseconds since the Unix epoch, by the emulator's clock; one moment for the whole request. */
  readonly now: number;
  /** How the container's points lie: on the Earth (`Geography`, also when absent) or on a plane. */
  readonly geospatial?: Geospatial | undefined;
  readonly spend: Spend;
}

/** A built-in function: undefined stands for an argument, or a result, that is not there. */
export interface BuiltInFunction {
  readonly minimum: number;
  readonly maximum: number;
  readonly apply: (context: FunctionContext, ...values: Value[]) => Value;
}

/** Functions by name, in capitals. */
export type FunctionTable = Readonly<Record<string, BuiltInFunction>>;

/** What an argument may be asked to be. */
interface Kinds {
  any: Value;
  string: string;
  number: number;
  integer: number;
  boolean: boolean;
  array: readonly Json[];
  object: JsonObject;
}

type Kind = keyof Kinds;

/** One parameter: its kind, with `?` after it where the argument may be left out. */
type Parameter = Kind | `${Kind}?`;

type ArgumentOf<P> = P extends `${infer K extends Kind}?`
  ? Kinds[K] | undefined
  : P extends Kind
    ? Kinds[P]
    : never;

type ArgumentsOf<S extends readonly Parameter[]> = { [At in keyof S]: ArgumentOf<S[At]> };

const accepts: Readonly<Record<Kind, (value: Value) => boolean>> = {
  any: () => true,
  string: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  integer: (value) => Number.isInteger(value),
  boolean: (value) => typeof value === 'boolean',
  array: (value) => Array.isArray(value),
  object: isObject,
};

/** Spends what it takes to look through a text or along an array. */
function spendOn(value: Value, spend: Spend): void {
  if (typeof value === 'string') spend(value.length * cost.text);
  else if (Array.isArray(value)) spend(value.length * cost.item);
}

/** Counts what was built; a number that is none becomes undefined. */
function finished(context: FunctionContext, result: Value): Value {
  if (typeof result === 'number') return Number.isFinite(result) ? result : undefined;
  spendOn(result, context.spend);
  return result;
}

/** A function whose arguments are of the named kinds: undefined where one of those given is not. */
export function takes<const S extends readonly Parameter[]>(
  signature: S,
  apply: (...values: ArgumentsOf<S>) => Value,
): BuiltInFunction {
  return takesInContext(signature, (_context, ...values: ArgumentsOf<S>) => apply(...values));
}

/** A function like those of {@link takes} that also knows the clock, the container's geometry or the allowance. */
export function takesInContext<const S extends readonly Parameter[]>(
  signature: S,
  apply: (context: FunctionContext, ...values: ArgumentsOf<S>) => Value,
): BuiltInFunction {
  const kinds = signature.map(kindOf);
  return {
    minimum: signature.filter((parameter) => !parameter.endsWith('?')).length,
    maximum: signature.length,
    apply: (context, ...values) => {
      for (let at = 0; at < values.length; at++) {
        const kind = kinds[at] ?? 'any';
        if (!accepts[kind](values[at])) return undefined;
        if (kind !== 'any') spendOn(values[at], context.spend);
      }
      // The tests have just shown it, one value after the other; TypeScript cannot follow that through the tuple.
      return finished(context, apply(context, ...(values as ArgumentsOf<S>)));
    },
  };
}

function kindOf(parameter: Parameter): Kind {
  // Cutting the mark off leaves a Kind, by the definition of Parameter.
  return (parameter.endsWith('?') ? parameter.slice(0, -1) : parameter) as Kind;
}

/** A function of any number of arguments of one kind, from `minimum` on: undefined where one is of another. */
export function takesMany<K extends Kind>(
  kind: K,
  minimum: number,
  apply: (...values: Kinds[K][]) => Value,
): BuiltInFunction {
  return {
    minimum,
    maximum: Number.POSITIVE_INFINITY,
    apply: (context, ...values) => {
      if (!values.every(accepts[kind])) return undefined;
      for (const value of values) spendOn(value, context.spend);
      return finished(context, apply(...(values as Kinds[K][])));
    },
  };
}

/** The longest text or array that a function builds, so that a query cannot exhaust the memory. */
const maximumLength = 4 * 1024 * 1024;

/** Throws status 400 when a result of this length is more than a function may build. */
export function checkLength(length: number): void {
  if (length > maximumLength) throw badRequest('The result of a function in the query is too large.');
}
