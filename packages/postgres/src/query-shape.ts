import type { Predicate, QueryPlan, Scalar } from '@polyphase/core';

function kindOf(value: Scalar): string {
  return value === null ? 'null' : typeof value;
}

// None, one or several values of a kind: the SQL differs between these and no further.
function countKinds(values: readonly Scalar[]): readonly (readonly [string, number])[] {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(kindOf(value), Math.min(2, (counts.get(kindOf(value)) ?? 0) + 1));
  return [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function shapeOfCondition(predicate: Predicate): unknown {
  switch (predicate.kind) {
    case 'all':
    case 'any':
      return [predicate.kind, predicate.of.map(shapeOfCondition)];
    case 'not':
      return ['not', shapeOfCondition(predicate.of)];
    case 'compare':
      return ['compare', predicate.path, predicate.operator, kindOf(predicate.value)];
    case 'in':
      return ['in', predicate.path, countKinds(predicate.values)];
    case 'text':
      return ['text', predicate.path, predicate.operator];
    case 'exists':
      return ['exists', predicate.path, predicate.value];
  }
}

/** One text for all plans that have the same SQL: everything of a plan but its values. */
export function shapeOf(plan: QueryPlan, missingAfter: readonly boolean[] | undefined): string {
  const { where, orderBy, direction, partition } = plan;
  return JSON.stringify([
    shapeOfCondition(where),
    orderBy,
    direction,
    partition !== undefined,
    missingAfter ?? null,
  ]);
}
