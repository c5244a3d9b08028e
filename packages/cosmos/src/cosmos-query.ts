import type { SqlQuerySpec } from '@azure/cosmos';
import {
  type CallOptions,
  ConnectionError,
  compareRecords,
  type Entity,
  type PlanPosition,
  type QueryPlan,
  type StoredRecord,
  UnsupportedError,
} from '@polyphase/core';
import type { CosmosContainer, QueryPage } from './cosmos-container.ts';
import { toRecord } from './cosmos-document.ts';
import {
  type SortPoint,
  SqlParameters,
  sortPaths,
  sqlAfter,
  sqlLive,
  sqlOther,
  sqlPath,
  sqlPredicate,
} from './cosmos-sql.ts';
import type { RecordPlace } from './cosmos-write.ts';
import type { EntityMapping } from './discriminator.ts';
import { type Path, partitionPaths } from './partition-key.ts';

/** Rows that are asked of each physical partition at first, where there are several. */
const MIN_PAGE = 50;

/** Records with an object or array in a field that is sorted by, which are sorted here for lack of an index, at most. */
const MAX_SORTED_HERE = 10_000;

/**
 * Which records of a plan a statement asks for, by what is in the fields that are sorted by: all, only scalars, or at least one object
 * or array. Those have no order of their own in any index.
 */
type Part = 'all' | 'scalars' | 'others';

/** A query as SQL with parameters, in the order of the plan; without an order where no index gives it. */
function compileQuery(mapping: EntityMapping, plan: QueryPlan, part: Part = 'all'): SqlQuerySpec {
  const { entity } = mapping;
  const parameters = new SqlParameters();
  const paths = sortPaths(entity, plan);
  const { after, direction, orderBy } = plan;
  const conditions = [sqlLive(mapping, parameters), sqlPredicate(plan.where, { mapping, parameters })];
  const others = `(${orderBy.map((field) => sqlOther([field])).join(' OR ')})`;
  if (part !== 'all') conditions.push(part === 'others' ? others : `(NOT ${others})`);
  if (after)
    conditions.push(
      sqlAfter(
        paths.map((path) => ({ path, at: pointAt(entity, plan, { path, after }) })),
        { parameters, direction },
      ),
    );
  const order = orderOf(entity, plan, part).map(
    (path) => `${sqlPath(path)} ${direction === 'asc' ? 'ASC' : 'DESC'}`,
  );
  return {
    query: `SELECT * FROM c WHERE ${conditions.join(' AND ')}${order.length > 0 ? ` ORDER BY ${order.join(', ')}` : ''}`,
    parameters: parameters.list(),
  };
}

// Objects and arrays are all equal: where one field is sorted by, the key orders them; where several are, no index does.
function orderOf(entity: Entity, plan: QueryPlan, part: Part): readonly Path[] {
  if (part !== 'others') return sortPaths(entity, plan);
  return plan.orderBy.length === 1 ? sortPaths(entity, { orderBy: [], partition: plan.partition }) : [];
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

/** Live records that match, in the plan's order. */
export async function queryRecords(
  place: RecordPlace,
  plan: QueryPlan,
  options: CallOptions,
): Promise<readonly StoredRecord[]> {
  // Only a loose entity may hold an object where its schema has a scalar to sort by.
  if (!place.entity.loose || plan.orderBy.length === 0)
    return queryPart(place, { plan, part: 'all' }, options);
  if (plan.orderBy.length > 1) return queryMixed(place, plan, options);
  const parts: readonly Part[] = plan.direction === 'asc' ? ['scalars', 'others'] : ['others', 'scalars'];
  const found: StoredRecord[] = [];
  for (const part of parts) {
    const limit = plan.limit - found.length;
    if (limit > 0) found.push(...(await queryPart(place, { plan: { ...plan, limit }, part }, options)));
  }
  return found;
}

async function queryMixed(
  place: RecordPlace,
  plan: QueryPlan,
  options: CallOptions,
): Promise<readonly StoredRecord[]> {
  const limit = MAX_SORTED_HERE + 1;
  const others = await queryPart(place, { plan: { ...plan, limit }, part: 'others' }, options);
  if (others.length === limit)
    throw new UnsupportedError({
      message: `More than ${MAX_SORTED_HERE} records have an object or array in a field that is sorted by; mend them, or sort by another index`,
      operation: 'query',
      entity: place.entity.name,
    });
  const scalars = await queryPart(place, { plan, part: 'scalars' }, options);
  return [...scalars, ...others].toSorted((a, b) => compareRecords(plan, a, b)).slice(0, plan.limit);
}

/**
 * One statement's answers. Over several partitions it is sent to each physical one that may hold some, as it stands, and the sorted
 * answers are merged here. When partitions were split meanwhile it is asked again from the start.
 */
async function queryPart(
  place: RecordPlace,
  { plan, part }: { readonly plan: QueryPlan; readonly part: Part },
  options: CallOptions,
): Promise<readonly StoredRecord[]> {
  const { items } = place;
  const spec = compileQuery(place, plan, part);
  const { partition, limit } = plan;
  if (partition) {
    const pages = items.query(spec, { operation: 'query', partition, pageSize: limit, ...options });
    return mergeSorted([pages], { mapping: place, plan });
  }
  const ask = async (): Promise<readonly StoredRecord[]> => {
    const { prefix } = plan;
    const ranges = await (prefix.length > 0 ? items.rangeIdsUnder(prefix, options) : items.rangeIds(options));
    const pageSize = Math.min(limit, Math.max(MIN_PAGE, Math.ceil((limit * 2) / ranges.length)));
    const sources = ranges.map((rangeId) =>
      items.query(spec, { operation: 'query', rangeId, pageSize, ...options }),
    );
    return mergeSorted(sources, { mapping: place, plan });
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
  { mapping, plan }: { readonly mapping: EntityMapping; readonly plan: QueryPlan },
): Promise<readonly StoredRecord[]> {
  const sources: Source[] = pages.map((it) => ({ pages: it, rows: [], done: false }));
  const refill = async (source: Source): Promise<void> => {
    while (source.rows.length === 0 && !source.done) {
      const next = await source.pages.next();
      if (next.done === true) source.done = true;
      else source.rows = next.value.rows.map((row) => toRecord(mapping, row));
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
export async function countRecords(place: RecordPlace, options: CallOptions): Promise<number> {
  const { items } = place;
  const parameters = new SqlParameters();
  const query = `SELECT COUNT(1) AS n FROM c WHERE ${sqlLive(place, parameters)}`;
  const spec = { query, parameters: parameters.list() };
  const ask = async (): Promise<number> => {
    let total = 0;
    for (const rangeId of await items.rangeIds(options)) {
      for await (const { rows } of items.query(spec, { operation: 'count', rangeId, ...options }))
        for (const row of rows) total += Number(row['n'] ?? 0);
    }
    return total;
  };
  return retryAfterSplit(items, ask);
}
