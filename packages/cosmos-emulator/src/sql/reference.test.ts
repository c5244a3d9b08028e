import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json, JsonObject, Value } from '../json.ts';
import { parseQuery } from './parse.ts';
import { compileTop } from './query-engine.ts';
import { startRun } from './scope.ts';

/** What the sources of a query stand for in one row. */
interface Names {
  readonly c: JsonObject;
  readonly t: Value;
}

/** An expression as a query writes it, and what it means, told in the plainest way. */
interface Term {
  readonly text: string;
  readonly of: (names: Names) => Value;
}

/** Results as they travel, which knows no negative zero. */
function sent(results: readonly unknown[]): unknown {
  return JSON.parse(JSON.stringify(results));
}

function run(query: string, documents: readonly Json[]): unknown {
  const compiled = compileTop(parseQuery(query));
  return sent(compiled.executeOver(documents, startRun({ parameters: new Map(), now: 0 })));
}

const types = ['undefined', 'null', 'boolean', 'number', 'string', 'array', 'object'];

function typeOf(value: Value): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

/** The place of each scalar among all that the documents hold, as the documentation of ORDER BY has it. */
function order(left: Value, right: Value): number {
  const byType = types.indexOf(typeOf(left)) - types.indexOf(typeOf(right));
  if (byType !== 0) return byType;
  if (typeof left === 'string' && typeof right === 'string')
    return Buffer.compare(Buffer.from(left), Buffer.from(right));
  return left === undefined ? 0 : Number(left) - Number(right);
}

function same(left: Value, right: Value): boolean {
  return keyOf(left) === keyOf(right);
}

/** Equal texts for equal values: the documents hold at most one property in each object. */
function keyOf(value: Value): string {
  return `${typeOf(value)} ${JSON.stringify(value)}`;
}

function equality(left: Value, right: Value, wanted: boolean): Value {
  return left === undefined || right === undefined ? undefined : same(left, right) === wanted;
}

function comparison(left: Value, right: Value, holds: (order: number) => boolean): Value {
  const type = typeOf(left);
  const comparable = type === typeOf(right) && type !== 'undefined' && type !== 'array' && type !== 'object';
  return comparable ? holds(order(left, right)) : undefined;
}

function not(value: Value): Value {
  if (value === true) return false;
  return value === false ? true : undefined;
}

function and(left: Value, right: Value): Value {
  if (left === false || right === false) return false;
  return left === true && right === true ? true : undefined;
}

const or = (left: Value, right: Value): Value => not(and(not(left), not(right)));

function number(left: Value, right: Value, compute: (a: number, b: number) => number): Value {
  if (typeof left !== 'number' || typeof right !== 'number') return undefined;
  const result = compute(left, right);
  return Number.isFinite(result) ? result : undefined;
}

const operators: Readonly<Record<string, (left: Value, right: Value) => Value>> = {
  '=': (left, right) => equality(left, right, true),
  '!=': (left, right) => equality(left, right, false),
  '<': (left, right) => comparison(left, right, (place) => place < 0),
  '<=': (left, right) => comparison(left, right, (place) => place <= 0),
  '>': (left, right) => comparison(left, right, (place) => place > 0),
  '>=': (left, right) => comparison(left, right, (place) => place >= 0),
  '+': (left, right) => number(left, right, (a, b) => a + b),
  '-': (left, right) => number(left, right, (a, b) => a - b),
  '*': (left, right) => number(left, right, (a, b) => a * b),
  '/': (left, right) => number(left, right, (a, b) => a / b),
  '%': (left, right) => number(left, right, (a, b) => a % b),
  '||': (left, right) => (typeof left === 'string' && typeof right === 'string' ? left + right : undefined),
  '??': (left, right) => (left === undefined ? right : left),
  AND: and,
  OR: or,
};

const scalars = fc.constantFrom<Json>(
  null,
  true,
  false,
  -1,
  0,
  1,
  2.5,
  '',
  'A',
  'a',
  'ab',
  'é',
  '\uffff',
  '😀',
);
const values = fc.oneof(
  { weight: 5, arbitrary: scalars },
  fc.constantFrom<Json>([], [1], ['a', null], {}, { x: 1 }),
);
const documents = fc
  .array(
    fc.record(
      {
        a: values,
        b: values,
        n: fc.oneof(scalars, fc.integer({ min: -9, max: 9 })),
        list: fc.array(values, { maxLength: 3 }),
      },
      { requiredKeys: [] },
    ),
    { maxLength: 12 },
  )
  .map((list): JsonObject[] => list.map((document, id) => ({ id, ...document })));

const leaf: fc.Arbitrary<Term> = fc.oneof(
  values.map((value) => ({ text: JSON.stringify(value), of: () => value })),
  fc
    .constantFrom('a', 'b', 'n', 'list')
    .map((name) => ({ text: `c.${name}`, of: ({ c }: Names) => c[name] })),
  fc.constant({
    text: 'c["list"][0]',
    of: ({ c }: Names) => (Array.isArray(c.list) ? c.list[0] : undefined),
  }),
  fc.constant({
    text: 'c.a.x',
    of: ({ c }: Names) => (typeOf(c.a) === 'object' ? Object(c.a).x : undefined),
  }),
  fc.constant({ text: 't', of: ({ t }: Names) => t }),
);

const { term } = fc.letrec<{ term: Term }>((tie) => {
  const part = tie('term');
  return {
    term: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      leaf,
      fc.tuple(part, fc.constantFrom(...Object.keys(operators)), part).map(([left, operator, right]) => ({
        text: `(${left.text} ${operator} ${right.text})`,
        of: (names: Names) => operators[operator]?.(left.of(names), right.of(names)),
      })),
      part.map((inner) => ({ text: `(NOT ${inner.text})`, of: (names: Names) => not(inner.of(names)) })),
      fc.tuple(part, part, part).map(([test, yes, no]) => ({
        text: `(${test.text} ? ${yes.text} : ${no.text})`,
        of: (names: Names) => (test.of(names) === true ? yes.of(names) : no.of(names)),
      })),
      fc.tuple(part, part, part).map(([inner, low, high]) => ({
        text: `(${inner.text} BETWEEN ${low.text} AND ${high.text})`,
        of: (names: Names) =>
          and(
            comparison(inner.of(names), low.of(names), (place) => place >= 0),
            comparison(inner.of(names), high.of(names), (place) => place <= 0),
          ),
      })),
      part.map((inner) => ({
        text: `IS_DEFINED(${inner.text})`,
        of: (names: Names) => inner.of(names) !== undefined,
      })),
      fc.tuple(part, part).map(([first, second]) => ({
        text: `[${first.text}, ${second.text}]`,
        of: (names: Names) => [first.of(names), second.of(names)].filter((value) => value !== undefined),
      })),
    ),
  };
});

function rowsOf(list: readonly JsonObject[]): Names[] {
  return list.flatMap((c) => (Array.isArray(c.list) ? c.list : []).map((t) => ({ c, t })));
}

const defined = (list: Value[]): Json[] => list.filter((value) => value !== undefined);

describe('the evaluator agrees with the plainest reading of', () => {
  const from = 'FROM c JOIN t IN c.list';
  const often = { numRuns: 500 };

  it('expressions and filters', () => {
    fc.assert(
      fc.property(documents, term, term, (list, value, filter) => {
        const expected = rowsOf(list).filter((names) => filter.of(names) === true);
        expect(run(`SELECT VALUE ${value.text} ${from} WHERE ${filter.text}`, list)).toEqual(
          sent(defined(expected.map((names) => value.of(names)))),
        );
      }),
      often,
    );
  });

  it('orders, and what is cut from them', () => {
    const key = fc.tuple(fc.constantFrom('a', 'b', 'n'), fc.boolean());
    const keys = fc.array(key, { minLength: 1, maxLength: 3 });
    const isScalar = (document: JsonObject) =>
      ['a', 'b'].every((name) => types.indexOf(typeOf(document[name])) < 5);
    fc.assert(
      fc.property(documents, keys, fc.nat(3), fc.nat(6), (all, terms, offset, limit) => {
        const list = all.filter(isScalar);
        const sorted = list.toSorted((left, right) => {
          const places = terms.map(
            ([name, descending]) => order(left[name], right[name]) * (descending ? -1 : 1),
          );
          return places.find((place) => place !== 0) ?? 0;
        });
        const clause = terms.map(([name, descending]) => `c.${name}${descending ? ' DESC' : ''}`).join(', ');
        const query = `SELECT VALUE c.id FROM c ORDER BY ${clause}`;
        const ids = sorted.map(({ id }) => id);
        expect(run(query, list)).toEqual(ids);
        expect(run(`${query} OFFSET ${offset} LIMIT ${limit}`, list)).toEqual(
          ids.slice(offset, offset + limit),
        );
      }),
      often,
    );
  });

  it('groups and their aggregates', () => {
    fc.assert(
      fc.property(documents, term, term, (list, group, value) => {
        // A group goes by what its rows have in common, so that any of them tells its key.
        const groups = Map.groupBy(rowsOf(list), (names) => keyOf(group.of(names)));
        const expected = [...groups.values()].map((rows) => {
          const [first] = rows;
          return {
            k: first === undefined ? undefined : group.of(first),
            ...aggregatesOf(defined(rows.map((names) => value.of(names))), rows),
          };
        });
        const { text } = value;
        const aggregates = `COUNT(1) AS n, COUNT(${text}) AS m, SUM(${text}) AS s, AVG(${text}) AS v, MIN(${text}) AS l, MAX(${text}) AS h`;
        const found = run(`SELECT ${group.text} AS k, ${aggregates} ${from} GROUP BY ${group.text}`, list);
        expect(found).toEqual(sent(expected));
      }),
      often,
    );
  });

  it('distinct values, subqueries and correlated arrays', () => {
    fc.assert(
      fc.property(documents, term, term, (list, value, filter) => {
        const each = rowsOf(list).map((names) => value.of(names));
        const distinct = new Map(defined(each).map((one) => [keyOf(one), one]));
        expect(run(`SELECT DISTINCT VALUE ${value.text} ${from}`, list)).toEqual(
          sent([...distinct.values()]),
        );
        const inner = `SELECT VALUE ${value.text} FROM t IN c.list WHERE ${filter.text}`;
        const arrays = list.map((c) =>
          defined(
            rowsOf([c])
              .filter((names) => filter.of(names) === true)
              .map((names) => value.of(names)),
          ),
        );
        expect(run(`SELECT VALUE ARRAY(${inner}) FROM c`, list)).toEqual(sent(arrays));
        expect(run(`SELECT VALUE EXISTS(${inner}) FROM c`, list)).toEqual(
          arrays.map((array) => array.length > 0),
        );
        expect(run(`SELECT VALUE x FROM c JOIN (${inner}) AS x`, list)).toEqual(sent(arrays.flat()));
      }),
      often,
    );
  });
});

function aggregatesOf(found: readonly Json[], rows: readonly Names[]): Record<string, Value> {
  const numbers = found.filter((value) => typeof value === 'number');
  const sum =
    numbers.length === found.length ? numbers.reduce((total, value) => total + value, 0) : undefined;
  const comparable = found.every((value) => types.indexOf(typeOf(value)) < 5);
  const sorted = comparable ? found.toSorted(order) : [];
  return {
    n: rows.length,
    m: found.length,
    s: sum,
    v: sum === undefined || found.length === 0 ? undefined : sum / found.length,
    l: sorted[0],
    h: sorted.at(-1),
  };
}
