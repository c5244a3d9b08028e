import { defineEntity, type Entity, type JsonObject, recordDigest, type WriteIntent } from '@polyphase/core';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Migrator } from 'kysely/migration';
import { Pool } from 'pg';
import { afterAll, expect, it } from 'vitest';
import { z } from 'zod';
import { type PostgresStore, postgresMigrations, postgresStore } from '../src/index.ts';

const base = { id: z.string(), tenant: z.string() };
const key = { partition: 'tenant', id: 'id' } as const;

const put = (id: string, fields: JsonObject, kind: 'upsert' | 'replace' = 'upsert'): WriteIntent => ({
  kind,
  key: { partition: ['t'], id },
  operationId: crypto.randomUUID(),
  value: { id, tenant: 't', ...fields },
});

const valueOf = async (store: PostgresStore, entity: Entity, id: string) =>
  (await store.records(entity).read({ partition: ['t'], id }))?.value;

describeWith('postgres')('migrations', () => {
  const database = testDatabase();
  const pool = new Pool({ connectionString: database.url });
  afterAll(() => pool.end());
  const tableOf = async (schema: string, table: string): Promise<Readonly<Record<string, string>>> => {
    const { rows } = await pool.query<{ name: string; type: string }>(
      `select attname as name, format_type(atttypid, null) as type from pg_attribute
       where attrelid = format('%I.%I', $1::text, $2::text)::regclass and attnum > 0`,
      [schema, table],
    );
    return Object.fromEntries(rows.map(({ name, type }) => [name, type]));
  };

  it('several that start at once all succeed', async () => {
    const entity = defineEntity({
      name: 'starts',
      schema: z.object({ ...base, at: z.string() }),
      key,
      indexes: [{ fields: ['at'] }],
    });
    const pools = Array.from({ length: 4 }, () => new Pool({ connectionString: database.url, max: 2 }));
    await Promise.all(pools.map((own) => postgresStore({ pool: own, schema: 'starting' }).prepare([entity])));
    await Promise.all(pools.map((own) => own.end()));
    const answers = await postgresStore({ pool, schema: 'starting' }).verify(entity);
    expect(answers.filter(({ passed }) => !passed)).toEqual([]);
    expect(answers.length).toBeGreaterThan(3);
  });

  it('"check" says what is missing, and changes nothing', async () => {
    const entity = defineEntity({
      name: 'checked',
      schema: z.object(base),
      key,
      indexes: [{ fields: ['id'] }],
    });
    const store = postgresStore({ pool, schema: 'checking', migrations: 'check' });
    await expect(store.prepare([entity])).rejects.toMatchObject({
      code: 'invalid-options',
      message: expect.stringContaining('table checked is missing'),
    });
    await expect(store.records(entity).count()).rejects.toMatchObject({ code: 'invalid-options' });
    await postgresStore({ pool, schema: 'checking' }).prepare([entity]);
    await store.prepare([entity]);
    const { rows } = await pool.query<{ name: string }>(
      "select indexname as name from pg_indexes where indexname like 'checked_by_bucket%'",
    );
    await pool.query(
      `drop index checking.${rows[0]?.name}; alter table checking.checked drop column hyb_ops`,
    );
    await expect(store.prepare([entity])).rejects.toMatchObject({
      message: expect.stringMatching(
        /column hyb_ops is missing[\s\S]*index checked_by_bucket_\w+ is missing/,
      ),
    });
  });

  it('columns of the SDK that an earlier version did not know are missed, and added', async () => {
    const entity = defineEntity({ name: 'upgraded', schema: z.object(base), key });
    const store = postgresStore({ pool, schema: 'upgrading' });
    await store.prepare([entity]);
    const later = {
      member: 'supports',
      control: 'wish_together',
    };
    for (const [table, column] of Object.entries(later))
      await pool.query(`alter table polyphase.${table} drop column ${column}`);
    await pool.query(
      "delete from polyphase.kysely_migration where name in ('000008-together', '000009-member-supports')",
    );
    const answers = await store.verify(entity);
    expect(answers.find(({ name }) => name === 'postgres-sdk-tables')).toMatchObject({
      passed: false,
      seen: expect.stringMatching(/control\.wish_together is missing.*member\.supports is missing/),
    });
    await store.prepare([entity]);
    for (const [table, column] of Object.entries(later))
      expect(await tableOf('polyphase', table)).toHaveProperty(column);
  });

  it('types are exact, and what has no column of its own is kept all the same', async () => {
    const long = 'f'.repeat(64);
    const odd = [
      '"; drop table "x',
      "o'clock",
      'a"b\\',
      'select',
      'Ünïcode',
      'ctid',
      'hyb_pk',
      long,
      '__proto__',
      'a.b',
      ' ',
    ];
    const entity = defineEntity({
      name: 'odd-Names',
      schema: z.object({
        ...base,
        ...Object.fromEntries(odd.map((name) => [name, z.string().optional()])),
        ['__proto__']: z.string().optional(),
        count: z.number(),
        on: z.boolean().nullable(),
        list: z.array(z.string()).optional(),
      }),
      key,
      indexes: [
        { fields: ["o'clock"] },
        { fields: ['a"b\\'], unique: 'partition' },
        { fields: ['on', 'count'] },
      ],
      loose: true,
    });
    const store = postgresStore({ pool, schema: 'Odd "schema"' });
    await store.prepare([entity]);
    const columns = await tableOf('Odd "schema"', 'odd-Names');
    expect(columns).toMatchObject({
      tenant: 'text',
      count: 'double precision',
      on: 'boolean',
      list: 'jsonb',
      select: 'text',
      'a"b\\': 'text',
      '"; drop table "x': 'text',
    });
    expect(columns).not.toHaveProperty(long.slice(0, 63));
    const fields = JSON.parse(
      JSON.stringify({
        ...Object.fromEntries(odd.map((name) => [name, `v'"${name}`])),
        count: 1,
        on: null,
      }).replace('"__proto__x"', '"__proto__"'),
    );
    const full = JSON.parse(`{"__proto__":"p",${JSON.stringify(fields).slice(1)}`);
    await store.records(entity).write(put('1', full), { term: 1 });
    const value = await valueOf(store, entity, '1');
    expect(recordDigest(value)).toBe(recordDigest({ ...full, id: '1', tenant: 't' }));
    expect((await store.verify(entity)).filter(({ passed }) => !passed)).toEqual([]);
  });

  it('a field that comes later moves into its column; a process of before reads and writes on', async () => {
    const before = defineEntity({ name: 'growing', schema: z.object(base), key });
    const after = defineEntity({
      name: 'growing',
      schema: z.object({ ...base, n: z.number().optional(), o: z.object({ x: z.number() }).optional() }),
      key,
      indexes: [{ fields: ['n'] }],
    });
    const old = postgresStore({ pool, schema: 'growing' });
    await old.prepare([before]);
    await old.records(before).write(put('1', { n: 5e-324, o: { x: 1 } }), { term: 1 });
    await old.records(before).write(put('2', { n: 'text', o: null }), { term: 1 });
    const [writer, applier, unit] = [0, 1, 2].map(() => postgresStore({ pool, schema: 'growing' }));
    for (const stale of [writer, applier, unit]) await stale?.records(before).count();
    const next = postgresStore({ pool, schema: 'growing' });
    await next.prepare([after]);
    const { rows } = await pool.query('select id, n, o, hyb_rest from growing.growing order by id');
    expect(rows).toEqual([
      { id: '1', n: 5e-324, o: { x: 1 }, hyb_rest: {} },
      { id: '2', n: null, o: null, hyb_rest: { n: 'text', o: null } },
    ]);
    // The process of before knows no columns, and must not lose what is in them.
    expect(await valueOf(old, before, '1')).toEqual({ id: '1', tenant: 't', n: 5e-324, o: { x: 1 } });
    const fresh = postgresStore({ pool, schema: 'growing' });
    await fresh.records(before).write(put('1', { m: 1 }, 'replace'), { term: 1 });
    await writer?.records(before).write(put('3', { n: 3 }), { term: 1 });
    await unit?.runUnit((work) => work.records(before).write(put('5', { n: 5 })), {
      operationId: 'unit',
      fenceOf: () => ({ term: 1 }),
    });
    await applier?.records(before).apply([
      {
        record: {
          key: { partition: ['t'], id: '4' },
          version: { term: 1, counter: 1 },
          value: { id: '4', tenant: 't', n: 4 },
          digest: 'd',
          operations: [],
        },
      },
    ]);
    const { rows: later } = await pool.query('select id, n, hyb_rest from growing.growing order by id');
    expect(later).toEqual([
      { id: '1', n: 5e-324, hyb_rest: { m: 1 } },
      { id: '2', n: null, hyb_rest: { n: 'text', o: null } },
      { id: '3', n: 3, hyb_rest: {} },
      { id: '4', n: 4, hyb_rest: {} },
      { id: '5', n: 5, hyb_rest: {} },
    ]);
    // Back to the schema of before, and forth again: nothing is undone.
    await postgresStore({ pool, schema: 'growing' }).prepare([before]);
    await postgresStore({ pool, schema: 'growing' }).prepare([after]);
    expect(await valueOf(next, after, '1')).toEqual({ id: '1', tenant: 't', n: 5e-324, o: { x: 1 }, m: 1 });
  });

  it('a column keeps its type: a field of another is refused, with what to do', async () => {
    const before = defineEntity({ name: 'typed', schema: z.object({ ...base, n: z.number() }), key });
    const after = defineEntity({ name: 'typed', schema: z.object({ ...base, n: z.string() }), key });
    await postgresStore({ pool, schema: 'typing' }).prepare([before]);
    await expect(postgresStore({ pool, schema: 'typing' }).prepare([after])).rejects.toMatchObject({
      code: 'invalid-options',
      message: expect.stringContaining('give the field another name'),
    });
  });

  it('run with a team\'s own Migrator, which then satisfies "check"', async () => {
    const entity = defineEntity({ name: 'own', schema: z.object({ ...base, n: z.number() }), key });
    const store = postgresStore({ pool, schema: 'team', migrations: 'check' });
    const migrator = new Migrator({
      db: store.kysely,
      provider: postgresMigrations([entity], { schema: 'team' }),
      migrationTableSchema: 'team_migrations',
      allowUnorderedMigrations: true,
    });
    const { error, results } = await migrator.migrateToLatest();
    expect(error).toBeUndefined();
    expect(new Set(results?.map(({ status }) => status))).toEqual(new Set(['Success']));
    await store.prepare([entity]);
  });

  it('destroying the Kysely leaves the pool open', async () => {
    const store = postgresStore({ pool });
    await store.kysely.introspection.getSchemas();
    await store.kysely.destroy();
    expect(pool.ending).toBe(false);
    await pool.query('select 1');
  });

  it('refuses options that cannot be', () => {
    const wrong = (options: object): unknown => {
      try {
        return postgresStore({ pool, ...options });
      } catch (error) {
        return error;
      }
    };
    expect(wrong({ schema: 'polyphase' })).toMatchObject({ code: 'invalid-options' });
    expect(wrong({ schema: 's'.repeat(64) })).toMatchObject({ code: 'invalid-options' });
    expect(wrong({ migrations: 'maybe' })).toMatchObject({ code: 'invalid-options' });
    expect(wrong({ timeoutMs: 0 })).toMatchObject({ code: 'invalid-options' });
    expect(wrong({ pool: new Pool({ pipeline: true }) })).toMatchObject({ code: 'invalid-options' });
    expect(wrong({ pool: undefined })).toMatchObject({ code: 'invalid-options' });
  });
});
