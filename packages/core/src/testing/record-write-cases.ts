import { planQuery } from '../query-plan.ts';
import { recordDigest } from '../record.ts';
import type { RecordHost } from '../store.ts';
import { compareVersions, encodeVersion, firstCounter } from '../version.ts';
import { equal, ok, present, rejects } from './assert.ts';
import type { ContractCase } from './contract.ts';
import { Handle, Member, Task, task } from './entities.ts';
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
    name: 'getMany and query tell readers of live records what read tells, and of no others',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      for (const id of ['a', 'b', 'c'])
        await write(records, put('create', Task, { ...task(id), other: { of: [id, 1.5, null] } }));
      await write(records, patch(key, { rank: 7 }));
      await write(records, remove({ partition: ['t1'], id: 'c' }));
      const ids = ['c', 'b', 'x', 'a', 'b'];
      const found = await records.getMany(ids.map((id) => ({ partition: ['t1'], id })));
      equal(
        found.map((it) => it?.key.id ?? null),
        [null, 'b', null, 'a', 'b'],
        'ids',
      );
      equal(await records.getMany([]), [], 'none');
      const queried = await records.query(planQuery(Task, {}).plan);
      equal(
        queried.map((it) => it.key.id),
        ['a', 'b'],
        'queried',
      );
      for (const it of [...found, ...queried]) {
        if (!it) continue;
        const whole = present(await records.read(it.key), 'read');
        equal([it.key, it.value], [whole.key, whole.value], 'record');
        equal(it.version, encodeVersion(whole.version, whole.etag), 'version');
      }
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
  {
    name: 'a global unique value is taken once over all partitions, and given free by a delete',
    requires: ['unique-global'],
    run: async ({ store }) => {
      const records = store.records(Handle);
      const handle = (id: string, tenantId: string) => ({ id, tenantId, handle: 'ada' });
      await write(records, put('create', Handle, handle('a', 't1')));
      for (const [id, tenantId] of [
        ['b', 't1'],
        ['b', 't2'],
        // The same id in another partition is another record.
        ['a', 't2'],
      ] as const)
        await rejects(
          write(records, put('create', Handle, handle(id, tenantId))),
          'already-exists',
          'second',
        );
      await write(records, put('replace', Handle, handle('a', 't1')));
      await write(records, remove({ partition: ['t1'], id: 'a' }));
      await write(records, put('create', Handle, handle('a', 't2')));
    },
  },
  {
    name: 'a global unique value may be in two partitions of a store that cannot tell',
    requires: ['not-unique-global'],
    run: async ({ store }) => {
      const records = store.records(Handle);
      for (const tenantId of ['t1', 't2'])
        await write(records, put('create', Handle, { id: 'a', tenantId, handle: 'ada' }));
      equal(await records.count(), 2, 'count');
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

/** What a single write does, and the versions that it makes. */
export const recordWriteCases: readonly Case[] = [...basics, ...versions];
