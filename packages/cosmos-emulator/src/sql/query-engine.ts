import { isObject, type JsonObject } from '../json.ts';
import type { ContainerProperties } from '../storage/container-properties.ts';
import { type AccessPathFinder, accessPathFinder } from './access-path.ts';
import type { Query } from './ast.ts';
import { checkLimits } from './check.ts';
import { computedProperties } from './computed-property.ts';
import { derivedSource, isByDocument, overDocuments, overNothing, overResults } from './derived-source.ts';
import { compile } from './evaluate.ts';
import { rootName } from './from.ts';
import { applyIndexPolicy } from './index-policy.ts';
import { parseQuery } from './parse.ts';
import { type CompiledQuery, compileQuery } from './run.ts';
import { type Evaluator, startRun } from './scope.ts';

/** A query that was parsed and compiled for a container. */
export interface PreparedQuery {
  readonly text: string;
  /** As it was written; what the indexing policy adds is only in the compiled form. */
  readonly query: Query;
  readonly compiled: CompiledQuery;
  readonly access: AccessPathFinder;
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
  const query = parseQuery(text);
  const entry: PreparedQuery = {
    text,
    query,
    compiled: compileTop(
      applyIndexPolicy(query, indexingPolicyOf(properties)),
      computedProperties(properties.definition.computedProperties),
    ),
    access: accessPathFinder(query, properties.partitionKey.paths),
  };
  cache.set(text, entry);
  return entry;
}

/** The indexing policy of a container. */
export function indexingPolicyOf({ definition }: ContainerProperties): JsonObject {
  return isObject(definition.indexingPolicy) ? definition.indexingPolicy : {};
}

/** Compiles a query that starts from documents, which may have computed properties. Throws status 400. */
export function compileTop(
  query: Query,
  computed: ReadonlyMap<string, Evaluator> = new Map(),
): CompiledQuery {
  checkLimits(query);
  if (query.from.length === 0) return overNothing(compileOver(query, computed));
  const source = derivedSource(query);
  if (source === undefined) return compileOver(query, computed);
  const inner = compileTop(source, computed);
  if (isByDocument(source, inner)) return compileOver(query, computed);
  return overResults(inner, compileOver(overDocuments(query), new Map()));
}

function compileOver(query: Query, computed: ReadonlyMap<string, Evaluator>): CompiledQuery {
  const slots = new Map([[rootName, 0]]);
  return compileQuery(query, { slots, aggregations: undefined, computed, compile, compileQuery });
}

/** Tells whether a document passes a filter such as `FROM c WHERE c.a = 1`, as conditional patches have it. */
export function matchesCondition(document: JsonObject, condition: string, now: number): boolean {
  const compiled = compileTop(parseQuery(`SELECT VALUE 1 ${condition}`));
  return compiled.executeOver([document], startRun({ parameters: new Map(), now })).length > 0;
}
