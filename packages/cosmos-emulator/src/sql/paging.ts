import { isObject, type Json, type Value } from '../json.ts';
import { badRequest } from '../service-error.ts';
import type { Container, ItemScope } from '../storage/container.ts';
import type { StoredItem } from '../storage/stored-item.ts';
import type { Run } from './evaluate.ts';
import type { PreparedQuery } from './query-engine.ts';
import type { ResultPlace, SortedResult } from './run.ts';

/** What to run, over which part of the container, and how much of it to give. */
export interface PageRequest {
  readonly container: Container;
  readonly prepared: PreparedQuery;
  readonly parameters: ReadonlyMap<string, Value>;
  readonly scope: ItemScope;
  readonly now: number;
  readonly continuation: string | undefined;
  readonly maximum: number;
}

/** One page of results, each as JSON text. */
export interface Page {
  readonly texts: readonly string[];
  readonly continuation: string | undefined;
  /** Number of documents that were looked at. */
  readonly examined: number;
}

/** Runs a query as far as one page. Throws 400 for a continuation that is not one. */
export function queryPage(request: PageRequest): Page {
  const { ids, key } = request.prepared.access(request.parameters);
  const scope: ItemScope = { ...request.scope, ...(ids ? { ids } : {}), key: request.scope.key ?? key };
  return pagers[request.prepared.compiled.paging]({ ...request, scope });
}

const pagers: Readonly<Record<PreparedQuery['compiled']['paging'], (request: PageRequest) => Page>> = {
  stream: streamPage,
  ordered: orderedPage,
  whole: wholePage,
};

function runOf({ parameters, now }: PageRequest): Run {
  return { parameters, now, aggregates: [] };
}

/** Each document speaks for itself: the page begins after the last one seen, and stops when it is full. */
function streamPage(request: PageRequest): Page {
  const { container, prepared, maximum } = request;
  const { start, skip } = readPosition(request.continuation);
  const run = runOf(request);
  const texts: string[] = [];
  let examined = 0;
  for (const item of container.items(request.scope, start)) {
    examined++;
    const results = prepared.compiled.resultsOf(item.document, run);
    for (let at = item.sequence === start ? skip : 0; at < results.length; at++) {
      if (texts.length === maximum) {
        return { texts, continuation: JSON.stringify({ start: item.sequence, skip: at }), examined };
      }
      texts.push(prepared.wholeDocuments ? item.text : JSON.stringify(results[at]));
    }
  }
  return { texts, continuation: undefined, examined };
}

/**
 * The page begins after a place in the order, so that writes between two pages neither repeat nor lose what they do not
 * touch, and a client may narrow the filter when it resumes.
 */
function orderedPage(request: PageRequest): Page {
  const { compiled } = request.prepared;
  const after = readPlace(request.continuation);
  const { rows, examined } = resultsOf(request, after !== undefined, (items, run) =>
    compiled.sorted(items, run),
  );
  const { offset, maximum } = compiled.cut(runOf(request));
  const taken = after?.taken ?? 0;
  const start =
    after === undefined ? offset : firstAfter(rows, (row) => compiled.comparePlaces(row, after) > 0);
  const end = start + Math.min(request.maximum, maximum - taken);
  const page = rows.slice(start, end);
  const last = page.at(-1);
  const texts = page.map(({ value }) => JSON.stringify(value));
  const done = last === undefined || end >= rows.length || taken + page.length >= maximum;
  return { texts, continuation: done ? undefined : writePlace(last, taken + page.length), examined };
}

/** Results that only make sense together: the page is cut from all of them. */
function wholePage(request: PageRequest): Page {
  const { start } = readPosition(request.continuation);
  const { compiled } = request.prepared;
  const { rows, examined } = resultsOf(request, start > 0, (items, run) =>
    compiled.executeOver(documentsOf(items), run),
  );
  const end = start + request.maximum;
  const texts = rows.slice(start, end).map((row) => JSON.stringify(row));
  return {
    texts,
    continuation: end >= rows.length ? undefined : JSON.stringify({ start: end, skip: 0 }),
    examined,
  };
}

function* documentsOf(items: readonly StoredItem[]): Generator<Json> {
  for (const item of items) yield item.document;
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
  readonly examined: number;
}

/** Results of one compiled query, by everything else that they depend on. */
interface Kept {
  readonly revision: number;
  readonly results: Map<string, Results<unknown>>;
}

/** Kept while nothing is written, so that a further page does not run the query again. */
const kept = new WeakMap<PreparedQuery, WeakMap<Container, Kept>>();

function resultsOf<T>(
  request: PageRequest,
  resumed: boolean,
  compute: (items: readonly StoredItem[], run: Run) => readonly T[],
): Results<T> {
  const { container, prepared, parameters, scope } = request;
  const key = JSON.stringify([[...parameters], scope.key, scope.physical?.id, scope.range]);
  const results = keptFor(prepared, container);
  // Only this function puts results there, and always those that the same query computes.
  const known = resumed ? (results.get(key) as Results<T> | undefined) : undefined;
  if (known !== undefined) return known;
  const items = [...container.items(scope)];
  const found = { rows: compute(items, runOf(request)), examined: items.length };
  if (results.size >= 8) results.clear();
  if (found.rows.length > request.maximum) results.set(key, found);
  return found;
}

function keptFor(prepared: PreparedQuery, container: Container): Map<string, Results<unknown>> {
  let byContainer = kept.get(prepared);
  if (byContainer === undefined) kept.set(prepared, (byContainer = new WeakMap()));
  const { revision } = container;
  let entry = byContainer.get(container);
  if (entry?.revision !== revision) byContainer.set(container, (entry = { revision, results: new Map() }));
  return entry.results;
}

function readToken(text: string): Json {
  try {
    const token: Json = JSON.parse(text);
    return token;
  } catch {
    throw badRequest('Invalid Continuation Token');
  }
}

function readPosition(text: string | undefined): { start: number; skip: number } {
  if (text === undefined || text === '') return { start: 0, skip: 0 };
  const token = readToken(text);
  const { start, skip } = isObject(token) ? token : {};
  if (isCount(start) && isCount(skip)) return { start, skip };
  throw badRequest('Invalid Continuation Token');
}

/** JSON has no undefined: each key travels in a list that is empty for it. */
function writePlace({ keys, sequence, ordinal }: ResultPlace, taken: number): string {
  const wrapped = keys.map((key) => (key === undefined ? [] : [key]));
  const text = JSON.stringify({ keys: wrapped, sequence, ordinal, taken });
  // A continuation travels in a header, which holds ASCII only.
  return text.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function readPlace(text: string | undefined): (ResultPlace & { readonly taken: number }) | undefined {
  if (text === undefined || text === '') return undefined;
  const token = readToken(text);
  const { keys, sequence, ordinal, taken } = isObject(token) ? token : {};
  if (!Array.isArray(keys) || !isCount(sequence) || !isCount(ordinal) || !isCount(taken)) {
    throw badRequest('Invalid Continuation Token');
  }
  const unwrapped = keys.map((key): Value => (Array.isArray(key) ? key[0] : undefined));
  return { keys: unwrapped, sequence, ordinal, taken };
}

function isCount(value: Value): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
