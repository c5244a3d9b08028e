import { createContext, Script } from 'node:vm';
import { RE2JS } from 're2js';
import type { Value } from '../../json.ts';
import { badRequest } from '../../service-error.ts';
import { cost } from '../allowance.ts';
import { type FunctionContext, type FunctionTable, takesInContext } from './function-table.ts';

/** Tests a text. Throws status 400 when that would take too long. */
type Matcher = (text: string) => boolean;

/** States times characters that the linear engine may be asked to go through at once: about a second. */
const maximumSteps = 200_000_000;

/** The milliseconds after which backtracking is stopped. */
const timeLimit = 1000;

/** The milliseconds that setting that limit takes: no work of the query's. */
const overhead = 0.25;

const linearFlags: Readonly<Record<string, number>> = {
  i: RE2JS.CASE_INSENSITIVE,
  m: RE2JS.MULTILINE,
  s: RE2JS.DOTALL,
  x: 0,
};

function tooComplex(): Error {
  return badRequest('The regular expression in the query is too complex.');
}

/** Takes white space and comments out of a pattern, as the modifier `x` asks, but not out of `[sets]`. */
function condensed(pattern: string): string {
  return pattern.replace(/(\\[^]|\[\^?\]?(?:\\[^]|[^\]\\])*\])|\s+|#.*/g, '$1');
}

/** Matches in a time that grows with the length of the text alone. Throws for what that excludes. */
function linearMatcher(pattern: string, modifiers: readonly string[]): Matcher {
  const flags = modifiers.reduce((all, modifier) => all | (linearFlags[modifier] ?? 0), RE2JS.LOOKBEHINDS);
  const expression = RE2JS.compile(pattern, flags);
  const states = expression.programSize();
  return (text) => {
    if (states * text.length > maximumSteps) throw tooComplex();
    return expression.test(text);
  };
}

const sandbox = createContext({ test: () => false });
const script = new Script('test()');

/** Matches by backtracking, for look-ahead and back references, and is stopped when its time is up. */
function backtrackingMatcher(pattern: string, modifiers: readonly string[]): Matcher {
  const expression = new RegExp(pattern, modifiers.filter((modifier) => modifier !== 'x').join(''));
  return (text) => {
    sandbox.test = () => expression.test(text);
    try {
      return script.runInContext(sandbox, { timeout: timeLimit }) === true;
    } catch {
      throw tooComplex();
    }
  };
}

/** Compiles a pattern; undefined when it, or a modifier, is none. */
function compile(pattern: string, modifierText: string): Matcher | undefined {
  const modifiers = [...new Set(modifierText)];
  if (!modifiers.every((modifier) => modifier in linearFlags)) return undefined;
  const plain = modifiers.includes('x') ? condensed(pattern) : pattern;
  for (const build of [linearMatcher, backtrackingMatcher]) {
    try {
      return build(plain, modifiers);
    } catch {
      // The other engine may know it.
    }
  }
  return undefined;
}

/** Compiled patterns kept; when they are that many it starts over. */
const cacheSize = 100;

const compiled = new Map<string, Matcher | undefined>();

function matcherOf(pattern: string, modifiers: string): Matcher | undefined {
  const key = `${modifiers}/${pattern}`;
  if (compiled.has(key)) return compiled.get(key);
  if (compiled.size >= cacheSize) compiled.clear();
  const matcher = compile(pattern, modifiers);
  compiled.set(key, matcher);
  return matcher;
}

function matches({ spend }: FunctionContext, text: string, pattern: string, modifiers = ''): Value {
  const start = performance.now();
  const result = matcherOf(pattern, modifiers)?.(text);
  spend(Math.max(0, performance.now() - start - overhead) * cost.millisecond);
  return result;
}

/** The function over Perl's regular expressions. No pattern holds the server up: see the bounds above. */
export const regularExpressionFunctions: FunctionTable = {
  REGEXMATCH: takesInContext(['string', 'string', 'string?'], matches),
};
