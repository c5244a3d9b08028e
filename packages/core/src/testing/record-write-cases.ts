import { jsonEquals } from '../json.ts';
import { REMEMBERED_OPERATIONS, recordDigest, TOMBSTONE_DIGEST } from '../record.ts';
import type { RecordHost } from '../store.ts';
import { compareVersions, firstCounter } from '../version.ts';
import { equal, ok, present, rejects } from './assert.ts';
import type { ContractCase } from './contract.ts';
import { Member, Task, task } from './entities.ts';
import { patch, put, remove, versionOf, write } from './intents.ts';

type Case = ContractCase<Pick<RecordHost, 'records'>>;

const key = { partition: ['t1'], id: 'a' };

const basics: readonly Case[] = [
  {
    name: 'what was created is read back, whole',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const value = task('a', {
        title: 'one',
        details: { place: { city: 'Bern' } },
        extra: { deep: [1, null] },
      });
      equal(await records.read(key), undefined, 'before');
      const { record, existed, repeated } = await write(
        records,
        put('create', Task, value, { operationId: 'op' }),
      );
      equal({ existed, repeated }, { existed: false, repeated: false }, 'result');
      const stored = present(await records.read(key), 'after');
      equal(stored.value, value, 'value');
      equal(stored.key, key, 'key');
      equal(stored.version, record.version, 'version');
      equal(stored.version.term, 1, 'term');
      equal(stored.digest, recordDigest(value), 'digest');
      equal(stored.operations, [{ id: 'op', ...record.version }], 'operations');
    },
  },
  {
    name: 'readMany answers in the order of the keys, with undefined for what is not there',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      for (const id of ['a', 'b', 'c']) await write(records, put('create', Task, task(id)));
      const ids = ['c', 'x', 'a', 'c', 'b'];
      const found = await records.readMany(ids.map((id) => ({ partition: ['t1'], id })));
      equal(
        found.map((it) => it?.key.id ?? null),
        ['c', null, 'a', 'c', 'b'],
        'ids',
      );
      equal(await records.readMany([]), [], 'none');
    },
  },
  {
    name: 'create refuses a key that is taken and changes nothing',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const { record } = await write(records, put('create', Task, task('a', { rank: 1 })));
      await rejects(
        write(records, put('create', Task, task('a', { rank: 2 }))),
        'already-exists',
        'second create',
      );
      const stored = present(await records.read(key), 'record');
      equal([stored.value, stored.version], [record.value, record.version], 'record');
    },
  },
  {
    name: 'every write raises the version',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const made = [
        await write(records, put('create', Task, task('a'))),
        await write(records, put('replace', Task, task('a', { rank: 1 }))),
        await write(records, patch(key, { rank: 2 })),
        await write(records, put('upsert', Task, task('a', { rank: 3 }))),
        await write(records, remove(key)),
        await write(records, put('create', Task, task('a'))),
      ];
      const versions = made.map((it) => it.record.version);
      ok(
        versions.every((it, i) => i === 0 || compareVersions(it, versions[i - 1] ?? it) > 0),
        `versions must rise: ${JSON.stringify(versions)}`,
      );
      equal(
        made.map((it) => it.existed),
        [false, true, true, true, true, false],
        'existed',
      );
    },
  },
  {
    name: "the first counter starts at the store's date",
    requires: [],
    run: async (subject) => {
      const slack = subject.serverNowMs ? 1_000 : 60_000;
      const before = (await subject.serverNowMs?.()) ?? Date.now();
      const { record } = await write(subject.store.records(Task), put('create', Task, task('a')));
      const after = (await subject.serverNowMs?.()) ?? Date.now();
      const { counter } = record.version;
      ok(counter >= firstCounter(before - slack), `${counter} is before the store's date ${before}`);
      ok(counter <= firstCounter(after + slack), `${counter} is after the store's date ${after}`);
    },
  },
  {
    name: 'replace and patch refuse what is not there, upsert makes it',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      await rejects(write(records, put('replace', Task, task('a'))), 'not-found', 'replace');
      await rejects(write(records, patch(key, { rank: 1 })), 'not-found', 'patch');
      equal(await records.read(key), undefined, 'still nothing');
      const { existed } = await write(records, put('upsert', Task, task('a')));
      equal(existed, false, 'existed');
      equal(present(await records.read(key), 'record').value, task('a'), 'value');
    },
  },
  {
    name: 'a unique value is taken once in its partition',
    requires: ['unique'],
    run: async ({ store }) => {
      const records = store.records(Member);
      const member = (id: string, tenantId: string) => ({ id, tenantId, email: 'a@example.com' });
      await write(records, put('create', Member, member('a', 't1')));
      await write(records, put('create', Member, member('a', 't2')));
      await rejects(write(records, put('create', Member, member('b', 't1'))), 'already-exists', 'second');
      await write(records, remove({ partition: ['t1'], id: 'a' }));
      await write(records, put('create', Member, member('b', 't1')));
    },
  },
];

const versions: readonly Case[] = [
  {
    name: 'a stale ifVersion is a conflict that tells both versions, and changes nothing',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const first = await write(records, put('create', Task, task('a', { rank: 1 })));
      const second = await write(records, patch(key, { rank: 2 }));
      const ifVersion = versionOf(first.record);
      for (const intent of [
        put('replace', Task, task('a'), { ifVersion }),
        put('upsert', Task, task('a'), { ifVersion }),
        patch(key, { rank: 3 }, { ifVersion }),
        remove(key, { ifVersion }),
      ]) {
        const error = await rejects(write(records, intent), 'conflict', intent.kind);
        ok(error.code === 'conflict', 'code');
        equal(
          [error.expected, error.actual],
          [ifVersion, versionOf(second.record)],
          `${intent.kind} versions`,
        );
      }
      equal(present(await records.read(key), 'record').version, second.record.version, 'version');
    },
  },
  {
    name: 'the right ifVersion lets each write through',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      let { record } = await write(records, put('create', Task, task('a')));
      for (const intent of [
        () => put('replace', Task, task('a', { rank: 1 }), { ifVersion: versionOf(record) }),
        () => put('upsert', Task, task('a', { rank: 2 }), { ifVersion: versionOf(record) }),
        () => patch(key, { rank: 3 }, { ifVersion: versionOf(record) }),
        () => remove(key, { ifVersion: versionOf(record) }),
      ])
        ({ record } = await write(records, intent()));
      equal(record.value, undefined, 'deleted');
    },
  },
  {
    name: 'ifVersion of a record that is gone is not-found',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const { record } = await write(records, put('create', Task, task('a')));
      const ifVersion = versionOf(record);
      await write(records, remove(key));
      await rejects(write(records, put('replace', Task, task('a'), { ifVersion })), 'not-found', 'replace');
      await rejects(write(records, put('upsert', Task, task('a'), { ifVersion })), 'not-found', 'upsert');
      await rejects(write(records, remove(key, { ifVersion })), 'not-found', 'delete');
    },
  },
  {
    name: 'a write of a later term raises the term and continues the counter; one of an earlier term is fenced',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const first = await write(records, put('create', Task, task('a', { rank: 1 })));
      const second = await write(records, patch(key, { rank: 2 }), 2);
      equal(second.record.version, { term: 2, counter: first.record.version.counter + 1 }, 'version');
      await rejects(write(records, patch(key, { rank: 3 }), 1), 'fenced', 'earlier term');
      equal(present(await records.read(key), 'record').value, task('a', { rank: 2 }), 'value');
    },
  },
  {
    name: 'the first write of a term notes what the record descends from, later ones keep it',
    requires: ['base'],
    run: async ({ store }) => {
      const records = store.records(Task);
      const { record } = await write(records, put('create', Task, task('a', { rank: 1 })));
      equal(record.base, undefined, 'base of a new record');
      const base = { ...record.version, digest: record.digest };
      equal((await write(records, patch(key, { rank: 2 }), 2)).record.base, base, 'base of the first write');
      await write(records, patch(key, { rank: 3 }), 2);
      equal(present(await records.read(key), 'record').base, base, 'base later');
    },
  },
];

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
    name: 'deleting what never was leaves a tombstone; deleting it again leaves it alone',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const first = await write(records, remove(key));
      equal([first.existed, first.repeated], [false, false], 'first');
      const stored = present(await records.read(key), 'tombstone');
      equal(stored.value, undefined, 'value');
      const second = await write(records, remove(key));
      equal(second.existed, false, 'second');
      equal(present(await records.read(key), 'tombstone').version, stored.version, 'version');
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

/** What a single write does. */
export const recordWriteCases: readonly Case[] = [
  ...basics,
  ...versions,
  ...operations,
  ...tombstones,
  ...unknownFields,
];
