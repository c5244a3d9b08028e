import { queryError } from '../../service-error.ts';
import type { Query, Span } from '../ast.ts';
import { syntaxError, type Token, tokenize } from '../lexer.ts';

/** Deeper than any query that a person writes, and shallow enough for the stack. */
const maximumDepth = 400;

/** The refusal for a query that nests without end. */
export function tooDeep(): Error {
  return queryError('The SQL query exceeded the maximum depth of nested expressions.', 'SC3021');
}

/** Walks over the tokens of a query, and keeps its nesting within bounds. */
export class TokenReader {
  readonly #tokens: readonly Token[];
  readonly #query: (reader: TokenReader) => Query;
  #next = 0;
  #depth = 0;

  constructor(options: { text: string; query: (reader: TokenReader) => Query }) {
    this.#tokens = tokenize(options.text);
    this.#query = options.query;
  }

  /** Gives a token without taking it; past the end, the last one. */
  peek(ahead = 0): Token {
    const token = this.#tokens[Math.min(this.#next + ahead, this.#tokens.length - 1)];
    if (token === undefined) throw new RangeError('The token list never is empty.');
    return token;
  }

  take(): Token {
    const token = this.peek();
    this.#next++;
    return token;
  }

  /** Gives the keyword or sign that is next; empty for anything else. */
  mark(ahead = 0): string {
    const { type, text } = this.peek(ahead);
    return type === 'keyword' || type === 'sign' ? text : '';
  }

  /** Takes a keyword or a sign if it is next. */
  eat(text: string): boolean {
    if (this.mark() !== text) return false;
    this.#next++;
    return true;
  }

  /** Takes a keyword or a sign. Throws a syntax error when something else is next. */
  need(text: string): void {
    if (!this.eat(text)) this.fail();
  }

  /** Takes a name that no keyword is. */
  name(): string {
    const token = this.take();
    return token.type === 'name' ? token.raw : this.fail(token);
  }

  /** Gives the span from a token to the last one taken. */
  spanFrom({ start }: Span): Span {
    return { start, end: this.#tokens[this.#next - 1]?.end ?? start };
  }

  /** Reads a whole query, up to what cannot belong to it. */
  query(): Query {
    return this.nested(() => this.#query(this));
  }

  /** Reads something in parentheses. */
  parenthesised<T>(read: () => T): T {
    this.need('(');
    const result = read();
    this.need(')');
    return result;
  }

  /** Reads what may nest. Throws status 400 when it does so without end. */
  nested<T>(read: () => T): T {
    if (++this.#depth > maximumDepth) throw tooDeep();
    const result = read();
    this.#depth--;
    return result;
  }

  /** Reads one or more, with commas between. */
  list<T>(read: () => T): T[] {
    const items = [read()];
    while (this.eat(',')) items.push(read());
    return items;
  }

  /** Reads none or more, with commas between, up to the sign that closes them. */
  until<T>(close: string, read: () => T): T[] {
    if (this.eat(close)) return [];
    const items = this.list(read);
    this.need(close);
    return items;
  }

  fail(token: Token = this.peek()): never {
    throw syntaxError(token.raw, token);
  }
}
