import { isObject, type Json, type JsonObject, parsePath } from '../json.ts';
import { isPlainName } from './lexer.ts';

/** One term of a composite index. */
export interface CompositeTerm {
  readonly path: readonly string[];
  readonly descending: boolean;
}

/** Tells whether the policy indexes a property: the most precise of the paths that cover it decides. */
export function isIndexed(policy: JsonObject, path: readonly string[]): boolean {
  if (policy.indexingMode === 'none') return false;
  // The service keeps these two in its index whatever the policy says.
  if (path.length === 1 && (path[0] === 'id' || path[0] === '_ts')) return true;
  return precision(policy.includedPaths, path) > precision(policy.excludedPaths, path);
}

/** Tells whether the policy includes a property by its own path, not by that of something above it. */
export function isIncludedByName({ includedPaths }: JsonObject, path: readonly string[]): boolean {
  return pathsOf(includedPaths).some((names) => names.length === path.length + 1 && covers(names, path));
}

/** The composite indexes of a policy; entries that are not such stay out. */
export function compositeIndexes(policy: JsonObject): ReadonlyArray<readonly CompositeTerm[]> {
  const indexes = Array.isArray(policy.compositeIndexes) ? policy.compositeIndexes : [];
  return indexes.map((index) => (Array.isArray(index) ? index.flatMap(compositeTerm) : []));
}

/** Writes a path as index metrics and policies do, such as `/a/"b c"`. */
export function printPath(path: readonly string[]): string {
  return path.map((name) => `/${isPlainName(name) || name === '[]' ? name : JSON.stringify(name)}`).join('');
}

/** How closely the closest of the paths covers a property; 0 where none does. */
function precision(paths: Json | undefined, path: readonly string[]): number {
  const covering = pathsOf(paths).filter((names) => covers(names, path));
  // Of two paths as long, the one that ends in ? is more precise than the one that ends in *.
  return Math.max(0, ...covering.map((names) => names.length * 2 + (names.at(-1) === '?' ? 1 : 0)));
}

function pathsOf(paths: Json | undefined): string[][] {
  const entries = Array.isArray(paths) ? paths : [];
  return entries.flatMap((entry) =>
    isObject(entry) && typeof entry.path === 'string' ? [parsePath(entry.path)] : [],
  );
}

function covers(names: readonly string[], path: readonly string[]): boolean {
  const mark = names.at(-1);
  const fixed = names.slice(0, -1);
  const fits = mark === '*' ? fixed.length <= path.length : mark === '?' && fixed.length === path.length;
  return fits && fixed.every((name, at) => name === path[at]);
}

function compositeTerm(entry: Json): CompositeTerm[] {
  if (!isObject(entry) || typeof entry.path !== 'string') return [];
  return [{ path: parsePath(entry.path), descending: entry.order === 'descending' }];
}
