import type { Value } from '../json.ts';
import type { Expression } from './ast.ts';

/** Values of a query's parameters, by name. */
export type Parameters = ReadonlyMap<string, Value>;

/** A value that a query knows before it looks at documents. */
export type Constant = (parameters: Parameters) => Value;

/** Reads an expression that is a constant; undefined when it is something else. */
export function constantOf(expression: Expression): Constant | undefined {
  if (expression.kind === 'literal') return () => expression.value;
  if (expression.kind === 'parameter') return (parameters) => parameters.get(expression.name);
  if (expression.kind !== 'unary' || expression.operator !== '-') return undefined;
  const operand = constantOf(expression.operand);
  if (operand === undefined) return undefined;
  return (parameters) => {
    const value = operand(parameters);
    return typeof value === 'number' ? -value : undefined;
  };
}

/** Reads a list of constants; undefined when one of them is something else. */
export function constantsOf(expressions: readonly Expression[]): readonly Constant[] | undefined {
  const constants = expressions.map(constantOf).filter((value) => value !== undefined);
  return constants.length === expressions.length ? constants : undefined;
}
