import type { Expression, ExpressionKind, ExpressionOf, FromItem, Query, Select } from './ast.ts';
import { isPlainName } from './lexer.ts';

type Printers = { readonly [K in ExpressionKind]: (expression: ExpressionOf<K>) => string };

const printers: Printers = {
  literal: ({ value }) => (value === undefined ? 'undefined' : JSON.stringify(value)),
  parameter: ({ name }) => name,
  variable: ({ name }) => name,
  member: ({ object, name, bracketed }) => {
    const plain = bracketed !== true && isPlainName(name);
    return `${printExpression(object)}${plain ? `.${name}` : `[${JSON.stringify(name)}]`}`;
  },
  index: ({ object, index }) => `${printExpression(object)}[${printExpression(index)}]`,
  unary: ({ operator, operand }) => `(${operator} ${printExpression(operand)})`,
  binary: ({ operator, left, right }) => `(${printExpression(left)} ${operator} ${printExpression(right)})`,
  and: ({ left, right }) => `(${printExpression(left)} AND ${printExpression(right)})`,
  or: ({ left, right }) => `(${printExpression(left)} OR ${printExpression(right)})`,
  coalesce: ({ left, right }) => `(${printExpression(left)} ?? ${printExpression(right)})`,
  not: ({ operand, inside }) =>
    inside !== true || !isTest(operand) ? `(NOT ${printExpression(operand)})` : printTest(operand, ' NOT'),
  between: (expression) => printTest(expression, ''),
  in: (expression) => printTest(expression, ''),
  like: (expression) => printTest(expression, ''),
  conditional: ({ test, yes, no }) =>
    `(${printExpression(test)} ? ${printExpression(yes)} : ${printExpression(no)})`,
  array: ({ items }) => `[${list(items)}]`,
  object: ({ properties }) =>
    `{${properties.map(([name, value]) => property(name, printExpression(value))).join(', ')}}`,
  call: (expression) => `${expression.name}(${list(expression.arguments)})`,
  udf: (expression) => `udf.${expression.name}(${list(expression.arguments)})`,
  aggregate: ({ name, argument }) => `${name}(${printExpression(argument)})`,
  exists: ({ query }) => `EXISTS(${printQuery(query)})`,
  'array-query': ({ query }) => `ARRAY(${printQuery(query)})`,
  all: ({ query }) => `ALL(${printQuery(query)})`,
  first: ({ query }) => `FIRST(${printQuery(query)})`,
  last: ({ query }) => `LAST(${printQuery(query)})`,
  subquery: ({ query }) => `(${printQuery(query)})`,
};

/** The tests that take NOT inside themselves. */
type Test = ExpressionOf<'between' | 'in' | 'like'>;

function isTest(expression: Expression): expression is Test {
  return expression.kind === 'between' || expression.kind === 'in' || expression.kind === 'like';
}

function printTest(expression: Test, not: '' | ' NOT'): string {
  return `(${printExpression(expression.operand)}${not} ${condition(expression)})`;
}

function condition(expression: Test): string {
  if (expression.kind === 'in') return `IN (${list(expression.items)})`;
  if (expression.kind === 'between')
    return `BETWEEN ${printExpression(expression.low)} AND ${printExpression(expression.high)}`;
  const escape = expression.escape === undefined ? '' : ` ESCAPE ${JSON.stringify(expression.escape)}`;
  return `LIKE ${printExpression(expression.pattern)}${escape}`;
}

/** Writes an expression as query text; parsing it again gives the same expression. */
export function printExpression<K extends ExpressionKind>(expression: ExpressionOf<K>): string {
  // The table pairs each kind with its printer; TypeScript follows that only through the type parameter.
  const { kind }: { readonly kind: ExpressionKind } = expression;
  return (printers[kind] as (expression: ExpressionOf<K>) => string)(expression);
}

/** Writes one property of an object expression. */
export function property(name: string, value: string): string {
  return `${JSON.stringify(name)}: ${value}`;
}

/** Writes FROM with its joins; empty when the query has none. */
export function printFrom(from: readonly FromItem[]): string {
  return from.map((item, at) => `\n${at === 0 ? 'FROM' : 'JOIN'} ${fromItem(item)}`).join('');
}

/** Writes a whole query. */
export function printQuery(query: Query): string {
  const distinct = query.distinct ? 'DISTINCT ' : '';
  const top = query.top === undefined ? '' : `TOP ${printExpression(query.top)} `;
  const where = query.where === undefined ? '' : `\nWHERE ${printExpression(query.where)}`;
  const group = query.groupBy.length === 0 ? '' : `\nGROUP BY ${list(query.groupBy)}`;
  return `SELECT ${distinct}${top}${select(query.select)}${printFrom(query.from)}${where}${group}${printOrder(query)}${printCut(query)}`;
}

/** Writes ORDER BY; empty when the query has none. */
export function printOrder({ orderBy, rank }: Pick<Query, 'orderBy' | 'rank'>): string {
  if (orderBy.length === 0) return '';
  const terms = orderBy.map((term) => `${printExpression(term.expression)}${term.descending ? ' DESC' : ''}`);
  return `\nORDER BY ${rank ? 'RANK ' : ''}${terms.join(', ')}`;
}

function printCut({ offset, limit }: Query): string {
  if (limit === undefined) return '';
  return `\nOFFSET ${offset === undefined ? '0' : printExpression(offset)} LIMIT ${printExpression(limit)}`;
}

function select(clause: Select): string {
  if (clause.kind === 'star') return '*';
  if (clause.kind === 'value') return `VALUE ${printExpression(clause.expression)}`;
  return clause.items
    .map(
      ({ expression, alias }) => `${printExpression(expression)}${alias === undefined ? '' : ` AS ${alias}`}`,
    )
    .join(', ');
}

function fromItem({ alias, source, iterate }: FromItem): string {
  const text = source.kind === 'query' ? `(${printQuery(source.query)})` : printExpression(source);
  if (iterate) return `${alias ?? ''} IN ${text}`;
  return alias === undefined || alias === text ? text : `${text} AS ${alias}`;
}

function list(items: readonly Expression[]): string {
  return items.map((item) => printExpression(item)).join(', ');
}
