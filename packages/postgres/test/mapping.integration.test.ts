import { defineEntity, planQuery } from '@polyphase/core';
import {
  atomicApplyCases,
  bindContract,
  contractEntities,
  dirtyKeyCases,
  queryCases,
  recordCases,
} from '@polyphase/core/testing';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Migrator } from 'kysely/migration';
import { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { postgresMigrations, postgresStore, type TableMap } from '../src/index.ts';

const shape = {
  id: z.string(),
  tenantId: z.string(),
  createdAt: z.string(),
  fullName: z.string().optional(),
};
const key = { partition: 'tenantId', id: 'id' } as const;
const Account = defineEntity({
  name: 'accounts',
  schema: z.object(shape),
  key,
  indexes: [{ fields: ['createdAt'] }, { fields: ['fullName'], unique: 'partition' }],
});
const EVIL = `"; drop table 'x'; --`;
const map = {
  accounts: {
    schema: 'crm',
    table: 'account',
    columns: { id: 'account_id', tenantId: 'tenant', createdAt: 'created_at', fullName: EVIL },
  },
} satisfies TableMap;
const account = (id: string) => ({ id, tenantId: 't', createdAt: `2020-01-0${id}`, fullName: `name ${id}` });

describeWith('postgres')('names that a map gives', () => {
  const database = testDatabase();
  const pool = new Pool({ connectionString: database.url });
  afterAll(() => pool.end());
  const columnsOf = async (table: string): Promise<readonly string[]> => {
    const { rows } = await pool.query<{ name: string }>(
      `select attname as name from pg_attribute where attrelid = $1::regclass and attnum > 0 order by attnum`,
      [table],
    );
    return rows.map(({ name }) => name).filter((name) => !name.startsWith('hyb_'));
  };
  const put = (id: string) =>
    ({
      kind: 'upsert',
      key: { partition: ['t'], id },
      operationId: crypto.randomUUID(),
      value: account(id),
    }) as const;

  it('are those of schema, table, columns and id, in all that is asked', async () => {
    const store = postgresStore({ pool, map });
    await store.prepare([Account]);
    const records = store.records(Account);
    await records.write(put('1'), { term: 1 });
    await records.write(put('2'), { term: 1 });
    expect(await columnsOf('crm.account')).toEqual(['account_id', 'tenant', 'created_at', EVIL]);
    expect(
      (await pool.query('select account_id, created_at, hyb_rest from crm.account order by 1')).rows,
    ).toEqual(['1', '2'].map((id) => ({ account_id: id, created_at: account(id).createdAt, hyb_rest: {} })));
    const { plan } = planQuery(Account, {
      where: { tenantId: 't', createdAt: { gte: '2020' }, fullName: { startsWith: 'name' } },
      orderBy: [['createdAt', 'desc']],
    });
    expect((await records.query(plan)).map(({ value }) => value)).toEqual([account('2'), account('1')]);
    await expect(
      records.write({ ...put('3'), value: { ...account('3'), fullName: 'name 1' } }, { term: 1 }),
    ).rejects.toMatchObject({ code: 'already-exists' });
    await store.dirtyKeys.markAll('accounts');
    expect(await store.dirtyKeys.lag('accounts')).toMatchObject({ count: 2 });
    expect((await store.verify(Account)).filter(({ passed }) => !passed)).toEqual([]);
    expect((await pool.query(`select to_regclass('public.accounts') as none`)).rows).toEqual([
      { none: null },
    ]);
  });

  it('are those of late columns, which are filled from the rest, and of processes that know them not yet', async () => {
    const before = defineEntity({
      name: 'late',
      schema: z.object({ id: z.string(), tenantId: z.string() }),
      key,
    });
    const after = defineEntity({
      name: 'late',
      schema: z.object({ ...shape, createdAt: z.string().optional() }),
      key,
    });
    const old = postgresStore({ pool, map: { late: { table: 'late_ones' } } });
    await old.prepare([before]);
    const value = { id: '1', tenantId: 't', createdAt: 'then', fullName: 'x' };
    await old.records(before).write({ ...put('1'), value }, { term: 1 });
    const columns = { createdAt: 'created_at' };
    await postgresStore({ pool, map: { late: { table: 'late_ones', columns } } }).prepare([after]);
    expect((await pool.query('select created_at, "fullName", hyb_rest from late_ones')).rows).toEqual([
      { created_at: 'then', fullName: 'x', hyb_rest: {} },
    ]);
    expect((await old.records(before).read(put('1').key))?.value).toEqual(value);
    // A column keeps its name, and another field may not take it.
    await expect(
      postgresStore({ pool, map: { late: { table: 'late_ones' } } }).prepare([after]),
    ).rejects.toThrow('field "createdAt" is mapped to column "createdAt" and is in column "created_at"');
    const other = defineEntity({
      name: 'late',
      schema: z.object({ id: z.string(), tenantId: z.string(), created_at: z.string() }),
      key,
    });
    await expect(
      postgresStore({ pool, map: { late: { table: 'late_ones' } } }).prepare([other]),
    ).rejects.toThrow('column "created_at" holds field "createdAt" already');
  });

  it('are those of the migrations that a team runs itself', async () => {
    const mapping = { accounts: { ...map.accounts, schema: 'own "crm"', table: 'select' } };
    const store = postgresStore({ pool, migrations: 'check', map: mapping });
    await expect(store.prepare([Account])).rejects.toThrow('table select is missing');
    const migrator = new Migrator({
      db: store.kysely,
      provider: postgresMigrations([Account], { map: mapping }),
      migrationTableSchema: 'own_migrations',
      allowUnorderedMigrations: true,
    });
    expect((await migrator.migrateToLatest()).error).toBeUndefined();
    await store.prepare([Account]);
    await store.records(Account).write(put('1'), { term: 1 });
    expect((await pool.query('select count(*)::int as n from "own ""crm"""."select"')).rows).toEqual([
      { n: 1 },
    ]);
  });

  it('are checked as a whole, with every problem', () => {
    const problemsOf = (bad: object): unknown => {
      try {
        return postgresStore({ pool, map: bad as TableMap });
      } catch (error) {
        return error;
      }
    };
    expect(
      problemsOf({
        a: {
          schema: 'pg_mine',
          table: 't'.repeat(64),
          columns: { x: 'hyb_pk', y: 'ctid', z: 'nul\0', u: '\ud800' },
        },
        b: { columns: { x: 'same', y: 'same' } },
        c: { tabel: 'c', columns: { x: 1 } },
        d: 'd',
        e: { columns: [] },
      }),
    ).toMatchObject({
      code: 'invalid-options',
      problems: [
        expect.stringMatching(/^map\.a\.schema "pg_mine"/),
        expect.stringMatching(/^map\.a\.table "tttt/),
        expect.stringMatching(/^map\.a\.columns: field "x" cannot be in column "hyb_pk"/),
        expect.stringMatching(/column "ctid"/),
        expect.stringMatching(/column "nul\\u0000"/),
        expect.stringMatching(/column "\\ud800"/),
        expect.stringMatching(/^map\.b\.columns: fields "x" and "y" cannot both be in column "same"/),
        expect.stringMatching(/^map\.c has an unknown part "tabel"/),
        expect.stringMatching(/^map\.c\.columns: field "x" cannot be in column \(number\)/),
        'map.d must be an object',
        'map.e.columns must be an object of names',
      ],
    });
    expect(problemsOf({ a: { table: 'one' }, b: { table: 'one' } })).toMatchObject({
      problems: ['entities "a" and "b" cannot both be in table ["public","one"]'],
    });
    expect(() => postgresMigrations([Account], { map: { accounts: { table: '' } } })).toThrow(
      'map.accounts.table ""',
    );
  });

  it('must be those of entities and fields that are there, and collide with none', async () => {
    const [Other, Third] = ['others', 'thirds'].map((name) =>
      defineEntity({ name, schema: z.object(shape), key }),
    );
    const all = [Account, Other, Third].filter((entity) => entity !== undefined);
    const prepare = (bad: TableMap) => postgresStore({ pool, map: bad }).prepare(all);
    await expect(
      prepare({
        acounts: { table: 'x' },
        others: { table: 'thirds' },
        accounts: { columns: { createdAt: 'fullName', nope: 'n' } },
      }),
    ).rejects.toMatchObject({
      code: 'invalid-options',
      problems: [
        'map.acounts is no entity that the store knows; there are accounts, others, thirds',
        'entities "others" and "thirds" cannot both be in table ["public","thirds"]',
        'map.accounts.columns: field "nope" is not in its schema',
        'map.accounts.columns: fields "createdAt" and "fullName" cannot both be in column "fullName"',
      ],
    });
  });
});

describeWith('postgres')('PostgreSQL keeps the contracts under other names', () => {
  const database = testDatabase();
  const pool = new Pool({ connectionString: database.url });
  const renamed = (name: string): string => `of "${name}"`;
  const store = postgresStore({
    pool,
    map: Object.fromEntries(
      contractEntities.map(({ name, fields }) => [
        name,
        {
          schema: 'named',
          table: renamed(name),
          columns: Object.fromEntries(fields.map((field) => [field.name, renamed(field.name)])),
        },
      ]),
    ),
  });
  beforeAll(() => store.prepare(contractEntities));
  afterAll(() => pool.end());
  const subject = async () => {
    const tables = contractEntities.map(({ name }) => `named."of ""${name}"""`);
    await pool.query(
      `truncate ${tables.join(', ')}, polyphase.checkpoint, polyphase.dirty_key, polyphase.journal`,
    );
    const { rows } = await pool.query<{ now: number }>(
      'select (extract(epoch from now()) * 1000)::float8 as now',
    );
    return { store, serverNowMs: async () => rows[0]?.now ?? 0 };
  };
  const binding = {
    capabilities: ['base', 'atomic-apply', 'multi-partition', 'unique', 'unique-global'] as const,
    it,
    subject,
  };
  describe('records', () => {
    bindContract(recordCases, binding);
    bindContract(queryCases, binding);
    bindContract(atomicApplyCases, binding);
    bindContract(dirtyKeyCases, binding);
  });
});
