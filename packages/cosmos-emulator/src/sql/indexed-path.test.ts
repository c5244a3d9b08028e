import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../json.ts';
import { isIncludedByName, isIndexed, printPath } from './indexed-path.ts';

function policy(included: string[], excluded: string[], indexingMode = 'consistent'): JsonObject {
  const paths = (list: string[]) => list.map((path) => ({ path }));
  return { indexingMode, includedPaths: paths(included), excludedPaths: paths(excluded) };
}

describe('an indexing policy', () => {
  it.each<[string[], string[], string[], boolean]>([
    [['/*'], [], ['a'], true],
    [['/*'], ['/a/*'], ['a'], false],
    [['/*'], ['/a/*'], ['a', 'b'], false],
    [['/*'], ['/a/?'], ['a', 'b'], true],
    [['/*', '/a/b/?'], ['/a/*'], ['a', 'b'], true],
    [['/*', '/a/b/?'], ['/a/*'], ['a', 'c'], false],
    [['/a/?'], ['/*'], ['a'], true],
    [['/a/?'], ['/*'], ['a', 'b'], false],
    [['/a/*'], ['/*'], ['a', 'b'], true],
    [['/a/?'], ['/a/*'], ['a'], true],
    [['/*'], ['/"a b"/?'], ['a b'], false],
    [[], ['/*'], ['id'], true],
    [[], ['/*'], ['_ts'], true],
    [[], ['/*'], ['pk'], false],
    [[], [], ['a'], false],
  ])('that includes %j and excludes %j has %j: %s', (included, excluded, path, indexed) => {
    expect(isIndexed(policy(included, excluded), path)).toBe(indexed);
  });

  it('without an index has nothing', () => {
    expect(isIndexed(policy(['/*'], [], 'none'), ['id'])).toBe(false);
  });

  it('includes by name what it names to the end', () => {
    expect(isIncludedByName(policy(['/*', '/a/b/?'], []), ['a', 'b'])).toBe(true);
    expect(isIncludedByName(policy(['/*', '/a/*'], []), ['a'])).toBe(true);
    expect(isIncludedByName(policy(['/*', '/a/*'], []), ['a', 'b'])).toBe(false);
    expect(isIncludedByName(policy(['/*'], []), ['a'])).toBe(false);
  });

  it('has its paths written with quotes where they need them', () => {
    expect(printPath(['a', 'b c', '[]', 'd'])).toBe('/a/"b c"/[]/d');
  });
});
