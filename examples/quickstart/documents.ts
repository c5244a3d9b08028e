import { readFileSync } from 'node:fs';
import { isJsonObject, type JsonObject } from '@polyphase/core';

// The packages export programs that fetch or bundle their data; the files beside those programs are the data itself.
function load(packageName: string, file: string): unknown {
  return JSON.parse(readFileSync(new URL(file, import.meta.resolve(packageName)), 'utf8'));
}

/** A document and the partition it lives in. */
export interface SeedDocument {
  readonly partition: string | null;
  readonly id: string;
  readonly value: JsonObject;
}

/** The 3,201 movies of vega-datasets, unchanged but for an id. */
export function movies(): readonly SeedDocument[] {
  const rows = load('vega-datasets', '../data/movies.json');
  if (!Array.isArray(rows)) throw new Error('vega-datasets has no list of movies');
  return rows.filter(isJsonObject).map((row, i) => {
    const id = `movie-${String(i).padStart(4, '0')}`;
    const distributor = row['Distributor'];
    return { partition: typeof distributor === 'string' ? distributor : null, id, value: { id, ...row } };
  });
}

/** The features of @mdn/browser-compat-data, one document each, with the support tables that hang below them. */
export function features(): readonly SeedDocument[] {
  const root = load('@mdn/browser-compat-data', 'data.json');
  const found: SeedDocument[] = [];
  const visit = (node: JsonObject, path: readonly string[]): void => {
    const compat = node['__compat'];
    const [area] = path;
    const id = path.join('.');
    if (isJsonObject(compat) && area !== undefined)
      found.push({ partition: area, id, value: { id, area, __compat: compat } });
    for (const [name, child] of Object.entries(node)) {
      if (!name.startsWith('__') && isJsonObject(child)) visit(child, [...path, name]);
    }
  };
  if (!isJsonObject(root)) throw new Error('@mdn/browser-compat-data has no tree of features');
  const { browsers: _, ...areas } = root;
  visit(areas, []);
  return found;
}
