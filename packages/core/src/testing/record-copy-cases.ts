import type { StoredRecord } from '../record.ts';
import type { CopyOutcome, RecordStore } from '../record-store.ts';
import type { RecordHost } from '../store.ts';
import { UNSTAMPED } from '../version.ts';
import { equal, ok, present } from './assert.ts';
import type { ContractCase } from './contract.ts';
import { Task, task } from './entities.ts';
import { copyOf, patch, put, write } from './intents.ts';

type Case = ContractCase<Pick<RecordHost, 'records'>>;

const key = { partition: ['t1'], id: 'a' };
const at = (rank: number, term: number, counter: number) =>
  copyOf(Task, task('a', { rank }), { term, counter });
const gone = (term: number, counter: number) => copyOf(Task, task('a'), { term, counter }, { deleted: true });

async function apply(records: RecordStore, record: StoredRecord): Promise<CopyOutcome['kind'] | undefined> {
  return (await records.apply([{ record }]))[0]?.kind;
}

async function holds(records: RecordStore, record: StoredRecord, what: string): Promise<void> {
  const stored = present(await records.read(key), what);
  const parts = (it: StoredRecord) => [it.value, it.version, it.digest, it.operations];
  equal(parts(stored), parts(record), what);
}

const verdicts: readonly Case[] = [
  {
    name: 'a copy is stored whole where nothing is: value, version, digest, operations',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const record = copyOf(Task, task('a', { extra: { deep: [1] } }), { term: 3, counter: 77 });
      equal(await apply(records, record), 'applied', 'outcome');
      await holds(records, record, 'record');
    },
  },
  {
    name: 'only a newer copy is stored: same, older and diverged ones leave the record alone',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const record = at(5, 2, 50);
      equal(await apply(records, record), 'applied', 'first');
      equal(await apply(records, record), 'same', 'again');
      equal(await apply(records, at(4, 2, 49)), 'older', 'lower counter');
      equal(await apply(records, at(9, 1, 9_999)), 'older', 'lower term, higher counter');
      equal(await apply(records, at(6, 2, 50)), 'diverged', 'same version, another body');
      await holds(records, record, 'unchanged');
      equal(await apply(records, at(7, 2, 51)), 'applied', 'higher counter');
      equal(await apply(records, at(1, 3, 1)), 'applied', 'higher term, lower counter');
      await holds(records, at(1, 3, 1), 'last');
    },
  },
  {
    name: 'tombstones are copied like any record, and an older value does not bring the record back',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      equal(await apply(records, gone(1, 20)), 'applied', 'over nothing');
      equal(await apply(records, at(1, 1, 19)), 'older', 'older value');
      await holds(records, gone(1, 20), 'tombstone');
      equal(await records.count(), 0, 'count');
      equal(await apply(records, at(2, 1, 21)), 'applied', 'newer value');
      equal(await apply(records, gone(1, 22)), 'applied', 'newer tombstone');
      equal(await apply(records, gone(1, 22)), 'same', 'again');
    },
  },
  {
    name: 'outcomes stand in the order of the copies, and tell what is there',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const of = (id: string, counter: number) => copyOf(Task, task(id), { term: 1, counter });
      await records.apply([{ record: of('b', 10) }]);
      const outcomes = await records.apply([
        { record: of('a', 1) },
        { record: of('b', 5) },
        { record: of('c', 1) },
        { record: of('b', 10) },
      ]);
      equal(
        outcomes.map((it) => it.kind),
        ['applied', 'older', 'applied', 'same'],
        'kinds',
      );
      const older = outcomes[1];
      ok(older?.kind === 'older', 'the second is older');
      equal(older.there?.version, { term: 1, counter: 10 }, 'what is there');
      equal(await records.apply([]), [], 'none');
    },
  },
  {
    name: 'two copies of one key in one call leave the newer one, whatever their order',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      await records.apply([{ record: at(1, 1, 1) }, { record: at(2, 1, 2) }]);
      await holds(records, at(2, 1, 2), 'newer second');
      await records.apply([{ record: at(4, 1, 4) }, { record: at(3, 1, 3) }]);
      await holds(records, at(4, 1, 4), 'newer first');
    },
  },
  {
    name: 'copies in any order, repeated and at the same time, end in the newest',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const copies = [
        at(1, 1, 1),
        at(2, 1, 2),
        gone(1, 3),
        at(4, 1, 4),
        at(5, 2, 1),
        gone(2, 2),
        at(7, 2, 3),
      ];
      const shuffled = [3, 6, 0, 5, 1, 4, 2, 6, 3, 0].flatMap((i) => copies[i] ?? []);
      await Promise.all(shuffled.map((record) => apply(records, record)));
      await holds(records, at(7, 2, 3), 'newest');
    },
  },
  {
    name: 'a write after a copy continues its counter, and knows its operations',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      await apply(records, at(1, 1, 500));
      const again = await write(records, patch(key, { rank: 9 }, { operationId: 'op-1-500' }));
      equal(again.repeated, true, 'the operation of the copy');
      const { record } = await write(records, patch(key, { rank: 2 }));
      equal(record.version, { term: 1, counter: 501 }, 'version');
    },
  },
  {
    name: 'many copies in one call are all stored',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const copies = Array.from({ length: 700 }, (_, i) => ({
        record: copyOf(Task, task(`n${i}`, { rank: i }), { term: 1, counter: i + 1 }),
      }));
      const outcomes = await records.apply(copies);
      equal(outcomes.filter((it) => it.kind === 'applied').length, 700, 'applied');
      equal(await records.count(), 700, 'count');
    },
  },
];

const conditions: readonly Case[] = [
  {
    name: 'ifEtag lets a copy through only over the document that was read',
    requires: ['etag'],
    run: async ({ store }) => {
      const records = store.records(Task);
      await apply(records, at(1, 1, 1));
      const ifEtag = present(await records.read(key), 'record').etag;
      await apply(records, at(2, 1, 2));
      const [changed] = await records.apply([{ record: at(3, 1, 3), ifEtag }]);
      ok(changed?.kind === 'changed', `an outdated ETag: ${changed?.kind}`);
      equal(changed.there?.version, { term: 1, counter: 2 }, 'what is there');
      const now = present(await records.read(key), 'record').etag;
      const [applied] = await records.apply([{ record: at(3, 1, 3), ifEtag: now }]);
      equal(applied?.kind, 'applied', 'the right ETag');
      const absent = copyOf(Task, task('none'), { term: 1, counter: 1 });
      const [none] = await records.apply([{ record: absent, ifEtag: now }]);
      equal(none?.kind, 'changed', 'nothing there');
    },
  },
  {
    name: 'a record of an earlier term that the copy does not descend from is left alone, as a straggler',
    requires: ['etag'],
    run: async ({ store }) => {
      const records = store.records(Task);
      const known = at(1, 1, 10);
      await apply(records, known);
      const base = { ...known.version, digest: known.digest };
      const copy = { record: at(5, 2, 11), base };
      await apply(records, at(2, 1, 12));
      const [straggler] = await records.apply([copy]);
      equal(straggler?.kind, 'straggler', 'a later write of term 1');
      await holds(records, at(2, 1, 12), 'left alone');
      const [nothing] = await records.apply([{ record: at(5, 2, 11), base: { ...UNSTAMPED, digest: '' } }]);
      equal(nothing?.kind, 'straggler', 'a copy that descends from nothing');
    },
  },
  {
    name: 'a copy goes over the record that it descends from, over older ones, and over its own term',
    requires: ['etag'],
    run: async ({ store }) => {
      const records = store.records(Task);
      const known = at(1, 1, 10);
      const base = { ...known.version, digest: known.digest };
      await apply(records, at(0, 1, 9));
      equal((await records.apply([{ record: at(5, 2, 11), base }]))[0]?.kind, 'applied', 'over an older one');
      equal((await records.apply([{ record: at(6, 2, 12), base }]))[0]?.kind, 'applied', 'over its own term');
      const other = copyOf(Task, task('b'), { term: 1, counter: 3 });
      await records.apply([{ record: other }]);
      const next = copyOf(Task, task('b', { rank: 1 }), { term: 2, counter: 4 });
      const exactly = { ...other.version, digest: other.digest };
      equal((await records.apply([{ record: next, base: exactly }]))[0]?.kind, 'applied', 'over its base');
    },
  },
  {
    name: 'a late copy of an earlier term is a straggler where the record does not descend from it',
    requires: ['base'],
    run: async ({ store }) => {
      const records = store.records(Task);
      await apply(records, at(1, 1, 10));
      await write(records, patch(key, { rank: 50 }), 2);
      equal(await apply(records, at(1, 1, 10)), 'older', 'the base itself');
      equal(await apply(records, at(0, 1, 9)), 'older', 'before the base');
      equal(await apply(records, at(3, 1, 10)), 'straggler', 'the base version with another body');
      equal(await apply(records, at(4, 1, 11)), 'straggler', 'after the base');
      equal(present(await records.read(key), 'record').value, task('a', { rank: 50 }), 'value');
    },
  },
  {
    name: 'a copy brings its base along',
    requires: ['base'],
    run: async ({ store }) => {
      const records = store.records(Task);
      const base = { term: 1, counter: 3, digest: 'f'.repeat(32) };
      await apply(records, copyOf(Task, task('a'), { term: 2, counter: 4 }, { base }));
      equal(present(await records.read(key), 'record').base, base, 'base');
    },
  },
];

const races: readonly Case[] = [
  {
    name: 'a copy beside writes loses none of them',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const { record } = await write(records, put('create', Task, task('a', { marks: {} })));
      const numbers = [0, 1, 2, 3, 4, 5];
      await Promise.all(
        numbers.flatMap((i) => [
          write(records, patch(key, { marks: { [`m${i}`]: i } })),
          apply(records, record),
        ]),
      );
      const marks = Object.fromEntries(numbers.map((i) => [`m${i}`, i]));
      equal(present(await records.read(key), 'record').value, task('a', { marks }), 'value');
    },
  },
];

/** The conditional apply: commutative, idempotent, and never backwards. */
export const recordCopyCases: readonly Case[] = [...verdicts, ...conditions, ...races];
