// size: one table of evaluators, one per kind of expression
import { isObject, type Json, type JsonObject, type Value } from '../json.ts';
import { badRequest, queryError, type ServiceError } from '../service-error.ts';
import { type Aggregation, aggregationOf } from './aggregate.ts';
import type { BinaryOperator, ExpressionKind, ExpressionOf, Query } from './ast.ts';
import { compareValues, typeRank, valuesEqual } from './compare.ts';
import { findFunction } from './functions/built-in.ts';
import { compileLike } from './like.ts';

/** The values of the FROM aliases in scope, by slot. */
export type Row = readonly Value[];

/** What one execution of a query knows. */
export interface Run {
  readonly parameters: ReadonlyMap<string, Value>;
  readonly now: number;
  /** Results of the aggregates of the group at hand, by their number. */
  readonly aggregates: readonly Value[];
  /** Calls a user-defined function of the container. Throws status 400 when there is none of that name, or it fails. */
  readonly callUdf?: (name: string, args: readonly Value[]) => Value;
}

/** A compiled expression. Undefined is a value: what has no value, and what cannot be computed. */
export type Evaluator = (row: Row, run: Run) => Value;

/** The names that an expression may use, and the aggregates that it turns out to hold. */
export interface Scope {
  readonly slots: ReadonlyMap<string, number>;
  /** Undefined where an aggregate has no place: in a filter, a source, or another aggregate. */
  readonly aggregations: Aggregation[] | undefined;
  /** Compiles a query inside this one. */
  readonly compileQuery: (query: Query, scope: Scope) => Subquery;
}

/** A compiled query inside another: its results for one row of the other. */
export interface Subquery {
  execute(row: Row, run: Run): Json[];
}

type Compilers = { readonly [K in ExpressionKind]: (expression: ExpressionOf<K>, scope: Scope) => Evaluator };

const compilers: Compilers = {
  literal:
    ({ value }) =>
    () =>
      value,
  parameter:
    ({ name }) =>
    (_row, run) =>
      run.parameters.get(name),
  variable: compileVariable,
  member: compileMember,
  index: compileIndex,
  unary: compileUnary,
  binary: compileBinary,
  and: compileAnd,
  or: compileOr,
  coalesce: ({ left, right }, scope) => {
    const first = compile(left, scope);
    const second = compile(right, scope);
    return (row, run) => {
      const value = first(row, run);
      return value === undefined ? second(row, run) : value;
    };
  },
  not: ({ operand }, scope) => {
    const inner = compile(operand, scope);
    return (row, run) => {
      const value = inner(row, run);
      return typeof value === 'boolean' ? !value : undefined;
    };
  },
  between: compileBetween,
  in: compileIn,
  like: compileLikeTest,
  conditional: ({ test, yes, no }, scope) => {
    const [tested, first, second] = [compile(test, scope), compile(yes, scope), compile(no, scope)];
    return (row, run) => (tested(row, run) === true ? first(row, run) : second(row, run));
  },
  array: ({ items }, scope) => {
    const evaluators = items.map((item) => compile(item, scope));
    return (row, run) => evaluators.map((item) => item(row, run)).filter((value) => value !== undefined);
  },
  object: compileObject,
  call: compileCall,
  udf: compileUdf,
  aggregate: ({ name, argument, span }, scope) => {
    if (scope.aggregations === undefined) {
      throw queryError(`The aggregate function '${name}' is not allowed in this clause.`, 'SC2104', span);
    }
    const folded = compile(argument, { ...scope, aggregations: undefined });
    const number = scope.aggregations.push(aggregationOf(name, folded)) - 1;
    return (_row, run) => run.aggregates[number];
  },
  exists: ({ query }, scope) => {
    const rows = compileSubquery(query, scope);
    return (row, run) => rows(row, run).length > 0;
  },
  'array-query': ({ query }, scope) => compileSubquery(query, scope),
  all: ({ query }, scope) => {
    const rows = compileSubquery(query, scope);
    return (row, run) => rows(row, run).every((value) => value === true);
  },
  first: ({ query }, scope) => {
    const rows = compileSubquery(query, scope);
    return (row, run) => rows(row, run)[0];
  },
  last: ({ query }, scope) => {
    const rows = compileSubquery(query, scope);
    return (row, run) => rows(row, run).at(-1);
  },
  subquery: ({ query }, scope) => {
    const rows = compileSubquery(query, scope);
    return (row, run) => rows(row, run)[0];
  },
};

/** Compiles an expression. Throws status 400 for a name or a function that does not exist. */
export function compile<K extends ExpressionKind>(expression: ExpressionOf<K>, scope: Scope): Evaluator {
  // The table pairs each kind with its compiler; TypeScript follows that only through the type parameter.
  const { kind }: { readonly kind: ExpressionKind } = expression;
  return (compilers[kind] as (expression: ExpressionOf<K>, scope: Scope) => Evaluator)(expression, scope);
}

function compileVariable({ name, span }: ExpressionOf<'variable'>, scope: Scope): Evaluator {
  const slot = scope.slots.get(name);
  if (slot === undefined) throw queryError(`Identifier '${name}' could not be resolved.`, 'SC2001', span);
  return (row) => row[slot];
}

function compileMember({ object, name }: ExpressionOf<'member'>, scope: Scope): Evaluator {
  const inner = compile(object, scope);
  return (row, run) => {
    const value = inner(row, run);
    return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  };
}

function compileIndex({ object, index }: ExpressionOf<'index'>, scope: Scope): Evaluator {
  const inner = compile(object, scope);
  const position = compile(index, scope);
  return (row, run) => {
    const value = inner(row, run);
    const at = position(row, run);
    if (Array.isArray(value)) return typeof at === 'number' ? value[at] : undefined;
    return isObject(value) && typeof at === 'string' && Object.hasOwn(value, at) ? value[at] : undefined;
  };
}

function compileUnary({ operator, operand }: ExpressionOf<'unary'>, scope: Scope): Evaluator {
  const inner = compile(operand, scope);
  const apply = { '-': (x: number) => -x, '+': (x: number) => x, '~': (x: number) => ~x }[operator];
  return (row, run) => {
    const value = inner(row, run);
    return typeof value === 'number' ? apply(value) : undefined;
  };
}

const arithmetic: Readonly<Partial<Record<BinaryOperator, (left: number, right: number) => number>>> = {
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '/': (left, right) => left / right,
  '%': (left, right) => left % right,
  '|': (left, right) => left | right,
  '&': (left, right) => left & right,
  '^': (left, right) => left ^ right,
  '<<': (left, right) => left << right,
  '>>': (left, right) => left >> right,
  '>>>': (left, right) => left >>> right,
};

const orders: Readonly<Partial<Record<BinaryOperator, (order: number) => boolean>>> = {
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
};

function compileBinary({ operator, left, right }: ExpressionOf<'binary'>, scope: Scope): Evaluator {
  const first = compile(left, scope);
  const second = compile(right, scope);
  if (operator === '=' || operator === '!=') {
    return (row, run) => {
      const equal = equals(first(row, run), second(row, run));
      return equal === undefined || operator === '=' ? equal : !equal;
    };
  }
  const holds = orders[operator];
  if (holds !== undefined) {
    return (row, run) => {
      const order = ordered(first(row, run), second(row, run));
      return order === undefined ? undefined : holds(order);
    };
  }
  const compute = arithmetic[operator];
  return (row, run) => {
    const a = first(row, run);
    const b = second(row, run);
    if (compute === undefined) return typeof a === 'string' && typeof b === 'string' ? a + b : undefined;
    if (typeof a !== 'number' || typeof b !== 'number') return undefined;
    const result = compute(a, b);
    return Number.isFinite(result) ? result : undefined;
  };
}

/** Equality of any two values: undefined beside an absent one, false between types. */
function equals(left: Value, right: Value): boolean | undefined {
  return left === undefined || right === undefined ? undefined : valuesEqual(left, right);
}

/** Order inside one scalar type; undefined between types, and for arrays and objects. */
function ordered(left: Value, right: Value): number | undefined {
  const rank = typeRank(left);
  return rank === 0 || rank > 4 || rank !== typeRank(right) ? undefined : compareValues(left, right);
}

function compileAnd({ left, right }: ExpressionOf<'and' | 'or' | 'coalesce'>, scope: Scope): Evaluator {
  const first = compile(left, scope);
  const second = compile(right, scope);
  return (row, run) => {
    const a = first(row, run);
    if (a === false) return false;
    const b = second(row, run);
    if (b === false) return false;
    return a === true && b === true ? true : undefined;
  };
}

function compileOr({ left, right }: ExpressionOf<'and' | 'or' | 'coalesce'>, scope: Scope): Evaluator {
  const first = compile(left, scope);
  const second = compile(right, scope);
  return (row, run) => {
    const a = first(row, run);
    if (a === true) return true;
    const b = second(row, run);
    if (b === true) return true;
    return a === false && b === false ? false : undefined;
  };
}

function compileBetween({ operand, low, high }: ExpressionOf<'between'>, scope: Scope): Evaluator {
  const [inner, from, to] = [compile(operand, scope), compile(low, scope), compile(high, scope)];
  return (row, run) => {
    const value = inner(row, run);
    const below = ordered(value, from(row, run));
    const above = ordered(value, to(row, run));
    if (below === undefined || above === undefined) return undefined;
    return below >= 0 && above <= 0;
  };
}

function compileIn({ operand, items }: ExpressionOf<'in'>, scope: Scope): Evaluator {
  const inner = compile(operand, scope);
  const evaluators = items.map((item) => compile(item, scope));
  return (row, run) => {
    const value = inner(row, run);
    if (value === undefined) return undefined;
    return evaluators.some((item) => equals(value, item(row, run)) === true);
  };
}

function compileLikeTest({ operand, pattern, escape }: ExpressionOf<'like'>, scope: Scope): Evaluator {
  const inner = compile(operand, scope);
  const wanted = compile(pattern, scope);
  let last: { readonly text: string; readonly matches: (text: string) => boolean } | undefined;
  return (row, run) => {
    const value = inner(row, run);
    const text = wanted(row, run);
    if (typeof value !== 'string' || typeof text !== 'string') return undefined;
    if (last?.text !== text) last = { text, matches: compileLike(text, escape) };
    return last.matches(value);
  };
}

function compileObject({ properties }: ExpressionOf<'object'>, scope: Scope): Evaluator {
  const compiled = properties.map(([name, expression]) => [name, compile(expression, scope)] as const);
  return (row, run) => {
    const result: JsonObject = {};
    for (const [name, evaluator] of compiled) setProperty(result, name, evaluator(row, run));
    return result;
  };
}

/** Sets a property that the caller names, `__proto__` included; an undefined one stays away. */
export function setProperty(target: JsonObject, name: string, value: Value): void {
  if (value === undefined) return;
  if (name !== '__proto__') target[name] = value;
  else Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
}

function compileCall(expression: ExpressionOf<'call'>, scope: Scope): Evaluator {
  const { name, span } = expression;
  const found = findFunction(name);
  if (found === undefined)
    throw queryError(`'${name}' is not a recognized built-in function name.`, 'SC2005', span);
  const count = expression.arguments.length;
  if (count < found.minimum || count > found.maximum) {
    throw queryError(`The ${name} function requires ${arity(found.minimum, found.maximum)}.`, 'SC2050', span);
  }
  const values = expression.arguments.map((argument) => compile(argument, scope));
  const { apply } = found;
  return (row, run) => apply(run, ...values.map((value) => value(row, run)));
}

function compileUdf(expression: ExpressionOf<'udf'>, scope: Scope): Evaluator {
  const { name } = expression;
  const values = expression.arguments.map((argument) => compile(argument, scope));
  return (row, run) => {
    if (run.callUdf === undefined) throw unknownUdf(name);
    return run.callUdf(
      name,
      values.map((value) => value(row, run)),
    );
  };
}

/** The refusal for a user-defined function that the container does not have. */
function unknownUdf(name: string): ServiceError {
  return badRequest(
    `One of the input values is invalid. The user defined function '${name}' does not exist.`,
  );
}

function arity(minimum: number, maximum: number): string {
  if (minimum === maximum) return `${minimum} argument(s)`;
  return maximum === Number.POSITIVE_INFINITY
    ? `at least ${minimum} argument(s)`
    : `${minimum} to ${maximum} arguments`;
}

function compileSubquery(query: Query, scope: Scope): (row: Row, run: Run) => Json[] {
  const compiled = scope.compileQuery(query, scope);
  return (row, run) => compiled.execute(row, run);
}
