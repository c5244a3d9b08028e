import { createCertificate, type Engine, startPostgres } from '@polyphase/test-support';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool, type PoolConfig } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { postgresStore } from '../src/index.ts';
import { keyOf, Note, upsert } from './support.ts';

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
