import { sameExpiry } from '../expiry.ts';
import type { JsonObject } from '../json.ts';
import { planQuery } from '../query-plan.ts';
import { recordDigest, type StoredRecord } from '../record.ts';
import type { CopyOutcome, RecordStore } from '../record-store.ts';
import type { RecordHost } from '../store.ts';
import { compareVersions, firstCounter } from '../version.ts';
import { equal, ok, present, rejects } from './assert.ts';
import { type ContractCase, type ContractSubject, pass } from './contract.ts';
import { Task, Ticket, task, Visit } from './entities.ts';
import { copyOf, patch, put, remove, write } from './intents.ts';

type Host = Pick<RecordHost, 'records'>;
type Case = ContractCase<Host>;

const key = { partition: ['t1'], id: 'a' };
const visit = (fields: JsonObject = {}, id = 'a'): JsonObject => ({ id, tenantId: 't1', ...fields });
const LAST_SECOND = { ttl: 1 };
const WAITS = 40;

const now = async (subject: ContractSubject<Host>): Promise<number> =>
  (await subject.serverNowMs?.()) ?? Date.now();

/** Waits until a record is gone by itself. */
async function untilGone(subject: ContractSubject<Host>, records: RecordStore): Promise<void> {
  for (let i = 0; i < WAITS; i += 1) {
    if ((await records.read(key))?.value === undefined) return;
    await pass(subject, 100);
  }
  ok(false, 'the record did not expire');
}

/** Fails unless a record expires so many seconds after a moment, give or take the whole seconds of dates and the call itself. */
function expiresIn(record: StoredRecord, seconds: number, fromMs: number): void {
  const left = (present(record.expiresAtMs, 'expiresAtMs') - fromMs) / 1_000;
  ok(left > seconds - 2 && left < seconds + 5, `expires in ${left} s, not in ${seconds}`);
}

const readings = async (records: RecordStore) => {
  const scanned: string[] = [];
  for await (const page of records.scan()) scanned.push(...page.map((it) => it.key.id));
  const { plan } = planQuery(Visit, { limit: 10 });
  return {
    read: (await records.read(key))?.value ?? null,
    many: (await records.readMany([key]))[0]?.value ?? null,
    got: (await records.getMany([key])).filter((it) => it !== undefined).length,
    query: (await records.query(plan)).length,
    count: await records.count(),
    scanned,
  };
};

const writes: readonly Case[] = [
  {
    name: "a record expires its own ttl after its last write, else the entity's; -1 is for ever",
    requires: ['expiry'],
    run: async (subject) => {
      const began = await now(subject);
      const visits = subject.store.records(Visit);
      const tickets = subject.store.records(Ticket);
      const own = await write(visits, put('create', Visit, visit({ ttl: 60 })));
      expiresIn(own.record, 60, began);
      const { plan } = planQuery(Visit, {});
      for (const it of [...(await visits.getMany([key])), ...(await visits.query(plan))])
        equal(it?.expiresAtMs, own.record.expiresAtMs, 'as readers are told');
      expiresIn(present(await visits.read(key), 'visit'), 60, began);
      await write(tickets, put('create', Ticket, visit()));
      expiresIn(present(await tickets.read(key), 'ticket'), 120, began);
      await write(tickets, put('replace', Ticket, visit({ ttl: -1 })));
      equal(present(await tickets.read(key), 'ticket').expiresAtMs, undefined, 'for ever');
      await write(visits, patch(key, { ttl: null }));
      equal(present(await visits.read(key), 'visit').expiresAtMs, undefined, 'no own ttl, and no default');
    },
  },
  {
    name: 'every write starts the clock anew, with the ttl that the record has',
    requires: ['expiry'],
    run: async (subject) => {
      const visits = subject.store.records(Visit);
      await write(visits, put('create', Visit, visit({ ttl: 60 })));
      const first = present(present(await visits.read(key), 'first').expiresAtMs, 'first');
      for (let i = 0; (await now(subject)) < first - 58_000; i += 1) {
        ok(i < WAITS, 'time does not pass');
        await pass(subject, 100);
      }
      await write(visits, put('replace', Visit, visit({ n: 1 })));
      const replaced = present(await visits.read(key), 'replaced');
      equal(
        replaced.value,
        visit({ n: 1, ttl: 60 }),
        'the field is kept, like others that the schema does not name',
      );
      ok(present(replaced.expiresAtMs, 'replaced') > first, 'later than before');
      await write(visits, put('replace', Visit, visit({ n: 2 }), { dropUnknown: true }));
      equal(present(await visits.read(key), 'dropped').expiresAtMs, undefined, 'dropped');
    },
  },
  {
    name: 'where nothing expires, ttl is a field like others',
    requires: ['expiry'],
    run: async (subject) => {
      const records = subject.store.records(Task);
      const { record } = await write(records, put('create', Task, task('a', LAST_SECOND)));
      equal(record.expiresAtMs, undefined, 'expiresAtMs');
      equal(present(await records.read(key), 'record').expiresAtMs, undefined, 'as read');
    },
  },
  {
    name: 'an expired record is gone for every read',
    requires: ['expiry'],
    run: async (subject) => {
      const records = subject.store.records(Visit);
      const value = visit(LAST_SECOND);
      await write(records, put('create', Visit, value));
      equal(
        await readings(records),
        { read: value, many: value, got: 1, query: 1, count: 1, scanned: ['a'] },
        'before',
      );
      await untilGone(subject, records);
      equal(
        await readings(records),
        { read: null, many: null, got: 0, query: 0, count: 0, scanned: [] },
        'after',
      );
    },
  },
  {
    name: 'an expired record cannot be replaced, patched or deleted, and a new one takes its key with a later version',
    requires: ['expiry'],
    run: async (subject) => {
      const records = subject.store.records(Visit);
      const old = await write(records, put('create', Visit, visit({ ...LAST_SECOND, old: true })));
      await untilGone(subject, records);
      await rejects(write(records, put('replace', Visit, visit())), 'not-found', 'replace');
      await rejects(write(records, patch(key, { n: 1 })), 'not-found', 'patch');
      equal((await write(records, remove(key))).existed, false, 'delete');
      const made = await write(records, put('upsert', Visit, visit({ n: 2 })));
      equal([made.existed, made.record.value], [false, visit({ n: 2 })], 'nothing of the old one');
      ok(compareVersions(made.record.version, old.record.version) > 0, 'a later version');
      equal((await records.read(key))?.value, visit({ n: 2 }), 'the new one');
    },
  },
  {
    name: 'the unique values of an expired record are free',
    requires: ['expiry', 'unique'],
    run: async (subject) => {
      const records = subject.store.records(Visit);
      await write(records, put('create', Visit, visit({ ...LAST_SECOND, badge: 'gold' })));
      const other = put('create', Visit, visit({ badge: 'gold' }, 'b'));
      await rejects(write(records, other), 'already-exists', 'while it lives');
      await untilGone(subject, records);
      await write(records, other);
      const third = put('create', Visit, visit({ badge: 'gold' }, 'c'));
      await rejects(write(records, third), 'already-exists', 'of the new one');
      await rejects(
        write(records, put('create', Visit, visit({ badge: 'gold' }))),
        'already-exists',
        'again',
      );
    },
  },
];

const at = (counter: number, expiresAtMs: number | undefined, fields: JsonObject = {}): StoredRecord => ({
  ...copyOf(Visit, visit({ ttl: 3_600, ...fields }), { term: 1, counter }),
  expiresAtMs,
});

async function apply(records: RecordStore, record: StoredRecord): Promise<CopyOutcome['kind'] | undefined> {
  return (await records.apply([{ record }]))[0]?.kind;
}

const copies: readonly Case[] = [
  {
    name: 'a copy expires when its record does, whatever its ttl, and keeps its value and digest',
    requires: ['expiry'],
    run: async (subject) => {
      const records = subject.store.records(Visit);
      const record = at(5, (await now(subject)) + 60_000);
      equal(await apply(records, record), 'applied', 'outcome');
      const stored = present(await records.read(key), 'record');
      equal([stored.value, stored.digest], [record.value, record.digest], 'value and digest');
      ok(sameExpiry(stored, record), `${stored.expiresAtMs ?? 'never'} and not ${record.expiresAtMs}`);
      for await (const [summary] of records.scan())
        ok(summary !== undefined && sameExpiry(summary, record), 'as scanned');
      const later = await write(records, patch(key, { n: 1 }));
      expiresIn(later.record, 3_600, await now(subject));
    },
  },
  {
    name: 'a copy that never expires stays so, whatever the default',
    requires: ['expiry'],
    run: async ({ store }) => {
      const records = store.records(Ticket);
      const record = copyOf(Ticket, visit(), { term: 1, counter: 5 });
      equal(await apply(records, record), 'applied', 'outcome');
      const stored = present(await records.read(key), 'record');
      equal([stored.value, stored.expiresAtMs], [visit(), undefined], 'record');
    },
  },
  {
    name: 'a copy that has expired brings nothing to life, and ends what was there before it',
    requires: ['expiry'],
    run: async (subject) => {
      const records = subject.store.records(Visit);
      const moment = await now(subject);
      await apply(records, at(5, moment - 10_000));
      equal((await records.read(key))?.value, undefined, 'over nothing');
      await apply(records, at(6, moment + 60_000));
      equal((await records.read(key))?.value, visit({ ttl: 3_600 }), 'a later version that lives');
      const { value: _, ...expired } = at(7, moment - 5_000);
      await apply(records, { ...expired, value: undefined });
      equal((await records.read(key))?.value, undefined, 'over a record that lives');
      equal(await records.count(), 0, 'count');
      const made = await write(records, put('create', Visit, visit()));
      ok(compareVersions(made.record.version, { term: 1, counter: 7 }) > 0, 'a later version');
    },
  },
  {
    name: 'a copy that has expired is not stored where nothing is, by a store that would remove it',
    requires: ['expiry', 'etag'],
    run: async (subject) => {
      const [outcome] = await subject.store
        .records(Visit)
        .apply([{ record: at(5, (await now(subject)) - 1_000) }]);
      equal(
        [outcome?.kind, outcome && 'there' in outcome ? outcome.there : undefined],
        ['same', undefined],
        'outcome',
      );
    },
  },
  {
    name: 'a copy of the same version corrects the moment, where the store follows',
    requires: ['expiry', 'etag'],
    run: async (subject) => {
      const records = subject.store.records(Visit);
      const moment = await now(subject);
      await apply(records, at(5, moment + 60_000));
      const record = at(5, moment + 600_000);
      equal(await apply(records, record), 'applied', 'outcome');
      ok(sameExpiry(present(await records.read(key), 'record'), record), 'corrected');
      equal(await apply(records, record), 'same', 'again');
    },
  },
];

const foreign: readonly Case[] = [
  {
    name: 'a document of another program expires by its own ttl, and its stamp changes neither moment nor value',
    requires: ['expiry', 'foreign', 'etag'],
    run: async (subject) => {
      const records = subject.store.records(Visit);
      const value = visit({ ttl: 60, legacy: true });
      await present(subject.foreign, 'writer').put(Visit, value);
      const read = present(await records.read(key), 'document');
      expiresIn(read, 60, await now(subject));
      await pass(subject, 500);
      const version = { term: 1, counter: firstCounter(await now(subject)) };
      const [outcome] = await records.apply([{ record: { ...read, version }, ifEtag: read.etag }]);
      equal(outcome?.kind, 'applied', 'stamped');
      const stamped = present(await records.read(key), 'stamped');
      equal([stamped.value, stamped.digest], [value, recordDigest(value)], 'value and digest');
      ok(sameExpiry(stamped, read), 'the moment');
    },
  },
  {
    name: 'a document that expired before its stamp came is not brought back',
    requires: ['expiry', 'foreign', 'etag'],
    run: async (subject) => {
      const records = subject.store.records(Visit);
      await present(subject.foreign, 'writer').put(Visit, visit(LAST_SECOND));
      const read = present(await records.read(key), 'document');
      await untilGone(subject, records);
      const version = { term: 1, counter: firstCounter(await now(subject)) };
      const [outcome] = await records.apply([{ record: { ...read, version }, ifEtag: read.etag }]);
      equal(outcome?.kind, 'changed', 'outcome');
      equal(await records.read(key), undefined, 'gone');
    },
  },
  {
    name: 'what another program writes over a stamp starts its clock anew',
    requires: ['expiry', 'foreign', 'etag'],
    run: async (subject) => {
      const records = subject.store.records(Visit);
      await apply(records, at(5, (await now(subject)) + 30_000));
      await present(subject.foreign, 'writer').put(Visit, visit({ ttl: 600 }));
      const read = present(await records.read(key), 'document');
      equal(read.value, visit({ ttl: 600 }), 'value');
      expiresIn(read, 600, await now(subject));
    },
  },
];

/** Records that expire: the same moment in every store, and nothing comes back after it. */
export const recordExpiryCases: readonly Case[] = [...writes, ...copies, ...foreign];
