import { queryError } from '../service-error.ts';
import type { Span } from './ast.ts';

/** A word, literal or sign of the query. Keywords carry their name in capitals in `text`. */
export interface Token extends Span {
  readonly type: 'keyword' | 'name' | 'number' | 'string' | 'parameter' | 'sign' | 'end';
  /** As compared: keywords in capitals, strings unescaped. */
  readonly text: string;
  /** As written. */
  readonly raw: string;
}

/** Reserved in any case. ALL, FIRST and LAST are not: they mean something only before a query in parentheses. */
const keywords: ReadonlySet<string> = new Set(
  `AND ARRAY AS ASC BETWEEN BY DESC DISTINCT ESCAPE EXISTS FROM GROUP IN JOIN LEFT LIKE LIMIT NOT OFFSET OR ORDER RANK
  RIGHT SELECT TOP VALUE WHERE`.split(/\s+/),
);

/** Reserved in small letters only: `NULL` and `True` are names like any other. */
const constants: ReadonlySet<string> = new Set(['false', 'null', 'true', 'udf', 'undefined']);

/** Tells whether a name can be written without quotes and brackets. */
export function isPlainName(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !isReserved(name);
}

function isReserved(word: string): boolean {
  return constants.has(word) || keywords.has(word.toUpperCase());
}

const blank = /(?:[ \t\r\n]+|--[^\n]*|\/\*[\s\S]*?\*\/)+/y;
const patterns: ReadonlyArray<readonly [Exclude<Token['type'], 'keyword' | 'end'>, RegExp]> = [
  ['number', /(?:0[xX][0-9a-fA-F]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)(?![A-Za-z0-9_])/y],
  ['parameter', /@[A-Za-z_][A-Za-z0-9_]*/y],
  ['name', /[A-Za-z_][A-Za-z0-9_]*/y],
  ['sign', />>>|<<|>>|<=|>=|!=|<>|\|\||\?\?|[-+*/%&|^~<>=?:.,()[\]{}]/y],
];

/** Strings by their quote: any character from the blank on but that quote, and the escapes of JSON and quotes. */
const strings: Readonly<Record<string, RegExp>> = {
  '"': /"(?:[ !#-[\]-\uffff]|\\(?:["'\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y,
  "'": /'(?:[ -&(-[\]-\uffff]|\\(?:["'\\/bfnrt]|u[0-9a-fA-F]{4}))*'/y,
};

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f' };

/** The refusal for a text that the grammar has no place for. */
export function syntaxError(near: string, span: Span): Error {
  return queryError(`Syntax error, incorrect syntax near '${near}'.`, 'SC1001', {
    start: span.start,
    end: span.end,
  });
}

/** Splits a query into tokens, ending with one of type `end`. Throws the service's syntax error. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let start = skipBlank(text, 0);
  while (start < text.length) {
    const token = readToken(text, start);
    tokens.push(token);
    start = skipBlank(text, token.end);
  }
  tokens.push({ type: 'end', text: '', raw: '<EOF>', start: text.length, end: text.length });
  return tokens;
}

function skipBlank(text: string, start: number): number {
  blank.lastIndex = start;
  return blank.test(text) ? blank.lastIndex : start;
}

function readToken(text: string, start: number): Token {
  const quoted = strings[text.charAt(start)];
  if (quoted !== undefined) return readString(text, start, quoted);
  for (const [type, pattern] of patterns) {
    pattern.lastIndex = start;
    const raw = pattern.exec(text)?.[0];
    if (raw === undefined) continue;
    const end = start + raw.length;
    if (type === 'name' && isReserved(raw)) {
      return { type: 'keyword', text: raw.toUpperCase(), raw, start, end };
    }
    return { type, text: raw, raw, start, end };
  }
  const near = String.fromCodePoint(text.codePointAt(start) ?? 0);
  throw syntaxError(near, { start, end: start + near.length });
}

function readString(text: string, start: number, pattern: RegExp): Token {
  pattern.lastIndex = start;
  const raw = pattern.exec(text)?.[0];
  if (raw === undefined) throw syntaxError(text.charAt(start), { start, end: start + 1 });
  return { type: 'string', text: unescape(raw), raw, start, end: start + raw.length };
}

function unescape(raw: string): string {
  return raw.slice(1, -1).replace(/\\(u[0-9a-fA-F]{4}|.)/g, (_, mark: string) => {
    if (mark.length === 5) return String.fromCharCode(Number.parseInt(mark.slice(1), 16));
    return escapes[mark] ?? mark;
  });
}
