import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyJson, anyObject } from '../test/fixtures/arbitrary-json.ts';
import { isJsonObject, type JsonObject, type JsonValue, jsonEquals } from './json.ts';
import { keepUnknown, mergePatch, type Shape } from './merge.ts';

function shape(names: { readonly [name: string]: Shape }, open?: boolean): Shape {
  return { fields: new Map(Object.entries(names)), ...(open === undefined ? {} : { open }) };
}

const leaf = shape({});

/** The shape that declares every field of a value. */
function everyField(value: JsonValue): Shape {
  return isJsonObject(value)
    ? { fields: new Map(Object.entries(value).map(([name, one]) => [name, everyField(one)])) }
    : leaf;
}

function withoutNulls(value: JsonValue): JsonValue {
  if (!isJsonObject(value)) return value;
  const entries = Object.entries(value).filter(([, one]) => one !== null);
  return Object.fromEntries(entries.map(([name, one]) => [name, withoutNulls(one)]));
}

describe('mergePatch', () => {
  // The examples of RFC 7396, appendix A.
  it.each([
    ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
    ['{"a":"b"}', '{"a":null}', '{}'],
    ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
    ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
    ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
    ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
    ['["a","b"]', '["c","d"]', '["c","d"]'],
    ['{"a":"b"}', '["c"]', '["c"]'],
    ['{"a":"foo"}', 'null', 'null'],
    ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
    ['[1,2]', '{"a":"b","c":null}', '{"a":"b"}'],
    ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
    ['{}', '{"__proto__":{"a":1}}', '{"__proto__":{"a":1}}'],
  ])('%s with %s is %s', (target, patch, expected) => {
    const merged = mergePatch(JSON.parse(target) as JsonValue, JSON.parse(patch) as JsonValue);
    expect(jsonEquals(merged, JSON.parse(expected) as JsonValue)).toBe(true);
  });

  it('changes nothing that it is given', () => {
    fc.assert(
      fc.property(anyObject, anyJson, (target, patch) => {
        const [a, b] = [JSON.stringify(target), JSON.stringify(patch)];
        mergePatch(target, patch);
        expect([JSON.stringify(target), JSON.stringify(patch)]).toEqual([a, b]);
      }),
    );
  });

  it('is idempotent, and an empty patch changes nothing', () => {
    fc.assert(
      fc.property(anyObject, anyJson, (target, patch) => {
        const once = mergePatch(target, patch);
        expect(jsonEquals(mergePatch(once, patch), once)).toBe(true);
        expect(jsonEquals(mergePatch(target, {}), target)).toBe(true);
      }),
    );
  });

  it('of nothing is the patch without its nulls', () => {
    const plain = anyObject.filter((one) => !JSON.stringify(one).includes('__proto__'));
    fc.assert(
      fc.property(plain, (patch) => {
        expect(jsonEquals(mergePatch({}, patch), withoutNulls(patch))).toBe(true);
      }),
    );
  });
});

describe('keepUnknown', () => {
  it('keeps what the shape does not name, at every depth that both share', () => {
    const kept = keepUnknown(
      { known: 1, extra: 2, deep: { known: 1, extra: 2, list: [{ extra: 1 }] }, gone: { extra: 1 } },
      { deep: { known: 3, list: [{}] } },
      shape({ known: leaf, gone: shape({ a: leaf }), deep: shape({ known: leaf, list: leaf }) }),
    );
    expect(kept).toEqual({ extra: 2, deep: { known: 3, extra: 2, list: [{}] } });
  });

  it('replaces maps, and what has a type whatever its name, whole', () => {
    const previous = { map: { a: 1, b: 2 }, typed: { named: 1, b: 2 } };
    const next = { map: { a: 1 }, typed: {} };
    expect(keepUnknown(previous, next, shape({ map: leaf, typed: shape({ named: leaf }, true) }))).toEqual(
      next,
    );
  });

  it('lets the new value say what an unknown field is', () => {
    expect(keepUnknown({ extra: { a: 1, b: 2 } }, { extra: { a: 3 } }, leaf)).toEqual({ extra: { a: 3 } });
  });

  it('is the identity where nothing is unknown, and where the value is its own predecessor', () => {
    fc.assert(
      fc.property(anyObject, anyObject, (previous, next) => {
        expect(jsonEquals(keepUnknown(previous, next, everyField(previous)), next)).toBe(true);
        expect(jsonEquals(keepUnknown(next, next, everyField(previous)), next)).toBe(true);
        expect(jsonEquals(keepUnknown(next, next, leaf), next)).toBe(true);
      }),
    );
  });

  it('keeps every field of both where nothing is declared, and changes nothing that it is given', () => {
    fc.assert(
      fc.property(anyObject, anyObject, (previous, next) => {
        const before = JSON.stringify([previous, next]);
        const kept = keepUnknown(previous, next, leaf);
        const names = new Set([...Object.keys(previous), ...Object.keys(next)]);
        expect(new Set(Object.keys(kept))).toEqual(names);
        for (const name of names) {
          const from: JsonObject = Object.hasOwn(next, name) ? next : previous;
          expect(jsonEquals(kept[name], from[name])).toBe(true);
        }
        expect(JSON.stringify([previous, next])).toBe(before);
      }),
    );
  });
});
