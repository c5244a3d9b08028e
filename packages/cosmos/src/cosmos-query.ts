import type { SqlQuerySpec } from '@azure/cosmos';
import {
  type CallOptions,
  ConnectionError,
  compareRecords,
  type Entity,
  type PlanPosition,
  type QueryPlan,
  type StoredRecord,
} from '@polyphase/core';
import type { CosmosContainer, QueryPage } from './cosmos-container.ts';
import { toRecord } from './cosmos-document.ts';
import {
  LIVE,
  type SortPoint,
  SqlParameters,
  sortPaths,
  sqlAfter,
  sqlPath,
  sqlPredicate,
} from './cosmos-sql.ts';
import type { RecordPlace } from './cosmos-write.ts';
import { type Path, partitionPaths } from './partition-key.ts';

/** Rows that are asked of each physical partition at first, where there are several. */
const MIN_PAGE = 50;

/** A query as SQL with parameters. */
export function compileQuery(entity: Entity, plan: QueryPlan): SqlQuerySpec {
  const parameters = new SqlParameters();
  const paths = sortPaths(entity, plan);
  const conditions = [LIVE, sqlPredicate(plan.where, parameters)];
  const { after, direction } = plan;
  if (after)
    conditions.push(
      sqlAfter(
        paths.map((path) => ({ path, at: pointAt(entity, plan, { path, after }) })),
        { parameters, direction },
      ),
    );
  const order = paths.map((path) => `${sqlPath(path)} ${direction === 'asc' ? 'ASC' : 'DESC'}`);
  return {
    query: `SELECT * FROM c WHERE ${conditions.join(' AND ')} ORDER BY ${order.join(', ')}`,
    parameters: parameters.list(),
  };
}

function pointAt(
  entity: Entity,
  plan: QueryPlan,
  { path, after }: { readonly path: Path; readonly after: PlanPosition },
): SortPoint {
  const same = (other: Path): boolean => JSON.stringify(other) === JSON.stringify(path);
  const field = plan.orderBy.findIndex((name) => same([name]));
  if (after.others?.includes(field) === true) return { kind: 'other' };
  if (field >= 0) return { kind: 'value', value: after.values[field] };
  const level = partitionPaths(entity).findIndex(same);
  return { kind: 'value', value: level < 0 ? after.key.id : after.key.partition[level] };
}

/**
 * Live records that match, in the plan's order.
 *
 * A query over several partitions is sent to each physical one as it stands, and the sorted answers are merged here. When partitions
 * were split meanwhile it is asked again from the start.
 */
export async function queryRecords(
  { entity, items }: RecordPlace,
  plan: QueryPlan,
  options: CallOptions,
): Promise<readonly StoredRecord[]> {
  const spec = compileQuery(entity, plan);
  const { partition, limit } = plan;
  if (partition) {
    const pages = items.query(spec, { operation: 'query', partition, pageSize: limit, ...options });
    return mergeSorted([pages], { entity, plan });
  }
  const ask = async (): Promise<readonly StoredRecord[]> => {
    const ranges = await items.rangeIds(options);
    const pageSize = Math.min(limit, Math.max(MIN_PAGE, Math.ceil((limit * 2) / ranges.length)));
    const sources = ranges.map((rangeId) =>
      items.query(spec, { operation: 'query', rangeId, pageSize, ...options }),
    );
    return mergeSorted(sources, { entity, plan });
  };
  return retryAfterSplit(items, ask);
}

async function retryAfterSplit<Result>(items: CosmosContainer, ask: () => Promise<Result>): Promise<Result> {
  try {
    return await ask();
  } catch (error) {
    if (!ConnectionError.isInstance(error)) throw error;
    items.forget();
    return ask();
  }
}

interface Source {
  readonly pages: AsyncGenerator<QueryPage, void, undefined>;
  rows: StoredRecord[];
  done: boolean;
}

// Each source is sorted. One that has no row at hand is asked for its next page before the smallest of all is taken.
async function mergeSorted(
  pages: readonly AsyncGenerator<QueryPage, void, undefined>[],
  { entity, plan }: { readonly entity: Entity; readonly plan: QueryPlan },
): Promise<readonly StoredRecord[]> {
  const sources: Source[] = pages.map((it) => ({ pages: it, rows: [], done: false }));
  const refill = async (source: Source): Promise<void> => {
    while (source.rows.length === 0 && !source.done) {
      const next = await source.pages.next();
      if (next.done === true) source.done = true;
      else source.rows = next.value.rows.map((row) => toRecord(entity, row));
    }
  };
  const merged: StoredRecord[] = [];
  while (merged.length < plan.limit) {
    await Promise.all(sources.map(refill));
    const first = sources
      .filter((source) => source.rows.length > 0)
      .toSorted((a, b) => compareHeads(plan, a, b))
      .at(0);
    const row = first?.rows.shift();
    if (!row) break;
    merged.push(row);
  }
  return merged;
}

function compareHeads(plan: QueryPlan, a: Source, b: Source): number {
  const [left] = a.rows;
  const [right] = b.rows;
  return left && right ? compareRecords(plan, left, right) : 0;
}

/** Number of live records. Each physical partition counts its own; a count may come in parts, which add up. */
export async function countRecords({ items }: RecordPlace, options: CallOptions): Promise<number> {
  const ask = async (): Promise<number> => {
    let total = 0;
    for (const rangeId of await items.rangeIds(options)) {
      const spec = { query: `SELECT COUNT(1) AS n FROM c WHERE ${LIVE}` };
      for await (const { rows } of items.query(spec, { operation: 'count', rangeId, ...options }))
        for (const row of rows) total += Number(row['n'] ?? 0);
    }
    return total;
  };
  return retryAfterSplit(items, ask);
}
