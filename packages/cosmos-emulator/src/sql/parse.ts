import { queryError } from '../service-error.ts';
import type { Expression, FromItem, OrderTerm, Query, Select, SelectItem } from './ast.ts';
import { readExpression, readPath } from './parse/expression.ts';
import { TokenReader, tooDeep } from './parse/token-reader.ts';
import { depthOf } from './visit.ts';

/** The longest text that the service takes. */
const maximumLength = 512 * 1024;

/** The deepest tree that whatever walks over it can take. */
const maximumHeight = 2000;

/** Parses a query. Throws status 400 with the position where the text stops making sense. */
export function parseQuery(text: string): Query {
  if (text.length > maximumLength) {
    const message = `The SQL query text exceeded the maximum limit of ${maximumLength} characters.`;
    throw queryError(message, 'SC3020', { start: 0, end: text.length });
  }
  const reader = new TokenReader({ text, query: readQuery });
  const query = reader.query();
  if (reader.peek().type !== 'end') reader.fail();
  // A chain such as a + b + c makes a tree of its own length.
  if (depthOf(query) > maximumHeight) throw tooDeep();
  return query;
}

function readQuery(reader: TokenReader): Query {
  const first = reader.peek();
  reader.need('SELECT');
  const distinct = reader.eat('DISTINCT');
  const top = reader.eat('TOP') ? readCount(reader) : undefined;
  const select = readSelect(reader);
  const from = readFrom(reader);
  const where = reader.eat('WHERE') ? readExpression(reader) : undefined;
  const groupBy = eatBy(reader, 'GROUP') ? reader.list(() => readExpression(reader)) : [];
  const ordered = eatBy(reader, 'ORDER');
  const rank = ordered && reader.eat('RANK');
  const orderBy = ordered ? reader.list(() => readOrderTerm(reader, rank)) : [];
  const cut = readCut(reader);
  const span = reader.spanFrom(first);
  return { distinct, top, select, from, where, groupBy, orderBy, rank, ...cut, span };
}

function eatBy(reader: TokenReader, word: string): boolean {
  if (!reader.eat(word)) return false;
  reader.need('BY');
  return true;
}

/** TOP, OFFSET and LIMIT take a number or a parameter, nothing that has to be computed. */
function readCount(reader: TokenReader): Expression {
  const token = reader.take();
  if (token.type === 'parameter') return { kind: 'parameter', name: token.text };
  const signed = (token.text === '-' || token.text === '+') && reader.peek().type === 'number';
  const number = signed ? reader.take() : token;
  if (number.type !== 'number') reader.fail(token);
  return { kind: 'literal', value: Number(number.text) * (signed && token.text === '-' ? -1 : 1) };
}

function readCut(reader: TokenReader): Pick<Query, 'offset' | 'limit'> {
  if (!reader.eat('OFFSET')) return { offset: undefined, limit: undefined };
  const offset = readCount(reader);
  reader.need('LIMIT');
  return { offset, limit: readCount(reader) };
}

function readSelect(reader: TokenReader): Select {
  const { start, end } = reader.peek();
  if (reader.eat('*')) return { kind: 'star', span: { start, end } };
  if (reader.eat('VALUE')) return { kind: 'value', expression: readExpression(reader) };
  return { kind: 'list', items: reader.list(() => readSelectItem(reader)) };
}

function readSelectItem(reader: TokenReader): SelectItem {
  const expression = readExpression(reader);
  const named = reader.eat('AS') || reader.peek().type === 'name';
  return { expression, alias: named ? reader.name() : undefined };
}

function readFrom(reader: TokenReader): FromItem[] {
  if (!reader.eat('FROM')) return [];
  const items = [readFromItem(reader)];
  while (reader.eat('JOIN')) items.push(readFromItem(reader));
  return items;
}

function readFromItem(reader: TokenReader): FromItem {
  if (reader.peek().type === 'name' && reader.mark(1) === 'IN') {
    const alias = reader.name();
    reader.need('IN');
    return { alias, source: readSource(reader), iterate: true };
  }
  const source = readSource(reader);
  const named = reader.eat('AS') || reader.peek().type === 'name';
  return { alias: named ? reader.name() : lastName(source), source, iterate: false };
}

function readSource(reader: TokenReader): FromItem['source'] {
  if (reader.mark() === '(') return { kind: 'query', query: reader.parenthesised(() => reader.query()) };
  const { start, end } = reader.peek();
  const path = readPath(
    reader,
    { kind: 'variable', name: reader.name(), span: { start, end } },
    { start, end },
  );
  requireConstants(reader, path);
  return path;
}

/** The path of a source goes by names and numbers, nothing that has to be computed. */
function requireConstants(reader: TokenReader, path: Expression): void {
  let step = path;
  while (step.kind === 'member' || step.kind === 'index') {
    if (step.kind === 'index' && !isNumber(step.index)) reader.fail();
    step = step.object;
  }
}

function isNumber(expression: Expression): boolean {
  if (expression.kind === 'unary') return expression.operator !== '~' && isNumber(expression.operand);
  return expression.kind === 'literal' && typeof expression.value === 'number';
}

function lastName(source: FromItem['source']): string | undefined {
  return source.kind === 'variable' || source.kind === 'member' ? source.name : undefined;
}

function readOrderTerm(reader: TokenReader, rank: boolean): OrderTerm {
  const first = reader.peek();
  const expression = readExpression(reader);
  if (rank && expression.kind !== 'call' && expression.kind !== 'udf') reader.fail(first);
  const descending = reader.eat('DESC');
  if (!descending) reader.eat('ASC');
  return { expression, descending };
}
