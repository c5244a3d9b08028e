import type { Entity } from '../entity.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { keyText, type RecordKey } from '../key.ts';
import type { LiveRecord } from '../live-record.ts';
import { runQuery } from '../memory/memory-query.ts';
import { planQuery, positionOf } from '../query-plan.ts';
import type { StoredRecord } from '../record.ts';
import type { RecordStore } from '../record-store.ts';
import { equal, ok } from './assert.ts';
import { put, write } from './intents.ts';

/** A query of an entity that is not known to the type checker. */
export interface AnyQuery {
  readonly where?: JsonObject;
  readonly orderBy?: readonly (readonly [string, 'asc' | 'desc'])[];
  readonly limit?: number;
}

/** A value of every scalar type, and missing. */
export const MIXED: readonly (JsonValue | undefined)[] = [
  undefined,
  null,
  false,
  true,
  -1,
  0,
  1.5,
  9,
  10,
  '',
  '10',
  '9',
  'B',
  'a',
  'a%b',
  'ab',
  'a_b',
  'a\\b',
  '\u00e9',
  '\uffff',
  '🦜',
];
/** Values that have no order among themselves. */
export const CONTAINERS: readonly JsonValue[] = [[], {}, [1], { a: 1 }];

/** Movies of each rating, twice and in two partitions, so that there are ties to break. */
export function movies(values: readonly (JsonValue | undefined)[]): readonly JsonObject[] {
  return values.flatMap((rating, i) =>
    ['x', 'y'].flatMap((genre) =>
      ['2', '1'].map((copy) => ({
        id: `${i}-${copy}`,
        genre,
        title: `title ${i % 3}`,
        ...(rating === undefined ? {} : { rating, deep: { er: { est: rating } } }),
      })),
    ),
  );
}

/** Stores values, and answers with the records that they became. */
export async function seed(
  records: RecordStore,
  entity: Entity,
  values: readonly JsonObject[],
): Promise<StoredRecord[]> {
  const stored: StoredRecord[] = [];
  for (const value of values) stored.push((await write(records, put('create', entity, value))).record);
  return stored;
}

/** The keys of records as text. */
export const texts = (records: readonly { readonly key: RecordKey }[]): string[] =>
  records.map(({ key }) => keyText(key));

/** Fails unless a store answers a query with the keys that the reference finds, in its order. */
export async function agrees(
  records: RecordStore,
  stored: readonly StoredRecord[],
  entity: Entity,
  query: AnyQuery,
): Promise<void> {
  const { plan } = planQuery(entity, { limit: 1_000, ...query });
  const found = await records.query(plan);
  equal(texts(found), texts(runQuery(stored, plan)), JSON.stringify(query));
}

/** Reads a query page by page, as a repository does, and checks every page's size. */
export async function pages(records: RecordStore, entity: Entity, query: AnyQuery): Promise<LiveRecord[]> {
  const all: LiveRecord[] = [];
  let cursor: string | undefined;
  for (let guard = 0; guard < 500; guard += 1) {
    const next = planQuery(entity, { ...query, cursor });
    const found = await records.query(next.plan);
    const most = next.pageSize + 1;
    ok(found.length <= most, `a page holds ${found.length}, wanted ${most} at most`);
    const page = found.slice(0, next.pageSize);
    all.push(...page);
    const last = page.at(-1);
    if (found.length < most || !last) return all;
    cursor = next.cursorAfter(positionOf(next.plan, last));
  }
  throw new RangeError('the pages never end');
}
