import { queryError } from '../../service-error.ts';
import { aggregationOf } from '../aggregate.ts';
import type { ExpressionOf, Span } from '../ast.ts';
import { findFunction } from '../functions/built-in.ts';
import { isAggregate } from '../parse/expression.ts';
import type { Evaluator, Scope } from '../scope.ts';

/** Arguments travel on the stack, which does not hold any number of them. */
const mostArguments = 10_000;

/** Compiles the call of a built-in function. */
export function compileCall(expression: ExpressionOf<'call'>, scope: Scope): Evaluator {
  const { name, span } = expression;
  const found = findFunction(name);
  if (found === undefined) {
    if (isAggregate(name)) throw wrongCount(name, span, { minimum: 1, maximum: 1 });
    const { start } = span;
    throw queryError(`'${name}' is not a recognized built-in function name.`, 'SC2005', {
      start,
      end: start + name.length,
    });
  }
  const count = expression.arguments.length;
  if (count < found.minimum || count > Math.min(found.maximum, mostArguments)) {
    throw wrongCount(name, span, found);
  }
  const values = expression.arguments.map((argument) => scope.compile(argument, scope));
  const { apply } = found;
  return (row, run) => apply(run, ...values.map((value) => value(row, run)));
}

function wrongCount(name: string, span: Span, arity: { minimum: number; maximum: number }): Error {
  return queryError(`The ${name.toUpperCase()} function requires ${spoken(arity)}.`, 'SC2050', span);
}

function spoken({ minimum, maximum }: { minimum: number; maximum: number }): string {
  if (minimum === maximum) return `${minimum} argument(s)`;
  return maximum === Number.POSITIVE_INFINITY
    ? `at least ${minimum} argument(s)`
    : `${minimum} to ${maximum} arguments`;
}

/** Compiles the call of a user-defined function. */
export function compileUdf(expression: ExpressionOf<'udf'>, scope: Scope): Evaluator {
  const { name, span } = expression;
  const values = expression.arguments.map((argument) => scope.compile(argument, scope));
  return (row, run) => {
    if (run.callUdf === undefined) {
      throw queryError(`'${name}' is not a recognized user-defined function name.`, 'SC2006', span);
    }
    return run.callUdf(
      name,
      values.map((value) => value(row, run)),
    );
  };
}

/** Compiles an aggregate: its value comes from the group at hand. */
export function compileAggregate(expression: ExpressionOf<'aggregate'>, scope: Scope): Evaluator {
  const { name, argument, span } = expression;
  if (scope.aggregations === undefined) {
    throw queryError(`The aggregate function '${name}' is not allowed in this clause.`, 'SC2104', span);
  }
  const folded = scope.compile(argument, { ...scope, aggregations: undefined });
  const number = scope.aggregations.push(aggregationOf(name, folded)) - 1;
  return (_row, run) => run.aggregates[number];
}
