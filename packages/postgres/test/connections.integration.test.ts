import { createCertificate, type Engine, startPostgres } from '@polyphase/test-support';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool, type PoolConfig } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configFromTable, postgresStore } from '../src/index.ts';
import { appears, keyOf, Note, upsert } from './support.ts';

describeWith('postgres')('connections', () => {
  const database = testDatabase();
  const admin = new Pool({ connectionString: database.url });
  beforeAll(() => postgresStore({ pool: admin }).prepare([Note]));
  afterAll(() => admin.end());

  const opened: Pool[] = [];
  afterAll(() => Promise.all(opened.map((pool) => pool.end())));
  const poolWith = (config: PoolConfig, url = database.url): Pool => {
    const { hostname, port, pathname, username, password } = new URL(url);
    const whole = {
      host: hostname,
      port: Number(port),
      database: pathname.slice(1),
      user: username,
      password,
    };
    const pool = new Pool({ ...whole, ...config });
    opened.push(pool);
    return pool;
  };

  describe('of a pool that is too small', () => {
    it('end in a TimeoutError while others have them, and work again afterwards', async () => {
      const pool = poolWith({ max: 2 });
      const store = postgresStore({ pool, timeoutMs: 300 });
      const notes = store.records(Note);
      await notes.write(upsert('kept'), { term: 1 });
      const others = [await pool.connect(), await pool.connect()];
      const calls = Array.from({ length: 10 }, (_, i) => notes.write(upsert(`x${i}`), { term: 1 }));
      for (const call of await Promise.allSettled(calls))
        expect(call).toMatchObject({ status: 'rejected', reason: { code: 'timeout', retryable: true } });
      await expect(notes.read(keyOf('kept'))).rejects.toThrow('No connection of the pool became free');
      for (const client of others) client.release();
      expect(await notes.read(keyOf('kept'))).toBeDefined();
      expect(await notes.count()).toBe(1);
      expect(pool.waitingCount).toBe(0);
    });

    it("are given up by the pool's own time-out just so", async () => {
      const pool = poolWith({ max: 1, connectionTimeoutMillis: 1_500 });
      const notes = postgresStore({ pool }).records(Note);
      const other = await pool.connect();
      await expect(notes.read(keyOf('a'))).rejects.toMatchObject({ code: 'timeout' });
      other.release();
      await notes.read(keyOf('a'));
    });

    it('serve more work than there are of them', async () => {
      const notes = postgresStore({ pool: poolWith({ max: 2 }) }).records(Note);
      const calls = Array.from({ length: 200 }, (_, i) => notes.write(upsert(`m${i % 50}`), { term: 1 }));
      expect((await Promise.all(calls)).length).toBe(200);
    });
  });

  describe('of which there is one alone', () => {
    const unitOptions = { operationId: 'one', fenceOf: () => ({ term: 1 }) };

    it('migrates', async () => {
      const store = postgresStore({ pool: poolWith({ max: 1 }), schema: 'one_alone' });
      await store.prepare([Note]);
      expect((await store.verify(Note)).filter(({ passed }) => !passed)).toEqual([]);
      const config = configFromTable({ pool: poolWith({ max: 1 }) });
      await config.publish({ revision: 1, entities: { notes: { policy: 'cosmos-only' } } });
      expect(await config.read()).toMatchObject({ loaded: { revision: 1 } });
    });

    it('serves a unit of work, and says where calls around it are to go', async () => {
      const store = postgresStore({ pool: poolWith({ max: 1 }), timeoutMs: 300 });
      const around: (() => Promise<unknown>)[] = [
        () => store.records(Note).read(keyOf('inside')),
        () => store.records(Note).write(upsert('around'), { term: 1 }),
        () => store.kysely.selectNoFrom((build) => build.val(1).as('one')).execute(),
        () => store.runUnit(async (inner) => inner.records(Note).read(keyOf('inside')), unitOptions),
      ];
      for (const call of around)
        await store.runUnit(async (unit) => {
          await unit.records(Note).write(upsert('inside'));
          await expect(call()).rejects.toMatchObject({
            code: 'timeout',
            message: expect.stringContaining('go through the unit'),
          });
          expect(await unit.records(Note).read(keyOf('inside'))).toBeDefined();
        }, unitOptions);
      for (const call of around) await call();
    });
  });

  describe('that migrate while another process does', () => {
    const migrating = async (): Promise<() => Promise<void>> => {
      const other = await admin.connect();
      // The lock of Kysely's own Migrator, which a team may run by hand.
      await other.query('select pg_advisory_lock(3853314791062309107)');
      return async () => {
        await other.query('select pg_advisory_unlock(3853314791062309107)');
        other.release();
      };
    };
    const waiting = "select 1 from pg_stat_activity where wait_event = 'advisory' and query like 'do %'";

    it('wait for it, whatever their lock_timeout is, and go on', async () => {
      const done = await migrating();
      const pool = poolWith({ max: 1, options: '-c lock_timeout=50' });
      const prepared = postgresStore({ pool, schema: 'waited' }).prepare([Note]);
      await appears(admin, waiting);
      await appears(admin, `${waiting} and clock_timestamp() - query_start > interval '100 ms'`);
      await done();
      await prepared;
      expect((await pool.query('show lock_timeout')).rows).toEqual([{ lock_timeout: '50ms' }]);
    });

    it('end in a TimeoutError when it takes too long, and leave nobody waiting on the server', async () => {
      const done = await migrating();
      const store = postgresStore({ pool: poolWith({ max: 1 }), schema: 'late', timeoutMs: 100 });
      await expect(store.prepare([Note])).rejects.toMatchObject({ code: 'timeout', retryable: true });
      await appears(admin, `select 1 where not exists (${waiting})`);
      await done();
      await store.prepare([Note]);
    });

    it('stop when they are told to', async () => {
      const done = await migrating();
      const store = postgresStore({ pool: poolWith({ max: 1 }), schema: 'stopped' });
      const stop = new AbortController();
      const prepared = store.prepare([Note], { signal: stop.signal });
      await appears(admin, waiting);
      stop.abort();
      await expect(prepared).rejects.toMatchObject({ name: 'AbortError' });
      await appears(admin, `select 1 where not exists (${waiting})`);
      await done();
    });
  });

  describe('with a statement time-out', () => {
    it('end in a TimeoutError, nothing is written, and the connection goes on', async () => {
      const pool = poolWith({ max: 1, statement_timeout: 300 });
      const notes = postgresStore({ pool }).records(Note);
      const lock = await admin.connect();
      const { rows: before } = await pool.query<{ pid: number }>('select pg_backend_pid() as pid');
      await notes.write(upsert('slow', { n: 1 }), { term: 1 });
      await lock.query('begin; lock table notes in access exclusive mode');
      await expect(notes.write(upsert('slow', { n: 2 }), { term: 1 })).rejects.toMatchObject({
        code: 'timeout',
        message: expect.stringContaining('cancelled the statement'),
      });
      await lock.query('rollback');
      lock.release();
      expect((await notes.read(keyOf('slow')))?.value).toMatchObject({ n: 1 });
      const { rows: after } = await pool.query<{ pid: number }>('select pg_backend_pid() as pid');
      expect(after).toEqual(before);
    });

    it('end in a TransactionConflictError where a lock could not be had in time', async () => {
      const pool = poolWith({ max: 1, options: '-c lock_timeout=200' });
      const notes = postgresStore({ pool }).records(Note);
      const lock = await admin.connect();
      await lock.query('begin; lock table notes in access exclusive mode');
      await expect(notes.read(keyOf('slow'))).rejects.toMatchObject({ code: 'transaction-conflict' });
      await lock.query('rollback');
      lock.release();
      await notes.read(keyOf('slow'));
    });
  });

  describe('with tokens for passwords', () => {
    it('ask for one each time, so that those made after a rotation use the new one', async () => {
      const issued: string[] = [];
      let valid = '';
      // As an identity provider would: a token is good until the next one is made.
      const rotate = async () => {
        valid = `token-${issued.length + 1}`;
        issued.push(valid);
        await admin.query(`alter role token_user password '${valid}'`);
      };
      await admin.query('create role token_user login');
      await admin.query('grant all on all tables in schema public, polyphase to token_user');
      await admin.query('grant usage on schema public, polyphase to token_user');
      await rotate();
      let asked = 0;
      const pool = poolWith({
        user: 'token_user',
        max: 4,
        password: async () => {
          asked += 1;
          return valid;
        },
      });
      const notes = postgresStore({ pool, migrations: 'check' }).records(Note);
      await notes.write(upsert('by-token'), { term: 1 });
      await rotate();
      // What is connected stays so; what comes new has the new token.
      await Promise.all(
        [1, 2, 3, 4, 5, 6, 7, 8].map((n) => notes.write(upsert(`by-token-${n}`), { term: 1 })),
      );
      await admin.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'token_user'",
      );
      await rotate();
      await expect.poll(() => notes.read(keyOf('by-token'))).toBeDefined();
      expect(asked).toBeGreaterThan(2);

      const stale = poolWith({ user: 'token_user', password: async () => issued[0] ?? '' });
      const refused = await postgresStore({ pool: stale })
        .records(Note)
        .read(keyOf('a'))
        .catch((error: unknown) => error);
      expect(refused).toMatchObject({
        code: 'invalid-options',
        message: expect.stringContaining('password'),
      });
      expect(String(refused)).not.toContain('token-1');
    });
  });

  describe('over TLS', () => {
    const certificate = createCertificate(['127.0.0.1']);
    let engine: Engine;
    beforeAll(async () => {
      // Who cannot say a password is not waited for as long as usual.
      engine = await startPostgres({ tls: certificate, settings: ['authentication_timeout=1s'] });
    });
    afterAll(() => engine?.stop());

    it('are encrypted, and check the server', async () => {
      const pool = poolWith({ ssl: { ca: certificate.authority } }, engine.url);
      const store = postgresStore({ pool });
      await store.prepare([Note]);
      await store.records(Note).write(upsert('sealed'), { term: 1 });
      expect(await store.records(Note).read(keyOf('sealed'))).toBeDefined();
      const { rows } = await pool.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()');
      expect(rows).toEqual([{ ssl: true }]);
    });

    it.each([
      ['no authority', { ssl: true }],
      ['the authority of another', { ssl: { ca: createCertificate(['127.0.0.1']).authority } }],
    ])('are refused with %s', async (_, config) => {
      const notes = postgresStore({ pool: poolWith(config, engine.url) }).records(Note);
      await expect(notes.read(keyOf('a'))).rejects.toMatchObject({
        code: 'invalid-options',
        message: expect.stringContaining('certificate'),
      });
    });

    it('are made at the next try where a token could not be had', async () => {
      let fails = true;
      const password = async () => {
        if (fails) throw new Error('the identity provider does not answer');
        return new URL(engine.url).password;
      };
      const ssl = { ca: certificate.authority };
      const notes = postgresStore({ pool: poolWith({ ssl, password }, engine.url) }).records(Note);
      await expect(notes.read(keyOf('a'))).rejects.toMatchObject({ retryable: true });
      fails = false;
      expect(await notes.read(keyOf('a'))).toBeUndefined();
    });

    it('are refused by a server that has none', async () => {
      const notes = postgresStore({ pool: poolWith({ ssl: true }) }).records(Note);
      await expect(notes.read(keyOf('a'))).rejects.toMatchObject({ code: 'invalid-options' });
    });
  });
});
