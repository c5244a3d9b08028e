import { jsonEquals } from '../json.ts';
import { REMEMBERED_OPERATIONS, TOMBSTONE_DIGEST } from '../record.ts';
import type { RecordHost } from '../store.ts';
import { equal, ok, present, rejects } from './assert.ts';
import type { ContractCase } from './contract.ts';
import { Task, task } from './entities.ts';
import { patch, put, remove, versionOf, write } from './intents.ts';

type Case = ContractCase<Pick<RecordHost, 'records'>>;

const key = { partition: ['t1'], id: 'a' };

const operations: readonly Case[] = [
  {
    name: 'a repeated operation takes effect once and tells the version that it made',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const create = put('create', Task, task('a'), { operationId: 'create' });
      const made = await write(records, create);
      const again = await write(records, create);
      equal([again.repeated, again.record.version], [true, made.record.version], 'create again');
      const change = patch(key, { rank: 1 }, { operationId: 'change' });
      const changed = await write(records, change);
      await write(records, patch(key, { rank: 2 }));
      const late = await write(records, change);
      equal(
        [late.repeated, late.record.version],
        [true, changed.record.version],
        'patch again after another write',
      );
      equal(present(await records.read(key), 'record').value, task('a', { rank: 2 }), 'value');
    },
  },
  {
    name: 'a repeated operation does not look at ifVersion again',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const { record } = await write(records, put('create', Task, task('a')));
      const options = { operationId: 'op', ifVersion: versionOf(record) };
      await write(records, put('replace', Task, task('a', { rank: 1 }), options));
      const again = await write(records, put('replace', Task, task('a', { rank: 1 }), options));
      equal(again.repeated, true, 'repeated');
    },
  },
  {
    name: 'a repeated delete does not delete what was created since',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      await write(records, put('create', Task, task('a', { rank: 1 })));
      const gone = remove(key, { operationId: 'gone' });
      await write(records, gone);
      await write(records, put('create', Task, task('a', { rank: 2 })));
      equal((await write(records, gone)).repeated, true, 'repeated');
      equal(present(await records.read(key), 'record').value, task('a', { rank: 2 }), 'value');
    },
  },
  {
    name: `the last ${REMEMBERED_OPERATIONS} operations are remembered, newest first`,
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      await write(records, put('create', Task, task('a'), { operationId: 'op-0' }));
      for (let i = 1; i <= 9; i += 1)
        await write(records, patch(key, { rank: i }, { operationId: `op-${i}` }));
      const stored = present(await records.read(key), 'record');
      const expected = Array.from({ length: REMEMBERED_OPERATIONS }, (_, i) => `op-${9 - i}`);
      equal(
        stored.operations.map((it) => it.id),
        expected,
        'operations',
      );
      equal(
        (await write(records, patch(key, { rank: 2 }, { operationId: 'op-2' }))).repeated,
        true,
        'oldest',
      );
    },
  },
];

const tombstones: readonly Case[] = [
  {
    name: 'a delete leaves a tombstone with the next version',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const { record } = await write(records, put('create', Task, task('a')));
      const gone = await write(records, remove(key));
      equal(gone.existed, true, 'existed');
      const stored = present(await records.read(key), 'tombstone');
      equal([stored.value, stored.digest], [undefined, TOMBSTONE_DIGEST], 'tombstone');
      equal(stored.version, { term: 1, counter: record.version.counter + 1 }, 'version');
    },
  },
  {
    name: 'a delete where nothing is leaves a tombstone, and is known again when it comes late',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const first = await write(records, remove(key));
      equal([first.existed, first.repeated], [false, false], 'over nothing');
      equal(present(await records.read(key), 'tombstone').value, undefined, 'value');
      const late = remove(key, { operationId: 'late' });
      const second = await write(records, late);
      equal([second.existed, second.repeated], [false, false], 'over a tombstone');
      equal(second.record.version.counter, first.record.version.counter + 1, 'counter');
      const made = await write(records, put('create', Task, task('a')));
      // The first attempt, which stood still on its way while it was repeated.
      equal((await write(records, late)).repeated, true, 'repeated');
      equal(present(await records.read(key), 'record').version, made.record.version, 'still there');
    },
  },
  {
    name: 'a create over a tombstone continues the counter and keeps its operations',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      await write(records, put('create', Task, task('a')));
      const gone = await write(records, remove(key, { operationId: 'gone' }));
      const made = await write(records, put('create', Task, task('a'), { operationId: 'made' }));
      equal(made.record.version.counter, gone.record.version.counter + 1, 'counter');
      const stored = present(await records.read(key), 'record');
      equal(
        stored.operations.slice(0, 2).map((it) => it.id),
        ['made', 'gone'],
        'operations',
      );
    },
  },
];

const unknownFields: readonly Case[] = [
  {
    name: 'replace, upsert and patch keep what the schema does not name, at every depth',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const value = task('a', {
        extra: 1,
        details: { size: 1, old: true, place: { city: 'Bern', zip: '3000' } },
      });
      await write(records, put('create', Task, value));
      const next = task('a', { title: 'new', details: { place: { city: 'Basel' } } });
      const expected = { ...next, extra: 1, details: { old: true, place: { city: 'Basel', zip: '3000' } } };
      await write(records, put('replace', Task, next));
      equal(present(await records.read(key), 'replaced').value, expected, 'replace');
      await write(records, put('upsert', Task, next));
      equal(present(await records.read(key), 'upserted').value, expected, 'upsert');
      await write(records, patch(key, { title: null, details: { size: 2 } }));
      const patched = task('a', { extra: 1, details: { ...expected.details, size: 2 } });
      equal(present(await records.read(key), 'patched').value, patched, 'patch');
    },
  },
  {
    name: 'what a replace leaves out of a declared field or a map is gone',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const before = { rank: 1, tags: ['x'], marks: { one: 1, two: { deep: [1] } }, details: { size: 1 } };
      await write(records, put('create', Task, task('a', before)));
      await write(records, put('replace', Task, task('a', { marks: { two: {} }, details: {} })));
      equal(
        present(await records.read(key), 'record').value,
        task('a', { marks: { two: {} }, details: {} }),
        'value',
      );
    },
  },
  {
    name: 'dropUnknown drops it',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      await write(records, put('create', Task, task('a', { extra: 1 })));
      await write(records, put('replace', Task, task('a', { rank: 1 }), { dropUnknown: true }));
      equal(present(await records.read(key), 'record').value, task('a', { rank: 1 }), 'value');
    },
  },
  {
    name: 'a patch that breaks the schema or the key is refused and changes nothing',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      await write(records, put('create', Task, task('a', { rank: 1 })));
      await rejects(write(records, patch(key, { rank: 'high' })), 'invalid-data', 'schema');
      await rejects(write(records, patch(key, { id: 'b' })), 'invalid-data', 'id');
      await rejects(write(records, patch(key, { tenantId: 't2' })), 'invalid-data', 'partition');
      ok(jsonEquals(present(await records.read(key), 'record').value, task('a', { rank: 1 })), 'unchanged');
    },
  },
];

/** What a record remembers: operations, tombstones, and fields that the schema does not name. */
export const recordMemoryCases: readonly Case[] = [...operations, ...tombstones, ...unknownFields];
