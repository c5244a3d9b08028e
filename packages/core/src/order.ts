import { type JsonValue, valueAt } from './json.ts';
import type { PartitionLevel, RecordKey } from './key.ts';
import type { QueryPlan } from './query-plan.ts';
import type { StoredRecord } from './record.ts';

// Surrogates stand for code points past U+FFFF, but their code units are below U+E000.
const codePointOrder = (unit: number): number =>
  unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800;

/** Orders texts by code point, which is the order of their UTF-8 bytes (`<` in JavaScript orders by UTF-16 unit). */
export function compareText(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length);
  for (let at = 0; at < shorter; at += 1) {
    const difference = codePointOrder(a.charCodeAt(at)) - codePointOrder(b.charCodeAt(at));
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/**
 * Place of a value's type in every order of records: 0 missing, 1 null, 2 false, 3 true, 4 numbers, 5 text, 6 everything else.
 * Inside 4 and 5 values are compared; inside the others all are equal.
 */
export function typeRank(value: JsonValue | undefined): 0 | 1 | 2 | 3 | 4 | 5 | 6 {
  if (value === undefined) return 0;
  if (value === null) return 1;
  if (typeof value === 'boolean') return value ? 3 : 2;
  if (typeof value === 'number') return 4;
  return typeof value === 'string' ? 5 : 6;
}

/** Orders field values: by {@link typeRank}, then numbers by size and texts by {@link compareText}. Objects and arrays are all equal. */
export function compareSortValues(a: JsonValue | undefined, b: JsonValue | undefined): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b);
  return typeRank(a) - typeRank(b);
}

/** Orders partitions level by level, as field values are ordered (not by their text: 9 comes before 10). */
export function comparePartitions(a: readonly PartitionLevel[], b: readonly PartitionLevel[]): number {
  for (const [i, level] of a.entries()) {
    const order = compareSortValues(level, b[i]);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** Orders keys by partition, then by id. */
export function compareKeys(a: RecordKey, b: RecordKey): number {
  return comparePartitions(a.partition, b.partition) || compareText(a.id, b.id);
}

/** Orders records as a plan wants them: by its fields, then by key, all in its direction. Two records are never equal. */
export function compareRecords(
  plan: Pick<QueryPlan, 'orderBy' | 'direction'>,
  a: Pick<StoredRecord, 'key' | 'value'>,
  b: Pick<StoredRecord, 'key' | 'value'>,
): number {
  const sign = plan.direction === 'asc' ? 1 : -1;
  for (const field of plan.orderBy) {
    const order = compareSortValues(valueAt(a.value, [field]), valueAt(b.value, [field]));
    if (order !== 0) return sign * order;
  }
  return sign * compareKeys(a.key, b.key);
}
