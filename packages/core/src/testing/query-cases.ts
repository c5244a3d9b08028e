import type { JsonObject } from '../json.ts';
import { planQuery } from '../query-plan.ts';
import type { RecordHost } from '../store.ts';
import { equal } from './assert.ts';
import { type ContractCase, suite } from './contract.ts';
import { Movie, Task } from './entities.ts';
import { remove, write } from './intents.ts';
import { agrees, CONTAINERS, MIXED, movies, seed } from './query-data.ts';
import { queryOrderCases } from './query-order-cases.ts';

type Case = ContractCase<Pick<RecordHost, 'records'>>;

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
    name: 'two-valued logic and the order of text, spelled out',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Movie);
      const base = { genre: 'x', title: 't' };
      await seed(records, Movie, [
        { ...base, id: 'missing' },
        { ...base, id: 'null', rating: null },
        { ...base, id: 'number', rating: 9 },
        { ...base, id: 'text', rating: '9' },
        { ...base, id: 'last of the plane', rating: '\uffff' },
        { ...base, id: 'astral', rating: '🦜' },
      ]);
      for (const [where, expected] of [
        [{ rating: 9 }, ['number']],
        [{ rating: null }, ['null']],
        [{ rating: { ne: 9 } }, ['astral', 'last of the plane', 'null', 'text']],
        [{ not: { rating: 9 } }, ['astral', 'last of the plane', 'missing', 'null', 'text']],
        [{ rating: { gt: 1 } }, ['number']],
        [{ not: { rating: { gt: 1 } } }, ['astral', 'last of the plane', 'missing', 'null', 'text']],
        [{ rating: { exists: false } }, ['missing']],
        // By code point: U+FFFF comes before what lies beyond it, whose UTF-16 units are smaller.
        [{ rating: { gt: '\uffff' } }, ['astral']],
        [{ rating: { lt: '🦜' } }, ['last of the plane', 'text']],
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

/** Queries: every store gives the same keys in the same order. */
export const queryCases: readonly Case[] = suite('query', [...operators, ...queryOrderCases]);
