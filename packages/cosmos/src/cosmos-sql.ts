import type { SqlQuerySpec } from '@azure/cosmos';
import {
  type Entity,
  type JsonValue,
  type Predicate,
  type QueryPlan,
  RESERVED_ID_PREFIX,
  type Scalar,
  typeRank,
} from '@polyphase/core';
import { STAMP_FIELD, SYSTEM_FIELDS } from './cosmos-document.ts';
import type { EntityMapping } from './discriminator.ts';
import { type Path, partitionPaths } from './partition-key.ts';

/** The text that names a path of a document: always brackets, so that no name needs another rule. */
export function sqlPath(path: Path): string {
  return `c${path.map((name) => `[${JSON.stringify(name)}]`).join('')}`;
}

/** Collects values as parameters; a text of SQL never holds one. */
export class SqlParameters {
  readonly #values: JsonValue[] = [];

  /** The name of a parameter that holds the value. */
  add(value: JsonValue): string {
    return `@p${this.#values.push(value) - 1}`;
  }

  /** The parameters as the driver takes them. */
  list(): NonNullable<SqlQuerySpec['parameters']> {
    return this.#values.map((value, i) => ({ name: `@p${i}`, value: value as Scalar }));
  }
}

/** The condition that a document is a record of the entity, tombstones included: none of the SDK's own, and none of another entity. */
export function sqlRecords({ discriminator }: EntityMapping, parameters: SqlParameters): string {
  const own = [...discriminator.fields].map(
    ([name, value]) => `${sqlPath([name])} = ${parameters.add(value)}`,
  );
  return `(${[`NOT STARTSWITH(${sqlPath(['id'])}, "${RESERVED_ID_PREFIX}")`, ...own].join(' AND ')})`;
}

/** The condition that a document is a live record of the entity. */
export function sqlLive(mapping: EntityMapping, parameters: SqlParameters): string {
  return `(${sqlRecords(mapping, parameters)} AND NOT IS_DEFINED(${sqlPath([STAMP_FIELD, 'x'])}))`;
}

const OPERATORS = { lt: '<', lte: '<=', gt: '>', gte: '>=' } as const;

// Missing fields and other types make a comparison undefined. At the top, and under AND and OR, undefined leaves a record out as
// false does; under NOT it would stay undefined and leave out what the complement must hold. So leaves are closed there.
const closed = (expression: string, negated: boolean): string =>
  negated ? `(${expression} ?? false)` : expression;

/** What a predicate is compiled with. */
interface PredicateContext {
  readonly mapping: EntityMapping;
  readonly parameters: SqlParameters;
}

/** A predicate as SQL. With `negated`, the text is true or false for every document, never undefined. */
export function sqlPredicate(predicate: Predicate, context: PredicateContext, negated = false): string {
  switch (predicate.kind) {
    case 'all':
    case 'any': {
      const parts = predicate.of.map((it) => sqlPredicate(it, context, negated));
      if (parts.length === 0) return predicate.kind === 'all' ? 'true' : 'false';
      return `(${parts.join(predicate.kind === 'all' ? ' AND ' : ' OR ')})`;
    }
    case 'not':
      return `(NOT ${sqlPredicate(predicate.of, context, true)})`;
    case 'exists': {
      if (isHidden(predicate.path)) return String(!predicate.value);
      const defined = `IS_DEFINED(${fieldPath(predicate.path, context)})`;
      return predicate.value ? defined : `(NOT ${defined})`;
    }
    case 'compare':
    case 'in':
    case 'text':
      return isHidden(predicate.path) ? 'false' : sqlLeaf(predicate, context, negated);
  }
}

// What Cosmos DB and the SDK put into documents is no part of a value.
function isHidden([name]: Path): boolean {
  return name === undefined || name === STAMP_FIELD || SYSTEM_FIELDS.has(name);
}

// A field whose name the discriminator took is in the stamp.
function fieldPath(path: Path, { mapping }: PredicateContext): string {
  const [name = ''] = path;
  return sqlPath(mapping.discriminator.hidden.has(name) ? [STAMP_FIELD, 'v', ...path] : path);
}

function sqlLeaf(
  predicate: Extract<Predicate, { readonly kind: 'compare' | 'in' | 'text' }>,
  context: PredicateContext,
  negated: boolean,
): string {
  const { parameters } = context;
  const path = fieldPath(predicate.path, context);
  if (predicate.kind === 'text') {
    const name = predicate.operator === 'startsWith' ? 'STARTSWITH' : 'CONTAINS';
    return closed(`${name}(${path}, ${parameters.add(predicate.value)})`, negated);
  }
  if (predicate.kind === 'in') return closed(sqlIn(path, predicate.values, parameters), negated);
  if (predicate.operator === 'eq') return closed(`(${path} = ${parameters.add(predicate.value)})`, negated);
  if (predicate.operator === 'ne')
    return `(IS_DEFINED(${path}) AND NOT ((${path} = ${parameters.add(predicate.value)}) ?? false))`;
  return closed(`(${path} ${OPERATORS[predicate.operator]} ${parameters.add(predicate.value)})`, negated);
}

// One list for each type: a list of several types would be undefined for each value of another.
function sqlIn(path: string, values: readonly Scalar[], parameters: SqlParameters): string {
  const byType = new Map<string, Scalar[]>();
  for (const value of values) {
    const type = value === null ? 'null' : typeof value;
    byType.set(type, [...(byType.get(type) ?? []), value]);
  }
  const lists = [...byType.values()].map(
    (list) => `(${path} IN (${list.map((value) => parameters.add(value)).join(', ')}))`,
  );
  return lists.length === 0 ? 'false' : `(${lists.join(' OR ')})`;
}

/** The paths that a plan sorts by: its fields, then partition, then id; each once. */
export function sortPaths(entity: Entity, plan: Pick<QueryPlan, 'orderBy' | 'partition'>): readonly Path[] {
  // Inside one partition its levels are all equal; without fields the id alone gives the order, from the plain index.
  const levels = plan.partition && plan.orderBy.length === 0 ? [] : partitionPaths(entity);
  const paths = [...plan.orderBy.map((field) => [field]), ...levels, ['id']];
  const texts = paths.map((path) => JSON.stringify(path));
  return paths.filter((_, i) => texts.indexOf(texts[i] ?? '') === i);
}

// Types in their order, each with the test for it.
const TYPES: readonly ((path: string) => string)[] = [
  (path) => `NOT IS_DEFINED(${path})`,
  (path) => `IS_NULL(${path})`,
  (path) => `(${path} = false)`,
  (path) => `(${path} = true)`,
  (path) => `IS_NUMBER(${path})`,
  (path) => `IS_STRING(${path})`,
  (path) => `(IS_ARRAY(${path}) OR IS_OBJECT(${path}))`,
];

/** The test for an object or array, which has no order of its own. Never undefined. */
export function sqlOther(path: Path): string {
  return `(IS_ARRAY(${sqlPath(path)}) OR IS_OBJECT(${sqlPath(path)}))`;
}

/** What a sort value is: a scalar, missing, or one of the others (objects and arrays), which are all equal. */
export type SortPoint =
  | { readonly kind: 'value'; readonly value: Scalar | undefined }
  | { readonly kind: 'other' };

const rankOf = (point: SortPoint): number => (point.kind === 'other' ? typeRank([]) : typeRank(point.value));

function sameAs(path: string, point: SortPoint, parameters: SqlParameters): string {
  const rank = rankOf(point);
  if ((rank === 4 || rank === 5) && point.kind === 'value')
    return `(${path} = ${parameters.add(point.value ?? null)})`;
  return TYPES[rank]?.(path) ?? 'false';
}

function beyond(
  path: string,
  point: SortPoint,
  context: { readonly parameters: SqlParameters; readonly direction: 'asc' | 'desc' },
): string {
  const rank = rankOf(point);
  const { parameters, direction } = context;
  const types = direction === 'asc' ? TYPES.slice(rank + 1) : TYPES.slice(0, rank);
  const parts = types.map((test) => test(path));
  if ((rank === 4 || rank === 5) && point.kind === 'value')
    parts.unshift(`(${path} ${direction === 'asc' ? '>' : '<'} ${parameters.add(point.value ?? null)})`);
  return parts.length === 0 ? 'false' : `(${parts.join(' OR ')})`;
}

/** The condition that a document lies after a point in the order of these paths. Handles fields of any mixture of types. */
export function sqlAfter(
  sort: readonly { readonly path: Path; readonly at: SortPoint }[],
  context: { readonly parameters: SqlParameters; readonly direction: 'asc' | 'desc' },
): string {
  const alternatives = sort.map(({ path, at }, i) => {
    const same = sort
      .slice(0, i)
      .map((before) => sameAs(sqlPath(before.path), before.at, context.parameters));
    return `(${[...same, beyond(sqlPath(path), at, context)].join(' AND ')})`;
  });
  return `(${alternatives.join(' OR ')})`;
}
