import { keyOfValue } from '../entity.ts';
import type { JsonObject } from '../json.ts';
import { recordDigest } from '../record.ts';
import type { RecordHost } from '../store.ts';
import { encodeVersion, firstCounter, UNSTAMPED } from '../version.ts';
import { equal, ok, present, rejects } from './assert.ts';
import type { ContractCase } from './contract.ts';
import { Setting, Task } from './entities.ts';
import { copyOf, patch, put, remove, versionOf, write } from './intents.ts';

type Case = ContractCase<Pick<RecordHost, 'records'>>;

const value: JsonObject = { id: 'old', tenantId: 't1', rank: 1, legacy: true };
const key = keyOfValue(Task, value);

/** Documents that are older than the SDK, or were written around it. */
export const foreignDocumentCases: readonly Case[] = [
  {
    name: 'an unstamped document reads with version (0,0), its ETag and its digest',
    requires: ['foreign'],
    run: async ({ store, foreign }) => {
      await present(foreign, 'writer').put(Task, value);
      const stored = present(await store.records(Task).read(key), 'record');
      equal([stored.value, stored.version, stored.operations], [value, UNSTAMPED, []], 'record');
      equal(stored.digest, recordDigest(value), 'digest');
      ok(stored.etag !== undefined, 'an ETag');
      equal(await store.records(Task).count(), 1, 'count');
    },
  },
  {
    name: 'ifVersion of an unstamped document holds until it changes',
    requires: ['foreign'],
    run: async ({ store, foreign }) => {
      const records = store.records(Task);
      await present(foreign, 'writer').put(Task, value);
      const ifVersion = versionOf(present(await records.read(key), 'record'));
      await present(foreign, 'writer').put(Task, { ...value, rank: 2 });
      await rejects(write(records, patch(key, { rank: 3 }, { ifVersion })), 'conflict', 'changed');
      const fresh = versionOf(present(await records.read(key), 'record'));
      await write(records, patch(key, { rank: 3 }, { ifVersion: fresh }));
      equal(present(await records.read(key), 'record').value, { ...value, rank: 3 }, 'value');
    },
  },
  {
    name: "the first write over an unstamped document starts its counter at the store's date",
    requires: ['foreign'],
    run: async (subject) => {
      const records = subject.store.records(Task);
      for (const [i, intent] of [
        patch(key, { rank: 2 }),
        put('replace', Task, { id: 'old', tenantId: 't1', rank: 3 }),
        put('upsert', Task, { id: 'old', tenantId: 't1', rank: 4 }),
        remove(key),
      ].entries()) {
        await present(subject.foreign, 'writer').put(Task, value);
        const now = (await subject.serverNowMs?.()) ?? Date.now() - 60_000;
        const { record, existed } = await write(records, intent);
        ok(existed, 'existed');
        ok(record.version.counter >= firstCounter(now - 1_000), `write ${i}: ${record.version.counter}`);
        equal(record.version.term, 1, 'term');
        if (record.value) equal(record.value['legacy'], true, 'unknown fields are kept');
      }
      const taken = put('create', Task, value);
      await present(subject.foreign, 'writer').put(Task, value);
      await rejects(write(records, taken), 'already-exists', 'create');
    },
  },
  {
    name: 'a stamp goes over the document that was read, and over no other',
    requires: ['foreign', 'etag'],
    run: async ({ store, foreign }) => {
      const records = store.records(Task);
      await present(foreign, 'writer').put(Task, value);
      const read = present(await records.read(key), 'record');
      const record = copyOf(Task, value, { term: 1, counter: firstCounter(1_700_000_000_000) });
      await present(foreign, 'writer').put(Task, { ...value, rank: 2 });
      const [late] = await records.apply([{ record, ifEtag: read.etag }]);
      equal(late?.kind, 'changed', 'changed under it');
      const again = present(await records.read(key), 'record');
      const [stamped] = await records.apply([{ record, ifEtag: again.etag }]);
      equal(stamped?.kind, 'applied', 'stamped');
      const stored = present(await records.read(key), 'record');
      equal(encodeVersion(stored.version), encodeVersion(record.version), 'version');
    },
  },
  {
    name: 'a document that was removed around the SDK is gone without a tombstone; a create starts over at the date',
    requires: ['foreign'],
    run: async (subject) => {
      const records = subject.store.records(Task);
      await write(records, put('create', Task, value));
      await present(subject.foreign, 'writer').remove(Task, key);
      equal(await records.read(key), undefined, 'gone');
      const now = (await subject.serverNowMs?.()) ?? Date.now() - 60_000;
      const { record } = await write(records, put('create', Task, value));
      ok(record.version.counter >= firstCounter(now - 1_000), `${record.version.counter}`);
    },
  },
  {
    name: 'an absent partition value is no null',
    requires: ['foreign'],
    run: async ({ store, foreign }) => {
      const records = store.records(Setting);
      await present(foreign, 'writer').put(Setting, { id: 's', value: 'absent' });
      await present(foreign, 'writer').put(Setting, { id: 's', scope: null, value: 'null' });
      const read = async (level: null | undefined) =>
        (await records.read({ partition: [level], id: 's' }))?.value?.['value'];
      equal([await read(undefined), await read(null)], ['absent', 'null'], 'values');
      equal(await records.count(), 2, 'count');
    },
  },
];
