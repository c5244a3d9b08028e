import { AlreadyExistsError, ConflictError } from '../errors.ts';
import type { RecordHost } from '../store.ts';
import { equal, ok, present } from './assert.ts';
import type { ContractCase } from './contract.ts';
import { Task, task } from './entities.ts';
import { patch, put, remove, versionOf, write } from './intents.ts';

type Case = ContractCase<Pick<RecordHost, 'records'>>;

const WRITERS = 12;
const key = { partition: ['t1'], id: 'a' };
const writers = Array.from({ length: WRITERS }, (_, i) => i);

/** Writers of one key at the same time. */
export const recordConcurrencyCases: readonly Case[] = [
  {
    name: 'of patches at the same time none is lost, and each has a version of its own',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const first = await write(records, put('create', Task, task('a', { marks: {} })));
      const made = await Promise.all(
        writers.map((i) => write(records, patch(key, { marks: { [`m${i}`]: i } }))),
      );
      const stored = present(await records.read(key), 'record');
      const marks = Object.fromEntries(writers.map((i) => [`m${i}`, i]));
      equal(stored.value, task('a', { marks }), 'value');
      const counters = made.map((it) => it.record.version.counter - first.record.version.counter);
      equal(
        counters.toSorted((a, b) => a - b),
        writers.map((i) => i + 1),
        'counters',
      );
    },
  },
  {
    name: 'of creates at the same time one wins',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const results = await Promise.allSettled(
        writers.map((i) => write(records, put('create', Task, task('a', { rank: i })))),
      );
      const won = results.filter((it) => it.status === 'fulfilled');
      equal(won.length, 1, 'winners');
      for (const result of results)
        if (result.status === 'rejected')
          ok(AlreadyExistsError.isInstance(result.reason), `a loser got ${String(result.reason)}`);
      equal(present(await records.read(key), 'record').value, won[0]?.value.record.value, 'value');
    },
  },
  {
    name: 'of replaces of one version at the same time one wins',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const { record } = await write(records, put('create', Task, task('a')));
      const ifVersion = versionOf(record);
      const results = await Promise.allSettled(
        writers.map((i) => write(records, put('replace', Task, task('a', { rank: i }), { ifVersion }))),
      );
      equal(results.filter((it) => it.status === 'fulfilled').length, 1, 'winners');
      for (const result of results)
        if (result.status === 'rejected')
          ok(ConflictError.isInstance(result.reason), `a loser got ${String(result.reason)}`);
      equal(
        present(await records.read(key), 'record').version.counter,
        record.version.counter + 1,
        'counter',
      );
    },
  },
  {
    name: 'one operation sent several times at once takes effect once',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const { record } = await write(records, put('create', Task, task('a')));
      const intent = patch(key, { rank: 7 }, { operationId: 'op' });
      const made = await Promise.all(writers.map(() => write(records, intent)));
      equal(made.filter((it) => !it.repeated).length, 1, 'effects');
      equal(
        present(await records.read(key), 'record').version.counter,
        record.version.counter + 1,
        'counter',
      );
    },
  },
  {
    name: 'creates, upserts and deletes at the same time leave one history',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const { record } = await write(records, put('create', Task, task('a')));
      const results = await Promise.allSettled(
        writers.map((i) =>
          write(
            records,
            i % 3 === 0
              ? remove(key)
              : i % 3 === 1
                ? put('upsert', Task, task('a', { rank: i }))
                : put('create', Task, task('a', { rank: i })),
          ),
        ),
      );
      const made = results.flatMap((it) =>
        it.status === 'fulfilled' ? [it.value.record.version.counter] : [],
      );
      const stored = present(await records.read(key), 'record');
      const highest = Math.max(record.version.counter, ...made);
      equal(stored.version.counter, highest, 'the last write is the one that is there');
    },
  },
];
