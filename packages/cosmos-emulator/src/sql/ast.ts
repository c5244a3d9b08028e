import type { Value } from '../json.ts';

/** The place of a token in the query text: first character, and the one after the last. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** The functions that fold the rows of a group into one value. */
export type AggregateName = 'COUNT' | 'COUNTIF' | 'SUM' | 'MIN' | 'MAX' | 'AVG' | 'MAKELIST' | 'MAKESET';

/** Operators with two operands, other than AND, OR and `??`. */
export type BinaryOperator =
  | '='
  | '!='
  | '<'
  | '<='
  | '>'
  | '>='
  | '+'
  | '-'
  | '*'
  | '/'
  | '%'
  | '||'
  | '|'
  | '&'
  | '^'
  | '<<'
  | '>>'
  | '>>>';

/** A scalar expression; `kind` selects its evaluator from a table. */
export type Expression =
  | { readonly kind: 'literal'; readonly value: Value }
  | { readonly kind: 'parameter'; readonly name: string }
  | { readonly kind: 'variable'; readonly name: string; readonly span: Span }
  | {
      readonly kind: 'member';
      readonly object: Expression;
      readonly name: string;
      readonly span: Span;
      /** Written as `c["name"]`: printed so again. */
      readonly bracketed?: true;
    }
  | { readonly kind: 'index'; readonly object: Expression; readonly index: Expression; readonly span: Span }
  | { readonly kind: 'unary'; readonly operator: '-' | '+' | '~'; readonly operand: Expression }
  | {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly kind: 'and' | 'or' | 'coalesce'; readonly left: Expression; readonly right: Expression }
  | {
      readonly kind: 'not';
      readonly operand: Expression;
      /** Written inside its operand, as in `x NOT IN (1)`: printed so again. */
      readonly inside?: true;
    }
  | {
      readonly kind: 'between';
      readonly operand: Expression;
      readonly low: Expression;
      readonly high: Expression;
    }
  | { readonly kind: 'in'; readonly operand: Expression; readonly items: readonly Expression[] }
  | {
      readonly kind: 'like';
      readonly operand: Expression;
      readonly pattern: Expression;
      readonly escape: string | undefined;
    }
  | {
      readonly kind: 'conditional';
      readonly test: Expression;
      readonly yes: Expression;
      readonly no: Expression;
    }
  | { readonly kind: 'array'; readonly items: readonly Expression[] }
  | { readonly kind: 'object'; readonly properties: ReadonlyArray<readonly [string, Expression]> }
  | {
      readonly kind: 'call' | 'udf';
      readonly name: string;
      readonly arguments: readonly Expression[];
      readonly span: Span;
    }
  | {
      readonly kind: 'aggregate';
      readonly name: AggregateName;
      readonly argument: Expression;
      readonly span: Span;
    }
  | { readonly kind: QueryExpressionKind; readonly query: Query };

/**
 * The ways in which a query is a scalar: whether it has rows; all of them as an array; whether all are true; the first,
 * the last; or its only row.
 */
export type QueryExpressionKind = 'exists' | 'array-query' | 'all' | 'first' | 'last' | 'subquery';

/** What `kind` may be. */
export type ExpressionKind = Expression['kind'];

/** The expression of one kind. */
export type ExpressionOf<K extends ExpressionKind> = OfKind<Expression, K>;

/** The members of a union whose `kind` may be K, those that share one shape with other kinds included. */
type OfKind<E extends Expression, K> = E extends unknown ? (K extends E['kind'] ? E : never) : never;

/** One item of SELECT: an expression and the name that it is given. */
export interface SelectItem {
  readonly expression: Expression;
  readonly alias: string | undefined;
}

/** What follows SELECT. */
export type Select =
  | { readonly kind: 'star'; readonly span: Span }
  | { readonly kind: 'value'; readonly expression: Expression }
  | { readonly kind: 'list'; readonly items: readonly SelectItem[] };

/** One source of FROM or JOIN. `iterate` is `x IN source`: a row for each element of the array. */
export interface FromItem {
  readonly alias: string | undefined;
  readonly source: Expression | { readonly kind: 'query'; readonly query: Query };
  readonly iterate: boolean;
}

/** One term of ORDER BY. */
export interface OrderTerm {
  readonly expression: Expression;
  readonly descending: boolean;
}

/** A whole query, or one inside another. */
export interface Query {
  readonly distinct: boolean;
  readonly top: Expression | undefined;
  readonly select: Select;
  readonly from: readonly FromItem[];
  readonly where: Expression | undefined;
  readonly groupBy: readonly Expression[];
  readonly orderBy: readonly OrderTerm[];
  /** Whether ORDER BY is by the rank of scores. */
  readonly rank: boolean;
  readonly offset: Expression | undefined;
  readonly limit: Expression | undefined;
  readonly span: Span;
}
