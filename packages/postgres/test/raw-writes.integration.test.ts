import {
  bucketOf,
  defineEntity,
  type Phase,
  partitionText,
  type RecordKey,
  type RecordSummary,
  recordDigest,
} from '@polyphase/core';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import fc from 'fast-check';
import { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { z } from 'zod';
import { postgresStore } from '../src/index.ts';
import { appears, controlRow, keyOf, upsert } from './support.ts';

const Account = defineEntity({
  name: 'accounts',
  schema: z.object({
    id: z.string(),
    tenant: z.string(),
    email: z.string().nullable().optional(),
    age: z.number().optional(),
    createdAt: z.string().optional(),
    tags: z.array(z.string()).optional(),
  }),
  key: { partition: 'tenant', id: 'id' },
  indexes: [{ fields: ['age'] }],
});
const Reading = defineEntity({
  name: 'readings',
  schema: z.object({
    id: z.string(),
    site: z.string(),
    sensor: z.object({ line: z.string() }),
    year: z.number(),
  }),
  key: { partition: ['site', 'sensor.line', 'year'], id: 'id' },
});
const map = {
  accounts: {
    schema: 'crm',
    table: 'account',
    columns: { id: 'account_id', createdAt: 'created_at' },
    types: { createdAt: 'timestamptz' },
  },
} as const;

describeWith('postgres')('writes around the SDK', () => {
  const database = testDatabase();
  const pool = new Pool({ connectionString: database.url, max: 4 });
  const store = postgresStore({ pool, map });
  const accounts = store.records(Account);
  beforeAll(() => store.prepare([Account, Reading]));
  beforeEach(() =>
    pool.query('truncate crm.account, readings, polyphase.control, polyphase.dirty_key, polyphase.journal'),
  );
  afterAll(() => pool.end());

  const phase = (at: Phase, term = 3) => store.control.create(controlRow('accounts', at, term));
  const write = (id: string, fields = {}) => accounts.write(upsert(id, fields), { term: 2 });
  const dirty = async () =>
    (await store.dirtyKeys.claim('accounts', 10, 0)).map(({ key, version }) => ({ id: key.id, version }));
  const scanned = async (key: RecordKey): Promise<RecordSummary | undefined> => {
    for await (const page of accounts.scan({ buckets: { from: bucketOf(key), to: bucketOf(key) + 1 } }))
      for (const summary of page) if (summary.key.id === key.id) return summary;
    return undefined;
  };
  const refusal = (sql: string): Promise<unknown> =>
    pool.query(sql).then(
      () => 'taken',
      (error: unknown) => error,
    );

  it('buckets and partitions are those of the core', async () => {
    const level = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'grapheme', maxLength: 40 }),
      fc.constantFrom(null, true, false, 0, -1, 999_999_999_999_999),
      fc.integer(),
    );
    const key = fc
      .tuple(fc.array(level, { minLength: 1, maxLength: 3 }), fc.string({ unit: 'grapheme', minLength: 1 }))
      .filter(
        ([levels, id]) =>
          !JSON.stringify([levels, id]).includes('\\u0000') && JSON.stringify([levels, id]).isWellFormed(),
      )
      .filter(([levels, id]) =>
        [...levels, id].every(
          (one) => typeof one !== 'string' || (one.isWellFormed() && !one.includes('\0')),
        ),
      );
    await fc.assert(
      fc.asyncProperty(key, async ([partition, id]) => {
        const text = partitionText(partition);
        const { rows } = await pool.query(
          'select polyphase.bucket_of($1) as bucket, polyphase.partition_text($2, $3) as text',
          [
            `${text} ${id}`,
            JSON.stringify(Object.fromEntries(partition.map((one, i) => [`l${i}`, one]))),
            JSON.stringify(partition.map((_, i) => [`l${i}`])),
          ],
        );
        expect(rows).toEqual([{ bucket: bucketOf({ partition, id }), text }]);
      }),
      { numRuns: 300 },
    );
    const { rows } = await pool.query(
      `select polyphase.partition_text('{"a":1.5}', '[["a"]]') as fraction, polyphase.partition_text('{"a":1e21}', '[["a"]]') as large,
        polyphase.partition_text('{"a":{"b":"x"}}', '[["a","b"],["c"]]') as deep`,
    );
    expect(rows).toEqual([{ fraction: null, large: null, deep: '["x",{}]' }]);
  });

  it('an update is a version of its own, with a digest, and captured', async () => {
    await phase('6');
    const { record } = await write('1', {
      email: null,
      age: 1,
      createdAt: '2020-01-01T00:00:00.000Z',
      other: [1],
    });
    await pool.query(
      `update crm.account set email = 'x', created_at = '2021-01-01T00:00:00+01:00', hyb_rest = hyb_rest || '{"more":2}'`,
    );
    const there = await accounts.read(keyOf('1'));
    const value = {
      id: '1',
      tenant: 't',
      email: 'x',
      age: 1,
      createdAt: '2020-12-31T23:00:00.000Z',
      other: [1],
      more: 2,
    };
    const version = { term: 3, counter: record.version.counter + 1 };
    expect(there).toMatchObject({ version, value, digest: recordDigest(value) });
    expect(there?.base).toEqual({ ...record.version, digest: record.digest });
    expect(there?.operations).toEqual(record.operations);
    expect(await dirty()).toEqual([{ id: '1', version }]);
    expect(await scanned(keyOf('1'))).toMatchObject({ version, digest: recordDigest(value) });
    // The SDK goes on from there, and leaves a digest again.
    const next = await accounts.write(upsert('1', { age: 2 }), { term: 3 });
    expect(next.record.version.counter).toBe(version.counter + 1);
    expect(next.record.base).toEqual(there?.base);
    // What changes nothing makes no version.
    await pool.query('update crm.account set age = age');
    expect((await accounts.read(keyOf('1')))?.version).toEqual(next.record.version);
  });

  it('an insert gets key, version and bucket; a deletion leaves a tombstone, from which the next insert goes on', async () => {
    await phase('6');
    await pool.query(`insert into crm.account (account_id, tenant, age) values ('a"é', 'tenant "1"', 7)`);
    const key = { partition: ['tenant "1"'], id: 'a"é' };
    const first = await accounts.read(key);
    const value = { id: 'a"é', tenant: 'tenant "1"', age: 7 };
    expect(first).toMatchObject({
      value,
      digest: recordDigest(value),
      base: undefined,
      version: { term: 3 },
    });
    expect((first?.version.counter ?? 0) / 1024).toBeGreaterThan(Date.now() - 600_000);
    expect(await scanned(key)).toMatchObject({ version: first?.version });
    expect((await pool.query('delete from crm.account')).rowCount).toBe(0);
    const tombstone = await accounts.read(key);
    const counter = (first?.version.counter ?? 0) + 1;
    expect(tombstone).toMatchObject({
      value: undefined,
      digest: recordDigest(undefined),
      version: { term: 3, counter },
    });
    expect(await dirty()).toEqual([{ id: key.id, version: { term: 3, counter } }]);
    expect(await accounts.count()).toBe(0);
    // Whoever writes to the whole table leaves tombstones alone.
    await pool.query('update crm.account set age = 1');
    await pool.query('delete from crm.account');
    expect(await accounts.read(key)).toEqual(tombstone);
    await pool.query(`insert into crm.account (account_id, tenant, age) values ('a"é', 'tenant "1"', 8)`);
    expect(await accounts.read(key)).toMatchObject({
      value: { age: 8 },
      version: { term: 3, counter: counter + 1 },
    });
    await expect(
      pool.query(`insert into crm.account (account_id, tenant) values ('a"é', 'tenant "1"')`),
    ).rejects.toMatchObject({ code: '23505' });
    await pool.query('update crm.account set hyb_deleted = true');
    expect(await accounts.read(key)).toMatchObject({ value: undefined, version: { counter: counter + 2 } });
    expect((await pool.query('select age, hyb_rest from crm.account')).rows).toEqual([
      { age: null, hyb_rest: {} },
    ]);
  });

  it('a level that is nested, and one that is a number', async () => {
    const insert = (year: string, pk: string) =>
      refusal(
        `insert into readings (id, site, sensor, year, hyb_pk) values ('1', 's', '{"line":"l"}', ${year}, ${pk})`,
      );
    await insert('2020', 'null');
    expect(
      (await store.records(Reading).read({ partition: ['s', 'l', 2020], id: '1' }))?.value,
    ).toMatchObject({ year: 2020 });
    expect(await insert('0.5', 'null')).toMatchObject({
      code: '23514',
      message: expect.stringContaining('hyb_pk be given'),
    });
    await insert('0.5', `'["s","l",0.5]'`);
    expect(await store.records(Reading).read({ partition: ['s', 'l', 0.5], id: '1' })).toMatchObject({
      version: { term: 1 },
    });
    expect(await refusal(`update readings set sensor = '{"line":"m"}' where year = 0.5`)).toMatchObject({
      code: '23514',
    });
    expect(await refusal('update readings set year = 2021 where year = 2020')).toMatchObject({
      code: '23514',
    });
    expect(await refusal(`update readings set sensor = '{"line":"l","more":1}'`)).toBe('taken');
  });

  it('what would break a row is refused, and says why', async () => {
    await write('1', { email: 'x' });
    for (const [set, why] of [
      [`hyb_rest = '[]'`, 'must be an object'],
      [`hyb_rest = 'null'`, 'must be an object'],
      [`hyb_rest = '{"id":"2"}'`, 'must be an object of fields that have no column'],
      [`hyb_rest = '{"email":"y"}'`, 'field email of account belongs in its column'],
      [`hyb_rest = '{"age":1}'`, 'field age of account belongs in its column'],
      [`age = 'NaN'`, 'must be a finite number'],
      [`age = '-infinity'`, 'must be a finite number'],
      [`account_id = '2'`, 'the key of a record of account cannot change'],
      [`hyb_pk = '["u"]'`, 'the key of a record of account cannot change'],
      [`tenant = 'u'`, 'the partition of a record of account must be the one of its key'],
      ['tenant = null', 'the partition of a record of account must be the one of its key'],
    ])
      expect([set, await refusal(`update crm.account set ${set}`)]).toMatchObject([
        set,
        { code: '23514', constraint: 'hyb_raw_write', message: expect.stringContaining(why ?? '') },
      ]);
    for (const id of ["'a/b'", "'a\\b'", "''", "'.'", "'hyb:x'", "'x '", 'null', "repeat('x', 1024)"])
      expect([
        id,
        await refusal(`insert into crm.account (account_id, tenant) values (${id}, 't')`),
      ]).toMatchObject([id, { code: '23514' }]);
    expect(
      await refusal(`insert into crm.account (account_id, tenant, hyb_pk) values ('2', 't', '["u"]')`),
    ).toMatchObject({ code: '23514' });
    expect((await accounts.read(keyOf('1')))?.value).toEqual({ id: '1', tenant: 't', email: 'x' });
    expect(await accounts.count()).toBe(1);
  });

  it.for(['7', '7r', undefined] as const)(
    'in phase %s: a version always, a dirty key where phases capture',
    async (at) => {
      if (at) await phase(at);
      const { record } = await write('1');
      await pool.query('update crm.account set age = 1');
      expect((await accounts.read(keyOf('1')))?.version).toEqual({
        term: at ? 3 : 2,
        counter: record.version.counter + 1,
      });
      expect((await dirty()).length).toBe(at === '7r' ? 1 : 0);
    },
  );

  it.for(['0', '1', '2', '3', '4', '5'] as const)(
    'in phase %s it is drift: the version stays, the digest tells',
    async (at) => {
      await phase(at);
      const { record } = await write('1', { age: 1 });
      await write('2');
      await pool.query(`update crm.account set age = 2 where account_id = '1'`);
      const value = { id: '1', tenant: 't', age: 2 };
      expect(await scanned(keyOf('1'))).toEqual({
        key: keyOf('1'),
        version: record.version,
        digest: recordDigest(value),
      });
      await pool.query(`delete from crm.account where account_id = '2'`);
      expect(await accounts.read(keyOf('2'))).toBeUndefined();
      await pool.query(`insert into crm.account (account_id, tenant) values ('3', 't')`);
      expect(await accounts.read(keyOf('3'))).toMatchObject({ version: { term: 0, counter: 0 } });
      const letters = await store.journal.list('accounts');
      expect(letters.map(({ kind, key, bodies }) => [kind, key, bodies.ours])).toEqual([
        ['dead-letter', '["t"] 1', expect.stringContaining('"age": 2')],
        ['dead-letter', '["t"] 2', undefined],
        ['dead-letter', '["t"] 3', expect.stringContaining('"id": "3"')],
      ]);
      const version = { term: 3, counter: record.version.counter + 1 };
      await accounts.apply(
        ['1', '2', '3'].map((id) => ({
          record: {
            ...record,
            key: keyOf(id),
            version,
            value: { id, tenant: 't' },
            digest: recordDigest({ id, tenant: 't' }),
          },
        })),
      );
      expect((await store.journal.count('accounts')).deadLetters).toBe(0);
      expect(await dirty()).toEqual([]);
    },
  );

  it('while the authority moves back it is refused, and may be tried again', async () => {
    await phase("5'");
    await write('1');
    expect(await refusal('update crm.account set age = 1')).toMatchObject({ code: '55P03' });
    expect(await refusal('delete from crm.account')).toMatchObject({ code: '55P03' });
    expect((await accounts.read(keyOf('1')))?.value).toEqual({ id: '1', tenant: 't' });
  });

  it('a step that seals waits for one that is under way, and so its key is dirty before the drain', async () => {
    const row = await phase('6');
    await write('1');
    const raw = await pool.connect();
    await raw.query('begin');
    await raw.query('update crm.account set age = 1');
    const sealing = store.control.advance(
      'accounts',
      row.epoch,
      { phase: "5'", term: 3 },
      { exclusive: true },
    );
    await appears(pool, `select from pg_locks where locktype = 'advisory' and not granted`);
    await raw.query('commit');
    raw.release();
    expect((await sealing)?.phase).toBe("5'");
    expect((await dirty()).length).toBe(1);
  });

  it('a snapshot of before the seal does not write after it', async () => {
    const row = await phase('6');
    await write('1');
    const raw = await pool.connect();
    await raw.query('begin isolation level repeatable read');
    await raw.query('select 1 from crm.account');
    await store.control.advance('accounts', row.epoch, { phase: "5'", term: 3 }, { exclusive: true });
    await expect(raw.query('update crm.account set age = 1')).rejects.toMatchObject({ code: '40001' });
    await raw.query('rollback');
    raw.release();
  });

  it('what the SDK writes passes without a call', async () => {
    await pool.query('alter function polyphase.raw_write() rename to raw_write_away');
    await pool.query(
      `create function polyphase.raw_write() returns trigger language plpgsql as $$ begin raise exception 'called'; end $$`,
    );
    const { rows } = await pool.query<{ def: string }>(
      `select pg_get_triggerdef(oid) as def from pg_trigger where tgrelid = 'crm.account'::regclass and tgname like 'hyb_%'`,
    );
    for (const { def } of rows)
      await pool.query(
        def.replace('raw_write_away', 'raw_write').replace('CREATE TRIGGER', 'CREATE OR REPLACE TRIGGER'),
      );
    try {
      await phase('6', 2);
      await write('1');
      await accounts.write(upsert('1', { age: 1 }), { term: 2, fence: 'accounts' });
      await accounts.write({ kind: 'delete', key: keyOf('1'), operationId: 'd' }, { term: 2 });
      await accounts.write(upsert('1'), { term: 2 });
      expect(await refusal('update crm.account set age = 3')).toMatchObject({ message: 'called' });
      expect(await refusal('delete from crm.account')).toMatchObject({ message: 'called' });
    } finally {
      await pool.query('drop function polyphase.raw_write() cascade');
      await pool.query('alter function polyphase.raw_write_away() rename to raw_write');
      for (const { def } of rows) await pool.query(def.replace('raw_write_away', 'raw_write'));
    }
  });

  it('somebody without rights on the SDK’s tables may write', async () => {
    await phase('6');
    await pool.query(`drop role if exists guest_of_crm; create role guest_of_crm`);
    await pool.query(
      'grant usage on schema crm to guest_of_crm; grant select, insert, update, delete on crm.account to guest_of_crm',
    );
    const raw = await pool.connect();
    await raw.query('set role guest_of_crm');
    await raw.query(`insert into crm.account (account_id, tenant) values ('1', 't')`);
    await raw.query('update crm.account set age = 1');
    await raw.query('delete from crm.account');
    await raw.query('reset role');
    raw.release();
    expect((await dirty()).length).toBe(1);
    await pool.query('drop owned by guest_of_crm; drop role guest_of_crm');
  });

  it('a trigger that is missing or disabled is told', async () => {
    await pool.query('alter table crm.account disable trigger hyb_raw_update');
    const gate = (await store.verify(Account)).find(({ name }) => name === 'postgres-raw-writes');
    expect(gate).toMatchObject({ passed: false, seen: 'trigger hyb_raw_update is missing or disabled' });
    await pool.query('alter table crm.account enable trigger hyb_raw_update');
    expect((await store.verify(Account)).filter(({ passed }) => !passed)).toEqual([]);
  });
});
