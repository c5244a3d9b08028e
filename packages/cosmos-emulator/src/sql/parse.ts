// size: one grammar, read from the top down; its parts mean nothing apart
import { queryError } from '../service-error.ts';
import type {
  AggregateName,
  BinaryOperator,
  Expression,
  FromItem,
  OrderTerm,
  Query,
  Select,
  SelectItem,
} from './ast.ts';
import { syntaxError, type Token, tokenize } from './lexer.ts';

const aggregates: ReadonlyMap<string, AggregateName> = new Map([
  ['COUNT', 'COUNT'],
  ['SUM', 'SUM'],
  ['MIN', 'MIN'],
  ['MAX', 'MAX'],
  ['AVG', 'AVG'],
]);

/** Binary operators from the loosest to the tightest; those of a level group from the left. */
const levels: ReadonlyArray<ReadonlyMap<string, BinaryOperator>> = [
  new Map([['|', '|']]),
  new Map([['^', '^']]),
  new Map([['&', '&']]),
  new Map([
    ['<<', '<<'],
    ['>>', '>>'],
    ['>>>', '>>>'],
  ]),
  new Map([
    ['+', '+'],
    ['-', '-'],
    ['||', '||'],
  ]),
  new Map([
    ['*', '*'],
    ['/', '/'],
    ['%', '%'],
  ]),
];

const comparisons: ReadonlyMap<string, BinaryOperator> = new Map([
  ['=', '='],
  ['!=', '!='],
  ['<>', '!='],
  ['<', '<'],
  ['<=', '<='],
  ['>', '>'],
  ['>=', '>='],
]);

/** Deeper than any query that a person writes, and shallow enough for the stack. */
const maximumDepth = 200;

/** The longest text that the service takes. */
const maximumLength = 512 * 1024;

/** Parses a query. Throws status 400 with the position where the text stops making sense. */
export function parseQuery(text: string): Query {
  if (text.length > maximumLength)
    throw queryError('The SQL query text exceeded the maximum limit of 512 KB.', 'SC3001');
  const parser = new Parser(tokenize(text));
  const query = parser.query();
  parser.end();
  return query;
}

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  query(): Query {
    this.#need('SELECT');
    const distinct = this.#eat('DISTINCT');
    const top = this.#eat('TOP') ? this.#unary() : undefined;
    const select = this.#select();
    const from = this.#from();
    const where = this.#eat('WHERE') ? this.expression() : undefined;
    const groupBy = this.#eatBoth('GROUP', 'BY') ? this.#list(() => this.expression()) : [];
    const orderBy = this.#eatBoth('ORDER', 'BY') ? this.#list(() => this.#orderTerm()) : [];
    const offset = this.#eat('OFFSET') ? this.#unary() : undefined;
    if (offset !== undefined) this.#need('LIMIT');
    const limit = offset !== undefined || this.#eat('LIMIT') ? this.#unary() : undefined;
    return { distinct, top, select, from, where, groupBy, orderBy, offset, limit };
  }

  end(): void {
    if (this.#peek().type !== 'end') this.#fail();
  }

  expression(): Expression {
    if (++this.#depth > maximumDepth) {
      throw queryError('The SQL query exceeded the maximum depth of nested expressions.', 'SC3002');
    }
    const test = this.#coalesce();
    let result = test;
    if (this.#eat('?')) {
      const yes = this.expression();
      this.#need(':');
      result = { kind: 'conditional', test, yes, no: this.expression() };
    }
    this.#depth--;
    return result;
  }

  #select(): Select {
    const { start, end } = this.#peek();
    if (this.#eat('*')) return { kind: 'star', span: { start, end } };
    if (this.#eat('VALUE')) return { kind: 'value', expression: this.expression() };
    return { kind: 'list', items: this.#list(() => this.#selectItem()) };
  }

  #selectItem(): SelectItem {
    const expression = this.expression();
    if (this.#eat('AS')) return { expression, alias: this.#alias() };
    return { expression, alias: this.#peek().type === 'name' ? this.#name() : undefined };
  }

  /** After AS a quoted name is allowed as well. */
  #alias(): string {
    const token = this.#peek();
    if (token.type === 'string') return this.#take().text;
    return this.#name();
  }

  #from(): FromItem[] {
    if (!this.#eat('FROM')) return [];
    const items = [this.#fromItem()];
    while (this.#eat('JOIN')) items.push(this.#fromItem());
    return items;
  }

  #fromItem(): FromItem {
    const named = this.#peek().type === 'name' && this.#peek(1).text === 'IN' ? this.#name() : undefined;
    const iterate = named !== undefined;
    if (iterate) this.#need('IN');
    const source = this.#fromSource();
    if (iterate) return { alias: named, source, iterate };
    const spoken = this.#eat('AS') || this.#peek().type === 'name' ? this.#name() : undefined;
    return { alias: spoken ?? lastName(source), source, iterate };
  }

  #fromSource(): FromItem['source'] {
    if (this.#peek().text === '(' && this.#peek(1).text === 'SELECT') {
      return { kind: 'query', query: this.#parenthesised(() => this.query()) };
    }
    const first = this.#peek();
    if (first.text === '[' || first.text === '{') return this.#primary();
    const name = this.#name();
    return this.#postfix({ kind: 'variable', name, span: { start: first.start, end: first.end } });
  }

  #orderTerm(): OrderTerm {
    const expression = this.expression();
    if (this.#eat('DESC')) return { expression, descending: true };
    this.#eat('ASC');
    return { expression, descending: false };
  }

  #coalesce(): Expression {
    let left = this.#or();
    while (this.#eat('??')) left = { kind: 'coalesce', left, right: this.#or() };
    return left;
  }

  #or(): Expression {
    let left = this.#and();
    while (this.#eat('OR')) left = { kind: 'or', left, right: this.#and() };
    return left;
  }

  #and(): Expression {
    let left = this.#not();
    while (this.#eat('AND')) left = { kind: 'and', left, right: this.#not() };
    return left;
  }

  #not(): Expression {
    if (!this.#eat('NOT')) return this.#comparison();
    this.#deeper();
    const operand = this.#not();
    this.#depth--;
    return { kind: 'not', operand };
  }

  #comparison(): Expression {
    let left = this.#binary(0);
    for (;;) {
      const operator = comparisons.get(this.#sign());
      if (operator !== undefined) {
        this.#next++;
        left = { kind: 'binary', operator, left, right: this.#binary(0) };
        continue;
      }
      const negated = this.#is('NOT');
      if (negated && !['IN', 'BETWEEN', 'LIKE'].includes(this.#peek(1).text)) return left;
      if (negated) this.#next++;
      const test = this.#membership(left);
      if (test === undefined) return left;
      left = negated ? { kind: 'not', operand: test, inside: true } : test;
    }
  }

  #membership(operand: Expression): Expression | undefined {
    if (this.#eat('BETWEEN')) {
      const low = this.#binary(0);
      this.#need('AND');
      return { kind: 'between', operand, low, high: this.#binary(0) };
    }
    if (this.#eat('IN')) {
      return { kind: 'in', operand, items: this.#parenthesised(() => this.#list(() => this.expression())) };
    }
    if (!this.#eat('LIKE')) return undefined;
    const pattern = this.#binary(0);
    return { kind: 'like', operand, pattern, escape: this.#eat('ESCAPE') ? this.#binary(0) : undefined };
  }

  #binary(level: number): Expression {
    const operators = levels[level];
    if (operators === undefined) return this.#unary();
    let left = this.#binary(level + 1);
    for (;;) {
      const operator = operators.get(this.#sign());
      if (operator === undefined) return left;
      this.#next++;
      left = { kind: 'binary', operator, left, right: this.#binary(level + 1) };
    }
  }

  #unary(): Expression {
    const operator = this.#sign();
    if (operator !== '-' && operator !== '+' && operator !== '~' && operator !== '!') {
      return this.#postfix(this.#primary());
    }
    this.#next++;
    this.#deeper();
    const operand = this.#unary();
    this.#depth--;
    return operator === '!' ? { kind: 'not', operand } : { kind: 'unary', operator, operand };
  }

  #postfix(start: Expression): Expression {
    let object = start;
    for (;;) {
      if (this.#eat('.')) {
        // A property whose name is a keyword needs brackets: c["order"].
        object = { kind: 'member', object, name: this.#name() };
      } else if (this.#eat('[')) {
        const index = this.expression();
        this.#need(']');
        object =
          index.kind === 'literal' && typeof index.value === 'string'
            ? { kind: 'member', object, name: index.value, bracketed: true }
            : { kind: 'index', object, index };
      } else {
        return object;
      }
    }
  }

  #primary(): Expression {
    const token = this.#peek();
    if (token.type === 'number') return { kind: 'literal', value: Number(this.#take().text) };
    if (token.type === 'string') return { kind: 'literal', value: this.#take().text };
    if (token.type === 'parameter') return { kind: 'parameter', name: this.#take().text };
    if (token.type === 'keyword') return this.#keyword(token);
    if (token.type === 'name') return this.#nameOrCall(this.#take());
    if (token.text === '(') {
      if (this.#peek(1).text !== 'SELECT') return this.#parenthesised(() => this.expression());
      return { kind: 'subquery', query: this.#parenthesised(() => this.query()) };
    }
    if (this.#eat('[')) return { kind: 'array', items: this.#until(']', () => this.expression()) };
    if (this.#eat('{')) return { kind: 'object', properties: this.#until('}', () => this.#property()) };
    return this.#fail();
  }

  #keyword(token: Token): Expression {
    this.#next++;
    if (token.text === 'NULL') return { kind: 'literal', value: null };
    if (token.text === 'TRUE' || token.text === 'FALSE')
      return { kind: 'literal', value: token.text === 'TRUE' };
    if (token.text === 'UNDEFINED') return { kind: 'literal', value: undefined };
    if (token.text === 'EXISTS') return { kind: 'exists', query: this.#parenthesised(() => this.query()) };
    if (token.text === 'ARRAY')
      return { kind: 'array-query', query: this.#parenthesised(() => this.query()) };
    return this.#fail(token);
  }

  #nameOrCall(token: Token): Expression {
    const span = { start: token.start, end: token.end };
    if (!this.#eat('(')) return { kind: 'variable', name: token.raw, span };
    const name = aggregates.get(token.raw.toUpperCase());
    if (name === undefined) {
      return { kind: 'call', name: token.raw, arguments: this.#until(')', () => this.expression()), span };
    }
    const argument: Expression =
      name === 'COUNT' && this.#eat('*') ? { kind: 'literal', value: 1 } : this.expression();
    this.#need(')');
    return { kind: 'aggregate', name, argument, span };
  }

  #property(): readonly [string, Expression] {
    const token = this.#take();
    if (token.type !== 'name' && token.type !== 'string' && token.type !== 'keyword') this.#fail(token);
    this.#need(':');
    return [token.type === 'string' ? token.text : token.raw, this.expression()];
  }

  #list<T>(read: () => T): T[] {
    const items = [read()];
    while (this.#eat(',')) items.push(read());
    return items;
  }

  #until<T>(close: string, read: () => T): T[] {
    if (this.#eat(close)) return [];
    const items = this.#list(read);
    this.#need(close);
    return items;
  }

  #parenthesised<T>(read: () => T): T {
    this.#need('(');
    this.#deeper();
    const result = read();
    this.#depth--;
    this.#need(')');
    return result;
  }

  #deeper(): void {
    if (++this.#depth > maximumDepth) {
      throw queryError('The SQL query exceeded the maximum depth of nested expressions.', 'SC3002');
    }
  }

  #name(): string {
    const token = this.#take();
    return token.type === 'name' ? token.raw : this.#fail(token);
  }

  #peek(ahead = 0): Token {
    const token = this.#tokens[Math.min(this.#next + ahead, this.#tokens.length - 1)];
    if (token === undefined) throw new RangeError('The token list never is empty.');
    return token;
  }

  #take(): Token {
    const token = this.#peek();
    this.#next++;
    return token;
  }

  #sign(): string {
    const token = this.#peek();
    return token.type === 'sign' ? token.text : '';
  }

  #is(text: string): boolean {
    const token = this.#peek();
    return (token.type === 'keyword' || token.type === 'sign') && token.text === text;
  }

  #eat(text: string): boolean {
    if (!this.#is(text)) return false;
    this.#next++;
    return true;
  }

  #eatBoth(first: string, second: string): boolean {
    if (!this.#eat(first)) return false;
    this.#need(second);
    return true;
  }

  #need(text: string): void {
    if (!this.#eat(text)) this.#fail();
  }

  #fail(token: Token = this.#peek()): never {
    throw syntaxError(token.raw, token);
  }
}

function lastName(source: FromItem['source']): string | undefined {
  if (source.kind === 'variable' || source.kind === 'member') return source.name;
  return undefined;
}
