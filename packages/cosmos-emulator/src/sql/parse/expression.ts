import type { AggregateName, BinaryOperator, Expression, QueryExpressionKind } from '../ast.ts';
import type { Token } from '../lexer.ts';
import type { TokenReader } from './token-reader.ts';

const aggregates: ReadonlyMap<string, AggregateName> = new Map(
  (['COUNT', 'COUNTIF', 'SUM', 'MIN', 'MAX', 'AVG', 'MAKELIST', 'MAKESET'] as const).map((name) => [
    name,
    name,
  ]),
);

/** Tells whether a function folds the rows of a group. */
export function isAggregate(name: string): boolean {
  return aggregates.has(name.toUpperCase());
}

/** How tightly the tests of a value, and the operators around them, bind. */
const level = { coalesce: 1, or: 2, and: 3, test: 4, operator: 5, sign: 15 } as const;

/** Binary operators and how tightly they bind: Microsoft's public grammar (sql.g4) has them in this order. */
const operators: ReadonlyMap<string, readonly [level: number, operator: BinaryOperator]> = new Map([
  ['||', [5, '||']],
  ['|', [6, '|']],
  ['^', [7, '^']],
  ['&', [8, '&']],
  ['=', [9, '=']],
  ['!=', [9, '!=']],
  ['<>', [9, '!=']],
  ['<', [10, '<']],
  ['<=', [10, '<=']],
  ['>', [10, '>']],
  ['>=', [10, '>=']],
  ['<<', [11, '<<']],
  ['>>', [11, '>>']],
  ['>>>', [11, '>>>']],
  ['+', [12, '+']],
  ['-', [12, '-']],
  ['*', [13, '*']],
  ['/', [13, '/']],
  ['%', [13, '%']],
]);

const connectives: ReadonlyMap<string, readonly [level: number, kind: 'and' | 'or' | 'coalesce']> = new Map([
  ['??', [level.coalesce, 'coalesce']],
  ['OR', [level.or, 'or']],
  ['AND', [level.and, 'and']],
]);

/** Reads an expression. */
export function readExpression(reader: TokenReader): Expression {
  return reader.nested(() => readRest(reader, readOperand(reader, level.coalesce)));
}

/** Reads on in an expression whose first operand is known. */
function readRest(reader: TokenReader, first: Expression): Expression {
  const test = climb(reader, first, level.coalesce);
  if (!reader.eat('?')) return test;
  const yes = readExpression(reader);
  reader.need(':');
  return { kind: 'conditional', test, yes, no: readExpression(reader) };
}

/** Reads an operand and what binds to it at least so tightly. */
function readTerm(reader: TokenReader, minimum: number): Expression {
  return climb(reader, readOperand(reader, minimum), minimum);
}

/** Reads on after an operand: operators, then one test, then AND and the like; those of a level group from the left. */
function climb(reader: TokenReader, first: Expression, minimum: number): Expression {
  const value = repeated(first, (left) => readOperator(reader, left, minimum));
  const test = minimum > level.test ? undefined : readTest(reader, value);
  return repeated(test ?? value, (left) => readConnective(reader, left, minimum));
}

function repeated(first: Expression, read: (left: Expression) => Expression | undefined): Expression {
  let left = first;
  for (;;) {
    const longer = read(left);
    if (longer === undefined) return left;
    left = longer;
  }
}

function readOperator(reader: TokenReader, left: Expression, minimum: number): Expression | undefined {
  const [strength, operator] = operators.get(reader.mark()) ?? [];
  if (strength === undefined || operator === undefined || strength < minimum) return undefined;
  reader.take();
  return { kind: 'binary', operator, left, right: readTerm(reader, strength + 1) };
}

function readConnective(reader: TokenReader, left: Expression, minimum: number): Expression | undefined {
  const [strength, kind] = connectives.get(reader.mark()) ?? [];
  if (strength === undefined || kind === undefined || strength < minimum) return undefined;
  reader.take();
  return { kind, left, right: readTerm(reader, strength + 1) };
}

/** `NOT` takes a whole test where one can stand, and one operand elsewhere. */
function readOperand(reader: TokenReader, minimum: number): Expression {
  if (!reader.eat('NOT')) return readSigned(reader);
  const inner = Math.max(minimum, level.test);
  return reader.nested(() => ({
    kind: 'not',
    operand: readTerm(reader, inner > level.test ? level.sign : inner),
  }));
}

const tests: ReadonlyMap<string, (reader: TokenReader, operand: Expression) => Expression> = new Map([
  ['BETWEEN', readBetween],
  ['IN', readIn],
  ['LIKE', readLike],
]);

/** Reads `[NOT] BETWEEN`, `IN` or `LIKE` with what follows, if one is next. */
function readTest(reader: TokenReader, operand: Expression): Expression | undefined {
  const negated = reader.mark() === 'NOT';
  const read = tests.get(reader.mark(negated ? 1 : 0));
  if (read === undefined) return undefined;
  if (negated) reader.take();
  reader.take();
  const test = read(reader, operand);
  return negated ? { kind: 'not', operand: test, inside: true } : test;
}

function readBetween(reader: TokenReader, operand: Expression): Expression {
  const low = readTerm(reader, level.operator);
  reader.need('AND');
  return { kind: 'between', operand, low, high: readTerm(reader, level.operator) };
}

function readIn(reader: TokenReader, operand: Expression): Expression {
  const items = reader.parenthesised(() => reader.list(() => readExpression(reader)));
  return { kind: 'in', operand, items };
}

function readLike(reader: TokenReader, operand: Expression): Expression {
  const pattern = readTerm(reader, level.operator);
  if (!reader.eat('ESCAPE')) return { kind: 'like', operand, pattern, escape: undefined };
  const escape = reader.take();
  return {
    kind: 'like',
    operand,
    pattern,
    escape: escape.type === 'string' ? escape.text : reader.fail(escape),
  };
}

function readSigned(reader: TokenReader): Expression {
  const operator = reader.mark();
  if (operator !== '-' && operator !== '+' && operator !== '~') {
    const { start, end } = reader.peek();
    return readPath(reader, readPrimary(reader), { start, end });
  }
  reader.take();
  return reader.nested(() => ({ kind: 'unary', operator, operand: readOperand(reader, level.sign) }));
}

/** Reads the steps that lead into a value: `.name` and `[index]`. */
export function readPath(
  reader: TokenReader,
  start: Expression,
  from: { start: number; end: number },
): Expression {
  let object = start;
  for (;;) {
    if (reader.eat('.')) {
      // A property whose name is a keyword needs brackets: c["order"].
      const name = reader.name();
      object = { kind: 'member', object, name, span: reader.spanFrom(from) };
    } else if (reader.eat('[')) {
      const index = readExpression(reader);
      reader.need(']');
      object = intoIndex(object, index, reader.spanFrom(from));
    } else {
      return object;
    }
  }
}

function intoIndex(object: Expression, index: Expression, span: { start: number; end: number }): Expression {
  return index.kind === 'literal' && typeof index.value === 'string'
    ? { kind: 'member', object, name: index.value, span, bracketed: true }
    : { kind: 'index', object, index, span };
}

function readPrimary(reader: TokenReader): Expression {
  const token = reader.peek();
  if (token.type === 'number') return { kind: 'literal', value: numberOf(reader.take()) };
  if (token.type === 'string') return { kind: 'literal', value: reader.take().text };
  if (token.type === 'parameter') return { kind: 'parameter', name: reader.take().text };
  if (token.type === 'keyword') return readKeyword(reader, reader.take());
  if (token.type === 'name') return readName(reader, reader.take());
  if (token.text === '(') {
    if (reader.mark(1) === 'SELECT') return readQuery(reader, 'subquery');
    return readParenthesised(reader);
  }
  if (reader.eat('[')) return { kind: 'array', items: reader.until(']', () => readExpression(reader)) };
  if (reader.eat('{')) return { kind: 'object', properties: reader.until('}', () => readProperty(reader)) };
  return reader.fail();
}

/**
 * Reads an expression in parentheses. Those that begin with others in parentheses, as `((a OR b) OR c)` does, are read
 * from the inside, so that their number does not take up the stack.
 */
function readParenthesised(reader: TokenReader): Expression {
  const first = reader.peek();
  let open = 0;
  for (; reader.mark() === '(' && reader.mark(1) !== 'SELECT'; open++) reader.take();
  let value = readExpression(reader);
  for (reader.need(')'); open > 1; open--) {
    value = readRest(reader, readPath(reader, value, first));
    reader.need(')');
  }
  return value;
}

/** A number beyond the range of doubles has no value, as when an operator leaves that range. */
function numberOf({ text }: Token): number | undefined {
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

const literals: ReadonlyMap<string, boolean | null | undefined> = new Map([
  ['NULL', null],
  ['TRUE', true],
  ['FALSE', false],
  ['UNDEFINED', undefined],
]);

function readKeyword(reader: TokenReader, token: Token): Expression {
  if (literals.has(token.text)) return { kind: 'literal', value: literals.get(token.text) };
  if (token.text === 'EXISTS') return readQuery(reader, 'exists');
  if (token.text === 'ARRAY') return readQuery(reader, 'array-query');
  if ((token.text === 'LEFT' || token.text === 'RIGHT') && reader.mark() === '(')
    return readCall(reader, token);
  if (token.text !== 'UDF') return reader.fail(token);
  reader.need('.');
  const name = reader.name();
  reader.need('(');
  const values = reader.until(')', () => readExpression(reader));
  return { kind: 'udf', name, arguments: values, span: reader.spanFrom(token) };
}

const queryWords: ReadonlyMap<string, QueryExpressionKind> = new Map([
  ['ALL', 'all'],
  ['FIRST', 'first'],
  ['LAST', 'last'],
]);

function readName(reader: TokenReader, token: Token): Expression {
  if (reader.mark() !== '(') {
    return { kind: 'variable', name: token.raw, span: { start: token.start, end: token.end } };
  }
  const kind = queryWords.get(token.raw.toUpperCase());
  return kind !== undefined && reader.mark(1) === 'SELECT'
    ? readQuery(reader, kind)
    : readCall(reader, token);
}

function readQuery(reader: TokenReader, kind: QueryExpressionKind): Expression {
  return { kind, query: reader.parenthesised(() => reader.query()) };
}

function readCall(reader: TokenReader, { raw, start, end }: Token): Expression {
  reader.need('(');
  const values = reader.until(')', () => readExpression(reader));
  const span = reader.spanFrom({ start, end });
  const name = aggregates.get(raw.toUpperCase());
  const [argument] = values;
  // With any other number of arguments it stays a call, which is refused for that number.
  if (name === undefined || argument === undefined || values.length > 1) {
    return { kind: 'call', name: raw, arguments: values, span };
  }
  return { kind: 'aggregate', name, argument, span };
}

function readProperty(reader: TokenReader): readonly [string, Expression] {
  const token = reader.take();
  if (token.type !== 'name' && token.type !== 'string') reader.fail(token);
  reader.need(':');
  return [token.text, readExpression(reader)];
}
