import type { Value } from '../../json.ts';
import { cost } from '../allowance.ts';
import type { BinaryOperator, ExpressionOf } from '../ast.ts';
import { compareValues, typeRank, valuesEqual } from '../compare.ts';
import { compileLike } from '../like.ts';
import type { Evaluator, Run, Scope } from '../scope.ts';

type Connective = ExpressionOf<'and' | 'or' | 'coalesce'>;

/** Compiles a sign before a number. */
export function compileUnary({ operator, operand }: ExpressionOf<'unary'>, scope: Scope): Evaluator {
  const inner = scope.compile(operand, scope);
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

/** Compiles an operator with two operands. */
export function compileBinary({ operator, left, right }: ExpressionOf<'binary'>, scope: Scope): Evaluator {
  const first = scope.compile(left, scope);
  const second = scope.compile(right, scope);
  if (operator === '=') return (row, run) => equals(first(row, run), second(row, run), run);
  if (operator === '!=') return (row, run) => negate(equals(first(row, run), second(row, run), run));
  if (operator === '||') return (row, run) => concatenate(first(row, run), second(row, run), run);
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
    if (compute === undefined || typeof a !== 'number' || typeof b !== 'number') return undefined;
    const result = compute(a, b);
    return Number.isFinite(result) ? result : undefined;
  };
}

/** Equality of any two values: undefined beside an absent one, false between types. */
function equals(left: Value, right: Value, run: Run): boolean | undefined {
  return left === undefined || right === undefined ? undefined : valuesEqual(left, right, run.spend);
}

function concatenate(left: Value, right: Value, run: Run): string | undefined {
  if (typeof left !== 'string' || typeof right !== 'string') return undefined;
  run.spend(left.length + right.length);
  return left + right;
}

/** Order inside one scalar type; undefined between types, and for arrays and objects. */
function ordered(left: Value, right: Value): number | undefined {
  const rank = typeRank(left);
  return rank === 0 || rank > 4 || rank !== typeRank(right) ? undefined : compareValues(left, right);
}

function negate(value: Value): boolean | undefined {
  return typeof value === 'boolean' ? !value : undefined;
}

/** Compiles NOT. */
export function compileNot({ operand }: ExpressionOf<'not'>, scope: Scope): Evaluator {
  const inner = scope.compile(operand, scope);
  return (row, run) => negate(inner(row, run));
}

/** Compiles AND: false beside anything is false; what is no boolean is undefined. */
export function compileAnd({ left, right }: Connective, scope: Scope): Evaluator {
  const first = scope.compile(left, scope);
  const second = scope.compile(right, scope);
  return (row, run) => {
    const a = first(row, run);
    if (a === false) return false;
    const b = second(row, run);
    if (b === false) return false;
    return a === true && b === true ? true : undefined;
  };
}

/** Compiles OR: true beside anything is true; what is no boolean is undefined. */
export function compileOr({ left, right }: Connective, scope: Scope): Evaluator {
  const first = scope.compile(left, scope);
  const second = scope.compile(right, scope);
  return (row, run) => {
    const a = first(row, run);
    if (a === true) return true;
    const b = second(row, run);
    if (b === true) return true;
    return a === false && b === false ? false : undefined;
  };
}

/** Compiles `??`: the second operand where the first has no value. */
export function compileCoalesce({ left, right }: Connective, scope: Scope): Evaluator {
  const first = scope.compile(left, scope);
  const second = scope.compile(right, scope);
  return (row, run) => {
    const value = first(row, run);
    return value === undefined ? second(row, run) : value;
  };
}

/** Compiles `test ? yes : no`: anything but true is no. */
export function compileConditional(expression: ExpressionOf<'conditional'>, scope: Scope): Evaluator {
  const test = scope.compile(expression.test, scope);
  const yes = scope.compile(expression.yes, scope);
  const no = scope.compile(expression.no, scope);
  return (row, run) => (test(row, run) === true ? yes(row, run) : no(row, run));
}

/** Compiles BETWEEN: at least the one and at most the other, as AND has it. */
export function compileBetween({ operand, low, high }: ExpressionOf<'between'>, scope: Scope): Evaluator {
  const [inner, from, to] = [operand, low, high].map((part) => scope.compile(part, scope));
  return (row, run) => {
    const value = inner?.(row, run);
    const below = ordered(value, from?.(row, run));
    const above = ordered(value, to?.(row, run));
    if ((below !== undefined && below < 0) || (above !== undefined && above > 0)) return false;
    return below === undefined || above === undefined ? undefined : true;
  };
}

/** Compiles IN. */
export function compileIn({ operand, items }: ExpressionOf<'in'>, scope: Scope): Evaluator {
  const inner = scope.compile(operand, scope);
  const evaluators = items.map((item) => scope.compile(item, scope));
  return (row, run) => {
    const value = inner(row, run);
    if (value === undefined) return undefined;
    return evaluators.some((item) => equals(value, item(row, run), run) === true);
  };
}

/** Compiles LIKE; a pattern that stays the same is read once. */
export function compileLikeTest(expression: ExpressionOf<'like'>, scope: Scope): Evaluator {
  const inner = scope.compile(expression.operand, scope);
  const wanted = scope.compile(expression.pattern, scope);
  let last: { readonly text: string; readonly matches: ReturnType<typeof compileLike> } | undefined;
  return (row, run) => {
    const value = inner(row, run);
    const text = wanted(row, run);
    if (typeof value !== 'string' || typeof text !== 'string') return undefined;
    if (last?.text !== text) {
      run.spend(text.length * cost.character);
      last = { text, matches: compileLike(text, expression.escape) };
    }
    return last.matches(value, run.spend);
  };
}
