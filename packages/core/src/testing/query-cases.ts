import type { Entity } from '../entity.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { keyText, type RecordKey } from '../key.ts';
import { runQuery } from '../memory/memory-query.ts';
import { planQuery, positionOf } from '../query-plan.ts';
import type { StoredRecord } from '../record.ts';
import type { RecordStore } from '../record-store.ts';
import type { RecordHost } from '../store.ts';
import { equal, ok, present } from './assert.ts';
import { type ContractCase, suite } from './contract.ts';
import { Movie, Setting, Task } from './entities.ts';
import { put, remove, write } from './intents.ts';

type Case = ContractCase<Pick<RecordHost, 'records'>>;

interface AnyQuery {
  readonly where?: JsonObject;
  readonly orderBy?: readonly (readonly [string, 'asc' | 'desc'])[];
  readonly limit?: number;
}

const MIXED: readonly (JsonValue | undefined)[] = [
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
const CONTAINERS: readonly JsonValue[] = [[], {}, [1], { a: 1 }];

// Every value twice and in two partitions, so that there are ties to break.
function movies(values: readonly (JsonValue | undefined)[]): readonly JsonObject[] {
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

async function seed(
  records: RecordStore,
  entity: Entity,
  values: readonly JsonObject[],
): Promise<StoredRecord[]> {
  const stored: StoredRecord[] = [];
  for (const value of values) stored.push((await write(records, put('create', entity, value))).record);
  return stored;
}

const texts = (records: readonly { readonly key: RecordKey }[]): string[] =>
  records.map(({ key }) => keyText(key));

async function agrees(
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
async function pages(records: RecordStore, entity: Entity, query: AnyQuery): Promise<StoredRecord[]> {
  const all: StoredRecord[] = [];
  let cursor: string | undefined;
  for (let guard = 0; guard < 500; guard += 1) {
    const { plan, pageSize, cursorAfter } = planned(entity, { ...query, cursor });
    const found = await records.query(plan);
    ok(found.length <= pageSize + 1, `a page holds ${found.length}, wanted ${pageSize + 1} at most`);
    const page = found.slice(0, pageSize);
    all.push(...page);
    const last = page.at(-1);
    if (found.length <= pageSize || !last) return all;
    cursor = cursorAfter(positionOf(plan, last));
  }
  throw new RangeError('the pages never end');
}

function planned(entity: Entity, query: AnyQuery & { readonly cursor?: string | undefined }) {
  const it = planQuery(entity, query);
  return { plan: it.plan, pageSize: it.pageSize, cursorAfter: it.cursorAfter.bind(it) };
}

const SCALARS = [null, false, true, 0, 9, 1.5, '', '9', 'a', 'ab', 'é', '🦜'] as const;
const COMPARED = [0, 9, 1.5, '', '9', 'a', '\uffff', '🦜'] as const;
const SEARCHED = ['', 'a', '%', '_', 'a%', '\\', 'A', '🦜', '.'] as const;

function conditions(path: string): JsonObject[] {
  return [
    ...SCALARS.flatMap((value) => [{ [path]: value }, { [path]: { eq: value } }, { [path]: { ne: value } }]),
    ...COMPARED.flatMap((value) =>
      ['lt', 'lte', 'gt', 'gte'].map((operator) => ({ [path]: { [operator]: value } })),
    ),
    ...SEARCHED.flatMap((value) => [{ [path]: { startsWith: value } }, { [path]: { contains: value } }]),
    ...[[], [null], ['a', 9, true], ['9', 10, 'nowhere']].map((values) => ({ [path]: { in: values } })),
    { [path]: { exists: true } },
    { [path]: { exists: false } },
    { [path]: { gte: 0, lt: 10 } },
    { [path]: { gt: 'A', lte: 'b' } },
  ];
}

const operators: readonly Case[] = [
  ...['rating', 'deep.er.est'].map(
    (path): Case => ({
      name: `every operator on ${path} answers as the reference does`,
      requires: [],
      run: async ({ store }) => {
        const records = store.records(Movie);
        const stored = await seed(records, Movie, movies([...MIXED, ...CONTAINERS]));
        for (const where of conditions(path)) {
          await agrees(records, stored, Movie, { where });
          await agrees(records, stored, Movie, { where: { not: where } });
        }
      },
    }),
  ),
  {
    name: 'and, or and not combine; a missing path is no value at all',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Movie);
      const stored = await seed(records, Movie, movies(MIXED));
      for (const where of [
        {},
        { and: [] },
        { or: [] },
        { not: {} },
        { or: [{ rating: 9 }, { rating: { gt: 'a' } }], genre: 'x' },
        { and: [{ rating: { ne: null } }, { not: { rating: { gte: 0 } } }] },
        { not: { or: [{ rating: { exists: false } }, { rating: null }] } },
        { 'rating.deeper': { exists: true } },
        { 'rating.deeper': { ne: 1 } },
        { not: { 'rating.deeper': 1 } },
        { nowhere: null },
        { nowhere: { ne: null } },
        { id: '7-1' },
        { id: { in: ['7-1', '8-2'] }, genre: 'y' },
        { genre: { in: ['x'] } },
        { genre: { startsWith: 'x' }, id: { gt: '3' } },
      ] as const)
        await agrees(records, stored, Movie, { where });
    },
  },
  {
    name: 'two-valued logic, spelled out',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Movie);
      const base = { genre: 'x', title: 't' };
      await seed(records, Movie, [
        { ...base, id: 'missing' },
        { ...base, id: 'null', rating: null },
        { ...base, id: 'number', rating: 9 },
        { ...base, id: 'text', rating: '9' },
      ]);
      for (const [where, expected] of [
        [{ rating: 9 }, ['number']],
        [{ rating: null }, ['null']],
        [{ rating: { ne: 9 } }, ['null', 'text']],
        [{ not: { rating: 9 } }, ['missing', 'null', 'text']],
        [{ rating: { gt: 1 } }, ['number']],
        [{ not: { rating: { gt: 1 } } }, ['missing', 'null', 'text']],
        [{ rating: { exists: false } }, ['missing']],
      ] as const) {
        const found = await records.query(planQuery(Movie, { where }).plan);
        equal(
          found.map((it) => it.key.id),
          expected,
          JSON.stringify(where),
        );
      }
    },
  },
  {
    name: 'field names and values are never taken for syntax',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Movie);
      const names = ["o'neil", 'a"b', 'a b', '$1', '[0]', 'select', '__proto__', 'a]b', '\\', '🦜', '--'];
      const values = names.map((name, i) => {
        const fields = `{"id":"m${i}","genre":"x","title":"t",${JSON.stringify(name)}:${JSON.stringify(name)}}`;
        return JSON.parse(fields) as JsonObject;
      });
      const stored = await seed(records, Movie, values);
      for (const name of names) {
        const where = JSON.parse(`{${JSON.stringify(name)}:${JSON.stringify(name)}}`) as JsonObject;
        await agrees(records, stored, Movie, { where });
        equal((await records.query(planQuery(Movie, { where }).plan)).length, 1, name);
      }
    },
  },
  {
    name: 'tombstones are in no answer',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      await seed(records, Task, [
        { id: 'a', tenantId: 't1' },
        { id: 'b', tenantId: 't1' },
      ]);
      await write(records, remove({ partition: ['t1'], id: 'a' }));
      await write(records, remove({ partition: ['t1'], id: 'never' }));
      for (const where of [{}, { tenantId: 't1' }, { rank: { exists: false } }, { not: { rank: 1 } }])
        equal(
          (await records.query(planQuery(Task, { where }).plan)).map((it) => it.key.id),
          ['b'],
          JSON.stringify(where),
        );
      equal(await records.count(), 1, 'count');
    },
  },
];

const orders: readonly Case[] = [
  {
    name: 'an order holds over values of every scalar type, with ties by partition and id',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Movie);
      const stored = await seed(records, Movie, movies(MIXED));
      for (const direction of ['asc', 'desc'] as const)
        for (const where of [{}, { genre: 'x' }, { rating: { exists: true } }])
          for (const limit of [1_000, 5])
            await agrees(records, stored, Movie, { where, orderBy: [['rating', direction]], limit });
    },
  },
  {
    name: 'objects and arrays sort after everything, by key alone',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Movie);
      const stored = await seed(records, Movie, movies([...CONTAINERS, undefined, null, 'text', 1]));
      for (const direction of ['asc', 'desc'] as const) {
        const query: AnyQuery = { orderBy: [['rating', direction]] };
        await agrees(records, stored, Movie, query);
        const paged = await pages(records, Movie, { ...query, limit: 3 });
        equal(
          texts(paged),
          texts(runQuery(stored, planQuery(Movie, { ...query, limit: 1_000 }).plan)),
          direction,
        );
      }
    },
  },
  {
    name: 'an order over two fields holds',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const values = [undefined, false, true].flatMap((done, i) =>
        [undefined, 2, 10, -3].flatMap((rank, j) =>
          ['t1', 't2'].map((tenantId) => ({
            id: `${i}${j}`,
            tenantId,
            ...(done === undefined ? {} : { done }),
            ...(rank === undefined ? {} : { rank }),
          })),
        ),
      );
      const stored = await seed(records, Task, values);
      for (const direction of ['asc', 'desc'] as const) {
        const orderBy = [
          ['done', direction],
          ['rank', direction],
        ] as const;
        await agrees(records, stored, Task, { orderBy });
        const paged = await pages(records, Task, { orderBy, limit: 5 });
        equal(
          texts(paged),
          texts(runQuery(stored, planQuery(Task, { orderBy, limit: 1_000 }).plan)),
          'pages',
        );
      }
    },
  },
  {
    name: 'without an order, records come by partition (by type, then value) and id (by code point)',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Setting);
      const scopes = [10, 9, 'b', 'a!', 'a', '\uffff', '🦜', true, null, false, '10', 'B'];
      const values = scopes.flatMap((scope) => ['🦜', '\uffff', 'b', 'B'].map((id) => ({ id, scope })));
      const stored = await seed(records, Setting, values);
      const found = await records.query(planQuery(Setting, { limit: 1_000 }).plan);
      const expected = [null, false, true, 9, 10, '10', 'B', 'a', 'a!', 'b', '\uffff', '🦜'];
      equal([...new Set(found.map((it) => it.key.partition[0] ?? null))], expected, 'partitions');
      equal(
        found.slice(0, 4).map((it) => it.key.id),
        ['B', 'b', '\uffff', '🦜'],
        'ids',
      );
      await agrees(records, stored, Setting, {});
    },
  },
];

const paging: readonly Case[] = [
  {
    name: 'pages follow each other without gap or repetition',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Movie);
      const stored = await seed(records, Movie, movies(MIXED));
      const queries: readonly AnyQuery[] = [
        {},
        { where: { genre: 'x' } },
        { orderBy: [['rating', 'asc']] },
        { orderBy: [['rating', 'desc']] },
        { orderBy: [['title', 'desc']], where: { rating: { exists: true } } },
        { orderBy: [['title', 'asc']], where: { genre: 'y' } },
      ];
      for (const query of queries)
        for (const limit of [1, 7, 1_000]) {
          const expected = runQuery(stored, planQuery(Movie, { ...query, limit: 1_000 }).plan);
          const found = await pages(records, Movie, { ...query, limit });
          equal(texts(found), texts(expected), JSON.stringify({ ...query, limit }));
        }
    },
  },
  {
    name: 'what is written between two pages shifts nothing else',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      await seed(
        records,
        Task,
        ['b', 'd', 'f', 'h'].map((id) => ({ id, tenantId: 't1' })),
      );
      const first = planned(Task, { limit: 2 });
      const page = (await records.query(first.plan)).slice(0, 2);
      equal(
        page.map((it) => it.key.id),
        ['b', 'd'],
        'first page',
      );
      await write(records, put('create', Task, { id: 'a', tenantId: 't1' }));
      await write(records, remove({ partition: ['t1'], id: 'd' }));
      const cursor = first.cursorAfter(positionOf(first.plan, present(page[1], 'last of the page')));
      const second = await records.query(planned(Task, { limit: 2, cursor }).plan);
      equal(
        second.map((it) => it.key.id),
        ['f', 'h'],
        'second page',
      );
    },
  },
];

/** Queries: every store gives the same keys in the same order. */
export const queryCases: readonly Case[] = suite('query', [...operators, ...orders, ...paging]);
