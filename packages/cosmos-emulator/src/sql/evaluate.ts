import type { ExpressionKind, ExpressionOf } from './ast.ts';
import { compileAggregate, compileCall, compileUdf } from './evaluate/calls.ts';
import {
  compileAnd,
  compileBetween,
  compileBinary,
  compileCoalesce,
  compileConditional,
  compileIn,
  compileLikeTest,
  compileNot,
  compileOr,
  compileUnary,
} from './evaluate/operators.ts';
import {
  compileArray,
  compileIndex,
  compileMember,
  compileObject,
  compileRows,
  compileVariable,
} from './evaluate/values.ts';
import type { Evaluator, Scope } from './scope.ts';

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
  coalesce: compileCoalesce,
  not: compileNot,
  between: compileBetween,
  in: compileIn,
  like: compileLikeTest,
  conditional: compileConditional,
  array: compileArray,
  object: compileObject,
  call: compileCall,
  udf: compileUdf,
  aggregate: compileAggregate,
  exists: compileRows((rows) => rows.length > 0),
  'array-query': compileRows((rows) => rows),
  all: compileRows((rows) => rows.every((value) => value === true)),
  first: compileRows((rows) => rows[0]),
  last: compileRows((rows) => rows.at(-1)),
  subquery: compileRows((rows) => rows[0]),
};

/** Compiles an expression. Throws status 400 for a name or a function that does not exist. */
export function compile<K extends ExpressionKind>(expression: ExpressionOf<K>, scope: Scope): Evaluator {
  // The table pairs each kind with its compiler; TypeScript follows that only through the type parameter.
  const { kind }: { readonly kind: ExpressionKind } = expression;
  return (compilers[kind] as (expression: ExpressionOf<K>, scope: Scope) => Evaluator)(expression, scope);
}
