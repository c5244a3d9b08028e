import { runQuery } from '../memory/memory-query.ts';
import { planQuery, positionOf } from '../query-plan.ts';
import type { RecordHost } from '../store.ts';
import { equal, present } from './assert.ts';
import type { ContractCase } from './contract.ts';
import { Movie, Setting, Task } from './entities.ts';
import { put, remove, write } from './intents.ts';
import { type AnyQuery, agrees, CONTAINERS, MIXED, movies, pages, seed, texts } from './query-data.ts';

type Case = ContractCase<Pick<RecordHost, 'records'>>;

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
      const first = planQuery(Task, { limit: 2 });
      const page = (await records.query(first.plan)).slice(0, 2);
      equal(
        page.map((it) => it.key.id),
        ['b', 'd'],
        'first page',
      );
      await write(records, put('create', Task, { id: 'a', tenantId: 't1' }));
      await write(records, remove({ partition: ['t1'], id: 'd' }));
      const cursor = first.cursorAfter(positionOf(first.plan, present(page[1], 'last of the page')));
      const second = await records.query(planQuery(Task, { limit: 2, cursor }).plan);
      equal(
        second.map((it) => it.key.id),
        ['f', 'h'],
        'second page',
      );
    },
  },
];

/** Orders and pages. */
export const queryOrderCases: readonly Case[] = [...orders, ...paging];
