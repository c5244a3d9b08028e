import { isObject, type Json, type JsonObject, type Value } from '../../json.ts';
import { queryError } from '../../service-error.ts';
import type { ExpressionOf, QueryExpressionKind } from '../ast.ts';
import type { Evaluator, Scope } from '../scope.ts';

/** The slot of the document in every row of a query over documents. */
const documentSlot = 0;

/** Compiles the name of a source. */
export function compileVariable({ name, span }: ExpressionOf<'variable'>, scope: Scope): Evaluator {
  const slot = scope.slots.get(name);
  if (slot === undefined) throw queryError(`Identifier '${name}' could not be resolved.`, 'SC2001', span);
  return (row) => row[slot];
}

/** Compiles the reading of a property; those of the document itself may be computed ones. */
export function compileMember({ object, name }: ExpressionOf<'member'>, scope: Scope): Evaluator {
  const inner = scope.compile(object, scope);
  const computed = scope.computed.get(name);
  if (computed !== undefined && object.kind === 'variable' && scope.slots.get(object.name) === documentSlot) {
    return computed;
  }
  return (row, run) => {
    const value = inner(row, run);
    return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  };
}

/** Compiles the reading of an element, or of a property whose name is computed. */
export function compileIndex({ object, index }: ExpressionOf<'index'>, scope: Scope): Evaluator {
  const inner = scope.compile(object, scope);
  const position = scope.compile(index, scope);
  return (row, run) => {
    const value = inner(row, run);
    const at = position(row, run);
    if (Array.isArray(value)) return typeof at === 'number' ? value[at] : undefined;
    return isObject(value) && typeof at === 'string' && Object.hasOwn(value, at) ? value[at] : undefined;
  };
}

/** Compiles `[…]`, which leaves out what has no value. */
export function compileArray({ items }: ExpressionOf<'array'>, scope: Scope): Evaluator {
  const evaluators = items.map((item) => scope.compile(item, scope));
  return (row, run) => evaluators.map((item) => item(row, run)).filter((value) => value !== undefined);
}

/** Compiles `{…}`, which leaves out what has no value. */
export function compileObject({ properties }: ExpressionOf<'object'>, scope: Scope): Evaluator {
  const compiled = properties.map(([name, expression]) => [name, scope.compile(expression, scope)] as const);
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

/** Gives the compiler of a query that is a scalar, by what its results make. */
export function compileRows(
  value: (rows: Json[]) => Value,
): (expression: ExpressionOf<QueryExpressionKind>, scope: Scope) => Evaluator {
  return ({ query }, scope) => {
    const compiled = scope.compileQuery(query, scope);
    return (row, run) => value(compiled.execute(row, run));
  };
}
