import type { Predicate, QueryPlan } from '@polyphase/core';

const LONGEST = 200;

/**
 * What queries have in common that differ in their values alone: conditions by field and operator, the order, whether they stay in one
 * partition, and whether they go on from a cursor. It names fields, and never a value.
 */
export function shapeOf({ where, orderBy, direction, partition, after }: QueryPlan): string {
  const parts = [
    `query ${textOf(where)}`,
    ...(orderBy.length > 0 ? [`by ${orderBy.join(', ')} ${direction}`] : []),
    ...(partition ? [] : ['across partitions']),
    ...(after ? ['next page'] : []),
  ];
  const text = parts.join(' · ');
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text;
}

function textOf(where: Predicate): string {
  switch (where.kind) {
    case 'all':
    case 'any':
      if (where.of.length === 0) return where.kind === 'all' ? 'all' : 'none';
      return where.of.map(nested).join(where.kind === 'all' ? ' and ' : ' or ');
    case 'not':
      return `not (${textOf(where.of)})`;
    case 'in':
    case 'exists':
      return `${where.path.join('.')} ${where.kind}`;
    case 'compare':
    case 'text':
      return `${where.path.join('.')} ${where.operator}`;
  }
}

function nested(part: Predicate): string {
  return part.kind === 'all' || part.kind === 'any' ? `(${textOf(part)})` : textOf(part);
}
