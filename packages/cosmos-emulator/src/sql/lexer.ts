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

const keywords = new Set([
  'AND',
  'ARRAY',
  'AS',
  'ASC',
  'BETWEEN',
  'BY',
  'DESC',
  'DISTINCT',
  'ESCAPE',
  'EXISTS',
  'FALSE',
  'FROM',
  'GROUP',
  'IN',
  'JOIN',
  'LIKE',
  'LIMIT',
  'NOT',
  'NULL',
  'OFFSET',
  'OR',
  'ORDER',
  'SELECT',
  'TOP',
  'TRUE',
  'UNDEFINED',
  'VALUE',
  'WHERE',
]);

/** Tells whether a name can be written without quotes and brackets. */
export function isPlainName(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !keywords.has(name.toUpperCase());
}

const blank = /(?:\s+|--[^\n]*|\/\*[\s\S]*?\*\/)+/y;
const patterns: ReadonlyArray<readonly [Exclude<Token['type'], 'keyword' | 'end'>, RegExp]> = [
  ['number', /(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)/y],
  ['parameter', /@[\p{L}_][\p{L}\p{N}_]*/uy],
  ['name', /[\p{L}_$][\p{L}\p{N}_$]*/uy],
  ['string', /"(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\]|\\[\s\S])*'/y],
  ['sign', />>>|<<|>>|<=|>=|!=|<>|\|\||\?\?|[-+*/%&|^~<>=!?:.,()[\]{}]/y],
];

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
  for (const [type, pattern] of patterns) {
    pattern.lastIndex = start;
    const raw = pattern.exec(text)?.[0];
    if (raw === undefined) continue;
    const end = start + raw.length;
    if (type === 'string') return { type, text: unescape(raw), raw, start, end };
    const upper = raw.toUpperCase();
    if (type === 'name' && keywords.has(upper)) return { type: 'keyword', text: upper, raw, start, end };
    return { type, text: raw, raw, start, end };
  }
  throw syntaxError(text.slice(start, start + 1), { start, end: start + 1 });
}

function unescape(raw: string): string {
  return raw.slice(1, -1).replace(/\\(u[0-9a-fA-F]{4}|[\s\S])/g, (_, mark: string) => {
    if (mark.length === 5) return String.fromCharCode(Number.parseInt(mark.slice(1), 16));
    return escapes[mark] ?? mark;
  });
}
