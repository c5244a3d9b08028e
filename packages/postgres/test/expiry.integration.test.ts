import {
  defineEntity,
  encodeVersion,
  type JsonObject,
  keyOfValue,
  type RecordKey,
  recordDigest,
  type StoredRecord,
} from '@polyphase/core';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { postgresStore } from '../src/index.ts';
import { controlRow } from './support.ts';

const schema = z.object({
  id: z.string(),
  tenant: z.string(),
  email: z.string().optional(),
  size: z.union([z.number(), z.string()]).optional(),
});
const key = { partition: 'tenant', id: 'id' } as const;
const indexes = [
  { fields: ['email'], unique: 'global' },
  { fields: ['size', 'email'], unique: 'partition' },
] as const;
const Seat = defineEntity({ name: 'seats', schema, key, indexes, ttl: '1h' });

const keyOf = (id: string, tenant = 't'): RecordKey => ({ partition: [tenant], id });
const seat = (id: string, fields: JsonObject = {}, tenant = 't'): JsonObject => ({ id, tenant, ...fields });
const create = (value: JsonObject) =>
  ({ kind: 'create', key: keyOfValue(Seat, value), operationId: crypto.randomUUID(), value }) as const;
const copyOf = (value: JsonObject, counter: number, expiresAtMs: number | undefined): StoredRecord => ({
  key: keyOfValue(Seat, value),
  version: { term: 1, counter },
  value,
  digest: recordDigest(value),
  operations: [],
  expiresAtMs,
});

describeWith('postgres')('records that expire in PostgreSQL', () => {
  const database = testDatabase();
  const pool = new Pool({ connectionString: database.url });
  const store = postgresStore({ pool });
  const records = store.records(Seat);
  beforeAll(() => store.prepare([Seat]));
  beforeEach(() => pool.query('truncate seats, polyphase.control, polyphase.dirty_key'));
  afterAll(() => pool.end());

  const expire = async (id: string, ago = '1 second'): Promise<void> => {
    // As its own write would have it: a version that changes passes the triggers.
    await pool.query(
      `update seats set hyb_expires_at = now() - $2::interval, hyb_counter = hyb_counter + 1 where id = $1`,
      [id, ago],
    );
  };
  const columnsOf = async (id: string) => {
    const { rows } = await pool.query(
      `select hyb_deleted, hyb_clash, hyb_expires_at is not null as expires, hyb_digest from seats where id = $1`,
      [id],
    );
    return rows[0];
  };

  test('the moment is a timestamp that everybody can read', async () => {
    const { record } = await records.write(create(seat('a', { ttl: 60 })), { term: 1 });
    const { rows } = await pool.query<{ at: Date }>('select hyb_expires_at as at from seats');
    expect(rows[0]?.at.getTime()).toBe(record.expiresAtMs);
  });

  test('of an expired record all is read but the value, so that versions go on', async () => {
    const { record } = await records.write(create(seat('a')), { term: 1 });
    await expire('a');
    const read = await records.read(keyOf('a'));
    expect(read).toMatchObject({ value: undefined, digest: record.digest, operations: record.operations });
    const again = await records.write(create(seat('a', { email: 'new' })), { term: 1 });
    expect(again.existed).toBe(false);
    expect(again.record.version.counter).toBe((read?.version.counter ?? 0) + 1);
    expect((await records.read(keyOf('a')))?.value).toEqual(seat('a', { email: 'new' }));
  });

  test.each<[string, JsonObject, string]>([
    ['a text in another partition', { email: 'x' }, 'u'],
    ['a number beside a missing value', { size: 5 }, 't'],
    ['a text where others are numbers', { size: 'big', email: 'y' }, 't'],
    ['two missing values', {}, 't'],
  ])('unique values are free after the time: %s', async (_, fields, tenant) => {
    await records.apply([{ record: copyOf(seat('a', fields), 1, undefined) }]);
    const intent = create(seat('b', fields, tenant));
    await expect(records.write(intent, { term: 1 })).rejects.toMatchObject({ code: 'already-exists' });
    await expire('a');
    await records.write(intent, { term: 1 });
    expect(await records.count()).toBe(1);
    expect((await columnsOf('a'))?.hyb_clash).toBe(true);
    // Out of the way, and no record that shares a value.
    expect((await store.verify(Seat)).filter(({ passed }) => !passed)).toEqual([]);
    // Written again, it is back in the indexes, with values of its own.
    await records.write(create(seat('a', { email: 'own', size: 7 })), { term: 1 });
    expect((await columnsOf('a'))?.hyb_clash).toBe(false);
  });

  test('a write of one round trip has its moment by the date of the server, and goes the other way to take a unique value over', async () => {
    const began = Date.now();
    const made = await records.write(create(seat('a', { email: 'x', ttl: 60 })), { term: 1 });
    const moment = made.record.expiresAtMs ?? 0;
    expect(Math.abs(moment - began - 60_000)).toBeLessThan(5_000);
    expect([moment % 1_000, (await records.read(keyOf('a')))?.expiresAtMs]).toEqual([0, moment]);
    const over = (fields: JsonObject, from: StoredRecord) =>
      ({
        ...create(seat('a', fields)),
        kind: 'replace',
        dropUnknown: true,
        ifVersion: encodeVersion(from.version),
      }) as const;
    const hour = await records.write(over({ email: 'x' }, made.record), { term: 1 });
    expect(Math.abs((hour.record.expiresAtMs ?? 0) - began - 3_600_000)).toBeLessThan(5_000);
    const ever = await records.write(over({ email: 'x', ttl: -1 }, hour.record), { term: 1 });
    expect([ever.record.expiresAtMs, (await records.read(keyOf('a')))?.expiresAtMs]).toEqual([
      undefined,
      undefined,
    ]);
    await expire('a');
    const expired = await records.read(keyOf('a'));
    if (!expired) throw new Error('no row');
    await expect(records.write(over({ email: 'y' }, expired), { term: 1 })).rejects.toMatchObject({
      code: 'not-found',
    });
    const other = await records.write(create(seat('b', { email: 'x' })), { term: 1 });
    expect(other.record.value).toEqual(seat('b', { email: 'x' }));
  });

  test('other expired records keep their places in the indexes', async () => {
    for (const id of ['a', 'b']) await records.write(create(seat(id, { email: id, size: 1 })), { term: 1 });
    await expire('a');
    await expire('b');
    await records.write(create(seat('c', { email: 'a', size: 1 })), { term: 1 });
    expect([(await columnsOf('a'))?.hyb_clash, (await columnsOf('b'))?.hyb_clash]).toEqual([true, false]);
  });

  test('a unit of work takes a unique value over, and rolls that back when it fails', async () => {
    await records.write(create(seat('a', { email: 'x' })), { term: 1 });
    await expire('a');
    const options = { operationId: 'unit', fenceOf: () => ({ term: 1 }) };
    const failing = store.runUnit(async (unit) => {
      await unit.records(Seat).write(create(seat('b', { email: 'x' })));
      throw new Error('no');
    }, options);
    await expect(failing).rejects.toThrow('no');
    expect((await columnsOf('a'))?.hyb_clash).toBe(false);
    await store.runUnit((unit) => unit.records(Seat).write(create(seat('b', { email: 'x' }))), options);
    expect((await records.read(keyOf('b')))?.value).toEqual(seat('b', { email: 'x' }));
  });

  test('a copy takes a unique value over: it is in the indexes after its page', async () => {
    await records.apply([{ record: copyOf(seat('a', { email: 'x' }), 1, undefined) }]);
    await expire('a');
    await records.apply([{ record: copyOf(seat('b', { email: 'x' }), 1, undefined) }]);
    expect([(await columnsOf('a'))?.hyb_clash, (await columnsOf('b'))?.hyb_clash]).toEqual([true, false]);
    await expect(records.write(create(seat('c', { email: 'x' })), { term: 1 })).rejects.toMatchObject({
      code: 'already-exists',
    });
  });

  test('raw SQL: an insert takes the key of an expired record with the next version, and a changed moment is a write', async () => {
    await store.control.create(controlRow('seats', '6'));
    await records.write(create(seat('a')), { term: 2, fence: 'seats' });
    await expire('a');
    const before = await records.read(keyOf('a'));
    await pool.query(`insert into seats (id, tenant, email) values ('a', 't', 'raw')`);
    const raw = await records.read(keyOf('a'));
    expect(raw?.value).toEqual(seat('a', { email: 'raw' }));
    expect(raw?.version).toEqual({ term: 2, counter: (before?.version.counter ?? 0) + 1 });
    await pool.query('truncate polyphase.dirty_key');
    await pool.query(`update seats set hyb_expires_at = now() + interval '1 hour'`);
    expect((await records.read(keyOf('a')))?.version.counter).toBe((raw?.version.counter ?? 0) + 1);
    expect((await store.dirtyKeys.lag('seats')).count).toBe(1);
  });

  test('raw SQL: what expired a week ago may be removed for good, unless it is still to be copied', async () => {
    await store.control.create(controlRow('seats', '6'));
    for (const id of ['old', 'dirty', 'young', 'live'])
      await records.write(create(seat(id, { email: id, size: id })), { term: 2, fence: 'seats' });
    await pool.query(`delete from polyphase.dirty_key where id <> 'dirty'`);
    for (const id of ['old', 'dirty']) await expire(id, '8 days');
    await expire('young', '6 days');
    await pool.query('delete from seats where hyb_expires_at < now()');
    const { rows } = await pool.query<{ id: string }>('select id from seats order by id');
    expect(rows.map(({ id }) => id)).toEqual(['dirty', 'live', 'young']);
    expect(await records.count()).toBe(1);
  });

  test('a tombstone made by raw SQL does not expire', async () => {
    await records.write(create(seat('a')), { term: 1 });
    await pool.query('delete from seats');
    const read = await records.read(keyOf('a'));
    expect([read?.value, read?.expiresAtMs]).toEqual([undefined, undefined]);
  });

  test('a table of before gets its column by a migration; without it the message says what to do', async () => {
    const Old = defineEntity({ name: 'old_ones', schema, key });
    await store.prepare([Old]);
    await pool.query('alter table old_ones drop column hyb_expires_at');
    const checking = postgresStore({ pool, migrations: 'check' });
    await expect(checking.prepare([Old])).rejects.toThrow(
      /column hyb_expires_at is missing.*apply the migrations/s,
    );
    await pool.query(`delete from polyphase.kysely_migration where name like 'entity.public.old_ones.%'`);
    await store.prepare([Old]);
    await checking.prepare([Old]);
  });
});
