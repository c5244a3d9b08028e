import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool, type PoolConfig } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { postgresStore } from '../src/index.ts';
import { appears, countingPool, keyOf, Login, Note, upsert } from './support.ts';

const ids = Array.from({ length: 16 }, (_, i) => `n${i}`);
const BUSY = "select from pg_stat_activity where wait_event_type = 'Lock' and query like '%notes%'";

describeWith('postgres')('reads that go together', () => {
  const database = testDatabase();
  const admin = new Pool({ connectionString: database.url });
  beforeAll(async () => {
    const store = postgresStore({ pool: admin });
    await store.prepare([Note, Login]);
    for (const [n, id] of ids.entries()) await store.records(Note).write(upsert(id, { n }), { term: 1 });
  });
  const opened: Pool[] = [admin];
  afterAll(() => Promise.all(opened.map((pool) => pool.end())));

  /** Records that know their table already, in a pool that counts requests. */
  const open = async ({ timeoutMs = 30_000, ...config }: PoolConfig & { timeoutMs?: number } = {}) => {
    const { pool, counting, seen } = countingPool({ connectionString: database.url, ...config });
    opened.push(pool);
    const notes = postgresStore({ pool: counting, timeoutMs }).records(Note);
    await notes.read(keyOf('n0'));
    seen.requests = 0;
    return { notes, seen };
  };

  /** Does something while nobody can read the notes. */
  const whileLocked = async (work: () => Promise<void>): Promise<void> => {
    const lock = await admin.connect();
    await lock.query('begin; lock table notes in access exclusive mode');
    try {
      await work();
    } finally {
      await lock.query('rollback');
      lock.release();
    }
  };

  it('take one request for sixteen, and each reader gets its own record', async () => {
    const { notes, seen } = await open();
    const found = await Promise.all(ids.map((id) => notes.read(keyOf(id))));
    expect(found.map((record) => record?.value?.['n'])).toEqual(ids.map((_, n) => n));
    expect(seen.requests).toBe(1);
    expect(await notes.read(keyOf('none'))).toBeUndefined();
    expect(seen.requests).toBe(2);
    await Promise.all(Array.from({ length: 40 }, () => notes.read(keyOf('n1'))));
    expect(seen.requests).toBe(5);
  });

  it('see what was written before they were asked for', async () => {
    const { notes } = await open({ max: 2 });
    const writer = async (id: string): Promise<void> => {
      for (let n = 0; n < 20; n += 1) {
        await notes.write(upsert(`w-${id}`, { n }), { term: 1 });
        expect((await notes.read(keyOf(`w-${id}`)))?.value).toMatchObject({ n });
      }
    };
    await Promise.all(ids.map(writer));
  });

  it('are not taken along by one that the server refuses', async () => {
    const { notes, seen } = await open();
    const refused = notes.read({ partition: ['t'], id: 'bad\0id' });
    const others = ids.slice(1).map((id) => notes.read(keyOf(id)));
    await expect(refused).rejects.toMatchObject({ code: 'invalid-data' });
    expect((await Promise.all(others)).map((record) => record?.value?.['n'])).toEqual(
      ids.slice(1).map((_, n) => n + 1),
    );
    expect(seen.requests).toBe(1 + 16);
  });

  it('end one by one when their signals say so, and the last one gives the request up', async () => {
    const { notes, seen } = await open({ max: 1 });
    const controllers = ids.slice(0, 3).map(() => new AbortController());
    const [first, second, third] = controllers;
    await whileLocked(async () => {
      const reads = controllers.map(({ signal }, i) => notes.read(keyOf(`n${i}`), { signal }));
      const staying = notes.read(keyOf('n3'));
      const settled = Promise.allSettled(reads);
      await appears(admin, BUSY);
      first?.abort(new Error('first'));
      await expect(reads[0]).rejects.toThrow('first');
      // While one waits, the connection stays in use.
      expect(seen.pool.totalCount).toBe(1);
      second?.abort(new Error('second'));
      third?.abort(new Error('third'));
      expect(await settled).toMatchObject([
        { reason: { message: 'first' } },
        { reason: { message: 'second' } },
        { reason: { message: 'third' } },
      ]);
      void staying.then(() => undefined);
      expect(seen.clients.size).toBe(1);
    });
    expect((await notes.read(keyOf('n3')))?.value).toMatchObject({ n: 3 });
    expect(seen.clients.size).toBe(1);

    await whileLocked(async () => {
      const { signal, abort } = abortable();
      const reads = ids.map((id) => notes.read(keyOf(id), { signal }));
      await appears(admin, BUSY);
      abort();
      for (const read of await Promise.allSettled(reads))
        expect(read).toMatchObject({ reason: { message: 'all' } });
      // The server is told, too.
      await expect.poll(async () => (await admin.query(BUSY)).rowCount).toBe(0);
    });
    expect(await notes.read(keyOf('n3'))).toBeDefined();
    expect(seen.clients.size).toBe(2);
  });

  it('that wait for a connection leave the line when their signals say so', async () => {
    const { notes, seen } = await open({ max: 1 });
    const other = await seen.pool.connect();
    const { signal, abort } = abortable();
    const gone = ids.map((id) => notes.read(keyOf(id), { signal }));
    abort();
    for (const read of await Promise.allSettled(gone))
      expect(read).toMatchObject({ reason: { message: 'all' } });
    const stays = notes.read(keyOf('n5'));
    await expect(notes.read(keyOf('n4'), { signal })).rejects.toThrow('all');
    other.release();
    expect((await stays)?.value).toMatchObject({ n: 5 });
  });

  it('end in a TimeoutError each, when there is no answer in time, and work again afterwards', async () => {
    const { notes } = await open({ max: 1, timeoutMs: 200 });
    await whileLocked(async () => {
      for (const read of await Promise.allSettled(ids.map((id) => notes.read(keyOf(id)))))
        expect(read).toMatchObject({ status: 'rejected', reason: { code: 'timeout', retryable: true } });
    });
    expect(await notes.read(keyOf('n1'))).toBeDefined();
  });

  it("end in a TimeoutError each, by the server's own time-out, in one request", async () => {
    const { notes, seen } = await open({ max: 4, statement_timeout: 200 });
    await whileLocked(async () => {
      for (const read of await Promise.allSettled(ids.map((id) => notes.read(keyOf(id)))))
        expect(read).toMatchObject({ status: 'rejected', reason: { code: 'timeout', retryable: true } });
    });
    expect(seen.requests).toBe(1);
    expect(await notes.read(keyOf('n1'))).toBeDefined();
  });

  it('end in a ConnectionError each, when their connection is lost, and work again afterwards', async () => {
    const { notes } = await open({ max: 1, application_name: 'lost' });
    await whileLocked(async () => {
      const reads = Promise.allSettled(ids.map((id) => notes.read(keyOf(id))));
      await appears(admin, BUSY);
      await admin.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'lost'",
      );
      for (const read of await reads)
        expect(read).toMatchObject({ status: 'rejected', reason: { code: 'connection', retryable: true } });
    });
    expect(await notes.read(keyOf('n1'))).toBeDefined();
  });

  it('are those of one table only: who reads another does not wait for its locks', async () => {
    const { seen } = await open({ max: 2 });
    const store = postgresStore({ pool: seen.pool });
    await Promise.all([store.records(Login).read(keyOf('a')), store.records(Note).read(keyOf('n1'))]);
    await whileLocked(async () => {
      const waits = store.records(Note).read(keyOf('n1'));
      expect(await store.records(Login).read(keyOf('a'))).toBeUndefined();
      void waits.catch(() => undefined);
    });
  });
});

function abortable(): { readonly signal: AbortSignal; readonly abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort(new Error('all')) };
}
