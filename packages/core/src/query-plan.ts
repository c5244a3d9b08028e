import { digestOf } from './digest.ts';
import { type Entity, splitPath } from './entity.ts';
import { InvalidOptionsError, UnsupportedError } from './errors.ts';
import { canonicalJson, isJsonObject, type JsonValue, portabilityIssues, valueAt } from './json.ts';
import type { PartitionLevel, RecordKey } from './key.ts';
import { isScalar, type Scalar } from './query.ts';
import { decodeCursor, encodeCursor } from './query-cursor.ts';
import type { StoredRecord } from './record.ts';

/** A comparison operator of {@link Predicate}. */
export type Comparison = 'eq' | 'ne' | 'lt' | 'lte' | 'gt' | 'gte';

/** A condition in its plain form. It is true or false for every record, never unknown: `not` is a true complement. */
export type Predicate =
  | { readonly kind: 'all' | 'any'; readonly of: readonly Predicate[] }
  | { readonly kind: 'not'; readonly of: Predicate }
  | {
      readonly kind: 'compare';
      readonly path: readonly string[];
      readonly operator: Comparison;
      readonly value: Scalar;
    }
  | { readonly kind: 'in'; readonly path: readonly string[]; readonly values: readonly Scalar[] }
  | {
      readonly kind: 'text';
      readonly path: readonly string[];
      readonly operator: 'startsWith' | 'contains';
      readonly value: string;
    }
  | { readonly kind: 'exists'; readonly path: readonly string[]; readonly value: boolean };

/** The last record of the page before: its sort values (undefined: missing, unless `others` says otherwise) and its key. */
export interface PlanPosition {
  readonly values: readonly (Scalar | undefined)[];
  /** Places in `values` whose field holds an object or an array, which sorts after everything; `values` has undefined there. @default none */
  readonly others?: readonly number[] | undefined;
  readonly key: RecordKey;
}

/** A query that was checked, in the form that stores compile. */
export interface QueryPlan {
  readonly where: Predicate;
  /** Top-level fields to sort by, before partition and id; all in `direction`. */
  readonly orderBy: readonly string[];
  readonly direction: 'asc' | 'desc';
  readonly limit: number;
  /** Only records after this one in the order. */
  readonly after: PlanPosition | undefined;
  /** The one partition that the query is confined to, when its conditions say so. */
  readonly partition: readonly PartitionLevel[] | undefined;
  /** The first levels of the partition key that the conditions fix; none, or as many as there are, where `partition` has them too. */
  readonly prefix: readonly PartitionLevel[];
}

const MAX_PATH = 4;
const MAX_CONDITIONS = 100;
const OPERATORS = new Set(['eq', 'ne', 'in', 'lt', 'lte', 'gt', 'gte', 'startsWith', 'contains', 'exists']);

class Reader {
  readonly problems: string[] = [];
  #conditions = 0;

  where(where: unknown, depth = 0): Predicate {
    if (!isPlain(where) || depth > 10)
      return this.#refuse('where must be an object of conditions, nested at most 10 deep');
    const of: Predicate[] = [];
    for (const [name, condition] of Object.entries(where)) {
      if (condition === undefined) continue;
      if (name === 'and' || name === 'or') {
        if (!Array.isArray(condition)) of.push(this.#refuse(`${name} must be a list of conditions`));
        else
          of.push({
            kind: name === 'and' ? 'all' : 'any',
            of: condition.map((it) => this.where(it, depth + 1)),
          });
      } else if (name === 'not') of.push({ kind: 'not', of: this.where(condition, depth + 1) });
      else of.push(...this.#field(name, condition));
    }
    const [only] = of;
    return of.length === 1 && only ? only : { kind: 'all', of };
  }

  #field(name: string, condition: unknown): readonly Predicate[] {
    const path = splitPath(name);
    if (path.length > MAX_PATH || path.includes(''))
      return [this.#refuse(`path "${name}" must be one to ${MAX_PATH} names deep`)];
    if (portabilityIssues(name).length > 0 || portabilityIssues(textsOf(condition)).length > 0)
      return [
        this.#refuse(`condition on "${name}" must not hold NUL or a lone surrogate, which no store keeps`),
      ];
    if (isScalar(condition))
      return [this.#count({ kind: 'compare', path, operator: 'eq', value: condition })];
    if (!isPlain(condition) || Object.keys(condition).length === 0)
      return [this.#refuse(`condition on "${name}" must be a value or an object of operators`)];
    return Object.entries(condition)
      .filter(([, value]) => value !== undefined)
      .map(([operator, value]) => this.#count(this.#operator(name, path, operator, value)));
  }

  #operator(name: string, path: readonly string[], operator: string, value: unknown): Predicate {
    const wrong = (what: string) => this.#refuse(`${operator} on "${name}" wants ${what}`);
    switch (operator) {
      case 'eq':
      case 'ne':
        return isScalar(value)
          ? { kind: 'compare', path, operator, value }
          : wrong('text, a finite number, a boolean or null');
      case 'lt':
      case 'lte':
      case 'gt':
      case 'gte':
        if (typeof value !== 'string' && !(typeof value === 'number' && isScalar(value)))
          return wrong('text or a finite number');
        return { kind: 'compare', path, operator, value };
      case 'in':
        return Array.isArray(value) && value.length <= 100 && value.every(isScalar)
          ? { kind: 'in', path, values: value }
          : wrong('a list of at most 100 values');
      case 'startsWith':
      case 'contains':
        return typeof value === 'string' ? { kind: 'text', path, operator, value } : wrong('text');
      case 'exists':
        return typeof value === 'boolean' ? { kind: 'exists', path, value } : wrong('true or false');
      default:
        return this.#refuse(
          `"${operator}" on "${name}" is no operator; there are ${[...OPERATORS].join(', ')}`,
        );
    }
  }

  #count(predicate: Predicate): Predicate {
    this.#conditions += 1;
    if (this.#conditions === MAX_CONDITIONS + 1)
      this.problems.push(`a query may have ${MAX_CONDITIONS} conditions at most`);
    return predicate;
  }

  #refuse(problem: string): Predicate {
    this.problems.push(problem);
    return { kind: 'all', of: [] };
  }
}

function textsOf(condition: unknown): readonly unknown[] {
  const values = isPlain(condition) ? Object.values(condition).flat() : [condition];
  return values.filter((value) => typeof value === 'string');
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

// A conjunction that pins levels of the partition key to one value each confines the query to what lies under them.
function pinnedLevels(where: Predicate, entity: Entity): readonly PartitionLevel[] {
  const pinned = new Map<string, Scalar>();
  const visit = (predicate: Predicate): void => {
    if (predicate.kind === 'all') predicate.of.forEach(visit);
    else if (predicate.kind === 'compare' && predicate.operator === 'eq')
      pinned.set(predicate.path.join('.'), predicate.value);
    else if (predicate.kind === 'in' && predicate.values.length === 1 && predicate.values[0] !== undefined)
      pinned.set(predicate.path.join('.'), predicate.values[0]);
  };
  visit(where);
  const levels = entity.key.partition.map((path) => pinned.get(path));
  const open = levels.indexOf(undefined);
  return open < 0 ? levels : levels.slice(0, open);
}

function readOrder(
  orderBy: unknown,
  entity: Entity,
): { readonly orderBy: readonly string[]; readonly direction: 'asc' | 'desc' } {
  const terms: readonly unknown[] = Array.isArray(orderBy) ? orderBy : orderBy === undefined ? [] : [orderBy];
  const fields: string[] = [];
  const directions = new Set<string>();
  for (const term of terms) {
    const [field, direction]: readonly unknown[] = Array.isArray(term) ? term : [];
    if (typeof field !== 'string' || (direction !== 'asc' && direction !== 'desc'))
      throw new InvalidOptionsError({
        message: 'orderBy wants pairs of a field and "asc" or "desc"',
        entity: entity.name,
      });
    fields.push(field);
    directions.add(direction);
  }
  if (directions.size > 1)
    throw new UnsupportedError({
      message: 'orderBy mixes "asc" and "desc"; stores share no index for that. Use one direction',
      entity: entity.name,
    });
  const declared =
    fields.length === 0 ||
    entity.indexes.some(
      (index) => index.fields.length === fields.length && index.fields.every((it, i) => it === fields[i]),
    );
  if (!declared)
    throw new UnsupportedError({
      message: `orderBy names [${fields.join(', ')}], which is no declared index; add indexes: [{ fields: [${fields.map((it) => `"${it}"`).join(', ')}] }] to the entity`,
      entity: entity.name,
    });
  const json = entity.fields.filter((field) => fields.includes(field.name) && field.type === 'json');
  if (json.length > 0)
    throw new UnsupportedError({
      message: `orderBy needs fields of one scalar type; "${json[0]?.name}" is not`,
      entity: entity.name,
    });
  return { orderBy: fields, direction: directions.has('desc') ? 'desc' : 'asc' };
}

/** A plan together with the way to name its records in a cursor. */
export interface PlannedQuery {
  readonly plan: QueryPlan;
  /** Records in a page; the plan asks for one more, to know whether there is another page. */
  readonly pageSize: number;
  /** The cursor after a record with these sort values. */
  cursorAfter(position: PlanPosition): string;
}

/**
 * Checks a query and brings it into the form that stores compile.
 *
 * @throws {@link InvalidOptionsError} with every problem, or for a cursor of another query
 * @throws {@link UnsupportedError} for an order that no declared index gives
 */
export function planQuery(
  entity: Entity,
  query: {
    readonly where?: unknown;
    readonly orderBy?: unknown;
    readonly limit?: unknown;
    readonly cursor?: unknown;
  },
): PlannedQuery {
  const reader = new Reader();
  const where = reader.where(query.where ?? {});
  const limit = query.limit ?? 100;
  if (typeof limit !== 'number' || !Number.isInteger(limit) || limit < 1 || limit > 1_000)
    reader.problems.push('limit must be a whole number from 1 to 1000');
  if (query.cursor !== undefined && typeof query.cursor !== 'string')
    reader.problems.push('cursor must be text');
  if (reader.problems.length > 0)
    throw new InvalidOptionsError({
      message: `A query of ${entity.name} cannot be used`,
      problems: reader.problems,
      entity: entity.name,
    });
  const order = readOrder(query.orderBy, entity);
  const shape = digestOf(
    canonicalJson([entity.name, JSON.stringify(where), [...order.orderBy], order.direction]),
  ).slice(0, 8);
  const pageSize = Number(limit);
  const after = typeof query.cursor === 'string' ? decodeCursor(query.cursor, shape, entity) : undefined;
  const prefix = pinnedLevels(where, entity);
  const partition = prefix.length === entity.key.partition.length ? prefix : undefined;
  return {
    plan: { where, ...order, limit: pageSize + 1, after, partition, prefix },
    pageSize,
    cursorAfter: (position) => encodeCursor(shape, position),
  };
}

/** The sort value of a field: scalars as they are; objects and arrays have none of their own and sort last, by key alone. */
export function sortValue(value: JsonValue | undefined): Scalar | undefined {
  return isScalar(value) ? value : undefined;
}

/** The place of a record in the order of a plan: what the next page begins after. */
export function positionOf(plan: QueryPlan, record: Pick<StoredRecord, 'key' | 'value'>): PlanPosition {
  const fields = plan.orderBy.map((field) => valueAt(record.value, [field]));
  return {
    values: fields.map(sortValue),
    others: fields.flatMap((field, i) => (isJsonObject(field) || Array.isArray(field) ? [i] : [])),
    key: record.key,
  };
}
