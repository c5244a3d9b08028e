import { type JsonValue, valueAt } from '../json.ts';
import { compareKeys, compareRecords, compareSortValues, compareText } from '../order.ts';
import type { Scalar } from '../query.ts';
import type { Comparison, PlanPosition, Predicate, QueryPlan } from '../query-plan.ts';
import type { StoredRecord } from '../record.ts';

function compare(operator: Comparison, at: JsonValue | undefined, value: Scalar): boolean {
  if (operator === 'eq') return at === value;
  if (operator === 'ne') return at !== undefined && at !== value;
  const order =
    typeof at === 'string' && typeof value === 'string'
      ? compareText(at, value)
      : typeof at === 'number' && typeof value === 'number'
        ? at - value
        : undefined;
  // Another type is neither smaller nor larger.
  if (order === undefined) return false;
  switch (operator) {
    case 'lt':
      return order < 0;
    case 'lte':
      return order <= 0;
    case 'gt':
      return order > 0;
    case 'gte':
      return order >= 0;
  }
}

/** Tells whether a value matches: true or false, never unknown. What every store's compiled query must agree with. */
export function matches(predicate: Predicate, value: JsonValue): boolean {
  switch (predicate.kind) {
    case 'all':
      return predicate.of.every((it) => matches(it, value));
    case 'any':
      return predicate.of.some((it) => matches(it, value));
    case 'not':
      return !matches(predicate.of, value);
    case 'compare':
      return compare(predicate.operator, valueAt(value, predicate.path), predicate.value);
    case 'in':
      return predicate.values.some((it) => valueAt(value, predicate.path) === it);
    case 'text': {
      const at = valueAt(value, predicate.path);
      if (typeof at !== 'string') return false;
      return predicate.operator === 'startsWith'
        ? at.startsWith(predicate.value)
        : at.includes(predicate.value);
    }
    case 'exists':
      return (valueAt(value, predicate.path) !== undefined) === predicate.value;
  }
}

/** The part of a record that a query looks at. */
type Queried = Pick<StoredRecord, 'key' | 'value'>;

function isAfter(plan: QueryPlan, position: PlanPosition, record: Queried): boolean {
  const sign = plan.direction === 'asc' ? 1 : -1;
  for (const [i, field] of plan.orderBy.entries()) {
    const before: JsonValue | undefined = position.others?.includes(i) === true ? [] : position.values[i];
    const order = compareSortValues(valueAt(record.value, [field]), before);
    if (order !== 0) return sign * order > 0;
  }
  return sign * compareKeys(record.key, position.key) > 0;
}

/** The live records that a plan wants, in its order, at most its limit. The partition is implied by the conditions. */
export function runQuery<Found extends Pick<StoredRecord, 'key' | 'value'>>(
  records: Iterable<Found>,
  plan: QueryPlan,
): readonly Found[] {
  const wanted: Found[] = [];
  for (const record of records) {
    if (record.value === undefined || !matches(plan.where, record.value)) continue;
    if (!plan.after || isAfter(plan, plan.after, record)) wanted.push(record);
  }
  return wanted.toSorted((a, b) => compareRecords(plan, a, b)).slice(0, plan.limit);
}
