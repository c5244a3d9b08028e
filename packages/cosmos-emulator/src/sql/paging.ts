import type { Json } from '../json.ts';
import type { ContainerProperties } from '../storage/container-properties.ts';
import type { ItemScope } from '../storage/item-scope.ts';
import type { StoredItem } from '../storage/stored-item.ts';
import type { Parameters } from './constant.ts';
import { type Resumption, readPlace, readPosition, writePlace, writePosition } from './continuation.ts';
import type { PreparedQuery } from './query-engine.ts';
import type { SortedResult } from './run.ts';
import { type Run, startRun } from './scope.ts';

/** Where items come from: a container, or a transaction that sees its own writes. */
export interface ItemSource {
  /** Items of a scope, in the order of their creation, from a place on. */
  items(scope: ItemScope, from?: number): Iterable<StoredItem>;
  /** A number that changes with every write. */
  readonly revision: number;
  readonly properties: Pick<ContainerProperties, 'geospatial'>;
}

/** What to run, over which part of the container, and how much of it to give. */
export interface PageRequest {
  readonly container: ItemSource;
  readonly prepared: PreparedQuery;
  readonly parameters: Parameters;
  readonly scope: ItemScope;
  readonly now: number;
  readonly continuation: string | undefined;
  readonly maximum: number;
  /** Bytes that a continuation may take. */
  readonly tokenLimit: number;
  /** Calls a user-defined function. @default there are none */
  readonly callUdf?: Run['callUdf'] | undefined;
}

/** One page of results, each as JSON text. */
export interface Page {
  readonly texts: readonly string[];
  readonly continuation: string | undefined;
  readonly examined: Examined;
}

/** The documents that were looked at. */
export interface Examined {
  readonly count: number;
  readonly bytes: number;
}

/** The service ends a page before it grows over 4 MB. */
const maximumBytes = 4 * 1024 * 1024;

function isFull(size: number, next: string): boolean {
  return size > 0 && size + next.length > maximumBytes;
}

/** Runs a query as far as one page. Throws 400 for a continuation that is not one. */
export function queryPage(request: PageRequest): Page {
  return pagers[request.prepared.compiled.paging]({ ...request, scope: narrowed(request) });
}

function narrowed({ prepared, parameters, scope }: PageRequest): ItemScope {
  const { ids, keys } = prepared.access(parameters);
  // No key can pass the filter, and no id is looked for: nothing is found.
  if (keys?.length === 0) return { ...scope, ids: [] };
  const [key] = keys?.length === 1 ? keys : [];
  return { ...scope, ...(ids ? { ids } : {}), key: scope.key ?? key };
}

const pagers: Readonly<Record<PreparedQuery['compiled']['paging'], (request: PageRequest) => Page>> = {
  stream: streamPage,
  ordered: orderedPage,
  whole: wholePage,
};

function runOf({ parameters, now, container, callUdf }: PageRequest): Run {
  return startRun({ parameters, now, geospatial: container.properties.geospatial, callUdf });
}

/**
 * Each document speaks for itself: the page begins after the last one seen, and stops when it is full, or when it has
 * all that OFFSET, LIMIT and TOP leave.
 */
function streamPage(request: PageRequest): Page {
  const { container, prepared } = request;
  const run = runOf(request);
  const cut = prepared.compiled.cut(run);
  const { start, skip, taken } = readPosition(request.continuation);
  let leftOut = request.continuation ? 0 : cut.offset;
  const maximum = Math.min(request.maximum, cut.maximum - taken);
  const texts: string[] = [];
  let [size, count, bytes] = [0, 0, 0];
  const end = (continuation?: string): Page => ({ texts, continuation, examined: { count, bytes } });
  if (cut.maximum <= taken) return end();
  for (const item of container.items(request.scope, start)) {
    const results = prepared.compiled.resultsOf(item.document, run);
    const first = item.sequence === start ? skip : 0;
    // A document that only shows that there is a next page is counted there.
    if (texts.length < maximum || results.length <= first) {
      count++;
      bytes += item.size;
    }
    for (let at = first; at < results.length; at++) {
      if (leftOut-- > 0) continue;
      const text = JSON.stringify(results[at]);
      const given = taken + texts.length;
      if (given === cut.maximum) return end();
      if (texts.length === maximum || isFull(size, text)) return end(writePosition(item.sequence, at, given));
      texts.push(text);
      size += text.length;
    }
  }
  return end();
}

/**
 * The page begins after a place in the order, so that writes between two pages neither repeat nor lose what they do not
 * touch, and a client may narrow the filter when it resumes.
 */
function orderedPage(request: PageRequest): Page {
  const { compiled } = request.prepared;
  const after = readPlace(request.continuation, compiled.orderLength);
  const { offset, maximum } = compiled.cut(runOf(request));
  // A page that resumes may begin anywhere: what was written since has moved the places.
  const first = after === undefined ? offset + maximum : Number.POSITIVE_INFINITY;
  const { rows, examined } = resultsOf(request, after !== undefined, (items, run) =>
    compiled.sorted(items, { run, first }),
  );
  const taken = after?.taken ?? 0;
  const start = after === undefined ? offset : placeAfter(rows, after, request);
  const wanted = Math.min(request.maximum, maximum - taken);
  const texts = textsOf(rows.slice(start, start + wanted).map(({ value }) => value));
  const end = start + texts.length;
  const last = rows[end - 1];
  const given = taken + texts.length;
  const done = texts.length === 0 || last === undefined || end >= rows.length || given >= maximum;
  return { texts, continuation: done ? undefined : writePlace(last, given, request.tokenLimit), examined };
}

/** Results that only make sense together: the page is cut from all of them. */
function wholePage(request: PageRequest): Page {
  const { start } = readPosition(request.continuation);
  const { compiled } = request.prepared;
  const { rows, examined } = resultsOf(request, start > 0, (items, run) =>
    compiled.executeOver(documentsOf(items), run),
  );
  const texts = textsOf(rows.slice(start, start + request.maximum));
  const end = start + texts.length;
  return { texts, continuation: end >= rows.length ? undefined : writePosition(end, 0, 0), examined };
}

function textsOf(values: readonly Json[]): string[] {
  const texts: string[] = [];
  let size = 0;
  for (const value of values) {
    const text = JSON.stringify(value);
    if (isFull(size, text)) break;
    texts.push(text);
    size += text.length;
  }
  return texts;
}

function* documentsOf(items: readonly StoredItem[]): Generator<Json> {
  for (const item of items) yield item.document;
}

/** Where the rest begins. Without its keys a place is found by its document, or else by what was given so far. */
function placeAfter(
  rows: readonly SortedResult[],
  { place, taken }: Resumption,
  request: PageRequest,
): number {
  const { compiled } = request.prepared;
  const { keys, sequence, ordinal } = place;
  if (keys !== undefined) {
    const known = { keys, sequence, ordinal };
    return firstAfter(rows, (row) => compiled.comparePlaces(row, known) > 0);
  }
  const at = rows.findIndex((row) => row.sequence === sequence && row.ordinal === ordinal);
  return at < 0 ? compiled.cut(runOf(request)).offset + taken : at + 1;
}

/** Binary search for the first row that passes; once one does, all after it do. */
function firstAfter(rows: readonly SortedResult[], passes: (row: SortedResult) => boolean): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const row = rows[middle];
    if (row !== undefined && passes(row)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Everything that a query found. */
interface Results<T> {
  readonly rows: readonly T[];
  readonly examined: Examined;
}

/** Results of one compiled query, by everything else that they depend on. */
interface Kept {
  readonly revision: number;
  readonly results: Map<string, Results<unknown>>;
}

/** Kept while nothing is written, so that a further page does not run the query again. */
const kept = new WeakMap<PreparedQuery, WeakMap<ItemSource, Kept>>();

function resultsOf<T>(
  request: PageRequest,
  resumed: boolean,
  compute: (items: readonly StoredItem[], run: Run) => readonly T[],
): Results<T> {
  const { container, prepared, parameters, scope } = request;
  const key = JSON.stringify([[...parameters], scope.key, scope.physical?.id, scope.range, scope.ids]);
  const results = keptFor(prepared, container);
  // Only this function puts results there, and always those that the same query computes.
  const known = resumed ? (results.get(key) as Results<T> | undefined) : undefined;
  if (known !== undefined) return known;
  const items = [...container.items(scope)];
  const found = { rows: compute(items, runOf(request)), examined: examinedOf(items) };
  if (results.size >= 8) results.clear();
  if (found.rows.length > request.maximum) results.set(key, found);
  return found;
}

function keptFor(prepared: PreparedQuery, container: ItemSource): Map<string, Results<unknown>> {
  let byContainer = kept.get(prepared);
  if (byContainer === undefined) kept.set(prepared, (byContainer = new WeakMap()));
  const { revision } = container;
  let entry = byContainer.get(container);
  if (entry?.revision !== revision) byContainer.set(container, (entry = { revision, results: new Map() }));
  return entry.results;
}

function examinedOf(items: readonly StoredItem[]): Examined {
  return { count: items.length, bytes: items.reduce((sum, item) => sum + item.size, 0) };
}
