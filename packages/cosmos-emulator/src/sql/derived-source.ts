import type { Json } from '../json.ts';
import { weigh } from './allowance.ts';
import type { FromItem, Query } from './ast.ts';
import type { CompiledQuery, OrderedSource } from './run.ts';
import type { Run } from './scope.ts';

/** The query that another selects from instead of from the container; undefined where there is none. */
export function derivedSource({ from }: Query): Query | undefined {
  const [first] = from;
  return first?.source.kind === 'query' && !first.iterate ? first.source.query : undefined;
}

/** Tells whether a query gives its results document by document, without regard to the others. */
export function isByDocument({ top, limit }: Query, { paging }: CompiledQuery): boolean {
  return paging === 'stream' && top === undefined && limit === undefined;
}

/** The query as if the results that it selects from were documents. */
export function overDocuments(query: Query): Query {
  const [{ alias = 'root' } = { alias: undefined }, ...joins] = query.from;
  const source: FromItem['source'] = { kind: 'variable', name: alias, span: query.span };
  return { ...query, from: [{ alias, source, iterate: false }, ...joins] };
}

/** Runs a query without FROM: it looks at no document, and gives its one row whatever the container holds. */
export function overNothing(compiled: CompiledQuery): CompiledQuery {
  return { ...compiled, executeOver: (_, run) => compiled.executeOver([{}], run), paging: 'whole' };
}

/** Runs a query over all the results of another, such as its groups, which no single document gives. */
export function overResults(inner: CompiledQuery, outer: CompiledQuery): CompiledQuery {
  return {
    ...outer,
    execute: (row, run) => outer.executeOver(inner.execute(row, run), run),
    executeOver: (documents, run) => outer.executeOver(resultsOf(inner, documents, run), run),
    resultsOf: (document, run) => outer.executeOver(resultsOf(inner, [document], run), run),
    sorted: (sources, options) => {
      const results = resultsOf(inner, documentsOf(sources), options.run);
      return outer.sorted(
        results.map((document, sequence) => ({ document, sequence })),
        options,
      );
    },
    paging: outer.paging === 'ordered' ? 'ordered' : 'whole',
  };
}

/** What is built here can go into what is built next, and so on: it must not grow with every level. */
function resultsOf(inner: CompiledQuery, documents: Iterable<Json>, run: Run): Json[] {
  const results = inner.executeOver(documents, run);
  for (const result of results) weigh(result, run.spend);
  return results;
}

function* documentsOf(sources: Iterable<OrderedSource>): Generator<Json> {
  for (const { document } of sources) yield document;
}
