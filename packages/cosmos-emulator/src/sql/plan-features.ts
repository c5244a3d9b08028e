import { badRequest } from '../service-error.ts';
import type { QueryInfo, QueryPlan } from './plan.ts';
import type { AggregateKind } from './rewrite.ts';

/** What a client may be able to merge, in the order in which a refusal names them. */
const needs: ReadonlyArray<readonly [string, (info: QueryInfo) => boolean]> = [
  ['Aggregate', (info) => aggregateKinds(info).length === 1 && info.hasSelectValue],
  ['Distinct', (info) => info.distinctType !== 'None'],
  ['GroupBy', (info) => info.groupByExpressions.length > 0],
  ['MultipleAggregates', (info) => aggregateKinds(info).length > 1],
  ['MultipleOrderBy', (info) => info.orderBy.length > 1],
  ['OffsetAndLimit', (info) => info.limit !== null],
  ['OrderBy', (info) => info.orderBy.length === 1],
  ['Top', (info) => info.top !== null],
  [
    'NonValueAggregate',
    (info) => aggregateKinds(info).length > 1 || (aggregateKinds(info).length === 1 && !info.hasSelectValue),
  ],
  ['ListAndSetAggregate', (info) => aggregateKinds(info).some((kind) => kind.startsWith('Make'))],
  ['CountIf', (info) => aggregateKinds(info).includes('CountIf')],
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

function aggregateKinds({ aggregates, groupByAliasToAggregateType }: QueryInfo): AggregateKind[] {
  const typed = Object.values(groupByAliasToAggregateType).filter((kind) => kind !== null);
  return [...aggregates, ...typed];
}
