import { type Entity, keyEquals, type Predicate, type QueryPlan, type Scalar } from '@polyphase/core';

/**
 * A plan without the conditions that its one partition implies. PostgreSQL takes conditions for independent: with both
 * `hyb_pk = …` and `"tenantId" = …` it expects next to no rows, and chooses to sort them all.
 */
export function withoutImplied(entity: Entity, plan: QueryPlan): QueryPlan {
  const { partition } = plan;
  if (!partition) return plan;
  const implied = (path: readonly string[], value: Scalar | undefined): boolean => {
    const level = entity.key.partition.indexOf(path.join('.'));
    const at = partition[level];
    return level >= 0 && keyEquals({ partition: [at], id: '' }, { partition: [value], id: '' });
  };
  return { ...plan, where: pruned(plan.where, implied) };
}

function pruned(
  predicate: Predicate,
  implied: (path: readonly string[], value: Scalar | undefined) => boolean,
): Predicate {
  switch (predicate.kind) {
    case 'all':
      return { kind: 'all', of: predicate.of.map((it) => pruned(it, implied)) };
    case 'compare':
      return predicate.operator === 'eq' && implied(predicate.path, predicate.value) ? ALWAYS : predicate;
    case 'in':
      return predicate.values.length === 1 && implied(predicate.path, predicate.values[0])
        ? ALWAYS
        : predicate;
    case 'any':
    case 'not':
    case 'text':
    case 'exists':
      return predicate;
  }
}

const ALWAYS: Predicate = { kind: 'all', of: [] };
