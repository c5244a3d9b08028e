import { badRequest } from '../service-error.ts';
import type { QueryInfo, QueryPlan } from './plan.ts';

/** What a client may be able to merge, in the order in which a refusal names them. */
const needs: ReadonlyArray<readonly [string, (info: QueryInfo) => boolean]> = [
  ['Aggregate', (info) => aggregateCount(info) === 1 && info.hasSelectValue],
  ['Distinct', (info) => info.distinctType !== 'None'],
  ['GroupBy', (info) => info.groupByExpressions.length > 0],
  ['MultipleAggregates', (info) => aggregateCount(info) > 1],
  ['MultipleOrderBy', (info) => info.orderBy.length > 1],
  ['OffsetAndLimit', (info) => info.limit !== null],
  ['OrderBy', (info) => info.orderBy.length === 1],
  ['Top', (info) => info.top !== null],
  [
    'NonValueAggregate',
    (info) => aggregateCount(info) > 1 || (aggregateCount(info) === 1 && !info.hasSelectValue),
  ],
];

/** Refuses a plan that needs what the client did not list among its features; no list at all claims everything. */
export function requireFeatures({ queryInfo }: QueryPlan, supported: string | undefined): void {
  if (supported === undefined) return;
  const known = new Set(supported.split(',').map((name) => name.trim()));
  const missing = needs.filter(([name, isNeeded]) => isNeeded(queryInfo) && !known.has(name));
  if (missing.length === 0) return;
  const lines = missing.map(
    ([name]) => `Query contained ${name}, which the calling client does not support.`,
  );
  throw badRequest(
    [
      'Query contains 1 or more unsupported features. Upgrade your SDK to a version that does support the requested features:',
      ...lines,
    ].join('\r\n'),
  );
}

function aggregateCount({ aggregates, groupByAliasToAggregateType }: QueryInfo): number {
  const typed = Object.values(groupByAliasToAggregateType).filter((type) => type !== null);
  return aggregates.length + typed.length;
}
