import type { JsonObject, Value } from '../json.ts';
import { badRequest } from '../service-error.ts';
import type { Container, ItemScope } from '../storage/container.ts';
import type { ContainerProperties } from '../storage/container-properties.ts';
import type { StoredItem } from '../storage/stored-item.ts';
import { type AccessPathFinder, accessPathFinder, rootOf } from './access-path.ts';
import type { Query } from './ast.ts';
import type { Run } from './evaluate.ts';
import { applyIndexPolicy } from './index-policy.ts';
import { parseQuery } from './parse.ts';
import { type CompiledQuery, compileQuery, rootName } from './run.ts';

/** A query that was parsed and compiled for a container. */
export interface PreparedQuery {
  readonly text: string;
  readonly query: Query;
  readonly compiled: CompiledQuery;
  readonly access: AccessPathFinder;
  /** Whether each result is the whole document as it is. */
  readonly wholeDocuments: boolean;
}

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

/** Queries kept per cache; when it is full it starts over. */
const cacheSize = 1000;

const prepared = new WeakMap<ContainerProperties, Map<string, PreparedQuery>>();

/** Parses and compiles a query for a container, once. Throws status 400. */
export function prepareQuery(text: string, properties: ContainerProperties): PreparedQuery {
  let cache = prepared.get(properties);
  if (cache === undefined || cache.size >= cacheSize) prepared.set(properties, (cache = new Map()));
  const known = cache.get(text);
  if (known !== undefined) return known;
  const parsed = parseQuery(text);
  const policy = properties.definition.indexingPolicy;
  const query = applyIndexPolicy(
    parsed,
    typeof policy === 'object' && !Array.isArray(policy) ? (policy ?? {}) : {},
  );
  const entry: PreparedQuery = {
    text,
    query,
    compiled: compileTop(query),
    access: accessPathFinder(query, properties.partitionKey.paths),
    wholeDocuments: givesWholeDocuments(query),
  };
  cache.set(text, entry);
  return entry;
}

/** Compiles a query that starts from documents. */
export function compileTop(query: Query): CompiledQuery {
  return compileQuery(query, { slots: new Map([[rootName, 0]]), aggregations: undefined, compileQuery });
}

/** Tells whether a document passes a filter such as `FROM c WHERE c.a = 1`, as conditional patches have it. */
export function matchesCondition(document: JsonObject, condition: string, now: number): boolean {
  const compiled = compileTop(parseQuery(`SELECT VALUE 1 ${condition}`));
  return compiled.executeOver([document], { parameters: new Map(), now, aggregates: [] }).length > 0;
}

function givesWholeDocuments({ select, from, ...query }: Query): boolean {
  const root = rootOf({ select, from, ...query });
  if (root === undefined || from.length !== 1) return false;
  if (select.kind === 'star') return true;
  return select.kind === 'value' && select.expression.kind === 'variable' && select.expression.name === root;
}

/** Runs a query as far as one page. */
export function queryPage(request: PageRequest): Page {
  const { ids, key } = request.prepared.access(request.parameters);
  const scope: ItemScope = { ...request.scope, ...(ids ? { ids } : {}), key: request.scope.key ?? key };
  const narrowed = { ...request, scope };
  return request.prepared.compiled.streaming ? streamPage(narrowed) : slicePage(narrowed);
}

function runOf({ parameters, now }: PageRequest): Run {
  return { parameters, now, aggregates: [] };
}

/** Each document speaks for itself: the page begins after the last one seen, and stops when it is full. */
function streamPage(request: PageRequest): Page {
  const { container, prepared: query, maximum } = request;
  const position = readContinuation(request.continuation);
  const run = runOf(request);
  const texts: string[] = [];
  let examined = 0;
  let skip = position.skip;
  for (const item of container.items(request.scope, position.start)) {
    examined++;
    const results = query.compiled.resultsOf(item.document, run);
    const fresh = item.sequence === position.start ? skip : 0;
    for (let at = fresh; at < results.length; at++) {
      if (texts.length === maximum) {
        return { texts, continuation: JSON.stringify({ start: item.sequence, skip: at }), examined };
      }
      texts.push(query.wholeDocuments ? item.text : JSON.stringify(results[at]));
    }
    skip = 0;
  }
  return { texts, continuation: undefined, examined };
}

/** Results that were cut into pages; kept while nothing is written, so that each page does not run the query again. */
const sliced = new WeakMap<
  Container,
  { revision: number; results: Map<string, Omit<Page, 'continuation'>> }
>();

function slicePage(request: PageRequest): Page {
  const { start } = readContinuation(request.continuation);
  const { texts, examined } = start > 0 ? keptResults(request) : allResults(request);
  const end = start + request.maximum;
  if (end >= texts.length) return { texts: texts.slice(start), continuation: undefined, examined };
  if (start === 0) keep(request, { texts, examined });
  return { texts: texts.slice(start, end), continuation: JSON.stringify({ start: end, skip: 0 }), examined };
}

function allResults(request: PageRequest): Omit<Page, 'continuation'> {
  const { prepared: query, container } = request;
  const items: StoredItem[] = [...container.items(request.scope)];
  const results = query.compiled.executeOver(documentsOf(items), runOf(request));
  return { texts: results.map((result) => JSON.stringify(result)), examined: items.length };
}

function* documentsOf(items: readonly StoredItem[]): Generator<JsonObject> {
  for (const item of items) yield item.document;
}

function keyOf({ prepared: query, parameters, scope }: PageRequest): string {
  return JSON.stringify([query.text, [...parameters], scope.key, scope.physical?.id, scope.range]);
}

function keptResults(request: PageRequest): Omit<Page, 'continuation'> {
  const kept = sliced.get(request.container);
  const found = kept?.revision === request.container.revision ? kept.results.get(keyOf(request)) : undefined;
  return found ?? allResults(request);
}

function keep(request: PageRequest, page: Omit<Page, 'continuation'>): void {
  const { revision } = request.container;
  let kept = sliced.get(request.container);
  if (kept === undefined || kept.revision !== revision || kept.results.size >= 8) {
    sliced.set(request.container, (kept = { revision, results: new Map() }));
  }
  kept.results.set(keyOf(request), page);
}

function readContinuation(text: string | undefined): { start: number; skip: number } {
  if (text === undefined || text === '') return { start: 0, skip: 0 };
  try {
    const token: { start?: unknown; skip?: unknown } = JSON.parse(text);
    const { start, skip } = token;
    if (Number.isSafeInteger(start) && Number.isSafeInteger(skip))
      return { start: Number(start), skip: Number(skip) };
  } catch {
    // Falls to the refusal below, as any other text that is not a token.
  }
  throw badRequest('Invalid Continuation Token');
}
