import { type FaultProxy, startFaultProxy } from '@polyphase/test-support';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { postgresStore } from '../src/index.ts';
import { appears, controlRow, copy, keyOf, Note, upsert } from './support.ts';

// Stops every COMMIT of the table until the gate row is unlocked; then lets it through or refuses it.
const GATE = `
  create table gate (refuse boolean not null);
  insert into gate values (false);
  create function wait_at_gate() returns trigger language plpgsql as $$
  begin
    if (select refuse from gate for share) then raise exception 'refused at the gate'; end if;
    return null;
  end $$;
  create constraint trigger gate after insert or update on notes deferrable initially deferred
    for each row execute function wait_at_gate();`;
const AT_GATE = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like 'commit%'";

// A lost reply is settled over another connection, which must be there though the pool has one alone.
describeWith('postgres').each([10, 1])('faults, with %i connections at most', (max) => {
  const database = testDatabase();
  const direct = new Pool({ connectionString: database.url });
  let proxy: FaultProxy;
  let pool: Pool;
  let store: ReturnType<typeof postgresStore>;
  beforeAll(async () => {
    await postgresStore({ pool: direct }).prepare([Note]);
    await direct.query(GATE);
    proxy = await startFaultProxy(database.url);
    pool = new Pool({ connectionString: proxy.through(database.url), max });
    store = postgresStore({ pool, timeoutMs: 2_000 });
    await store.prepare([Note]);
  });
  beforeEach(async () => {
    proxy.heal();
    await direct.query('update gate set refuse = false');
  });
  afterAll(async () => {
    await pool.end();
    await proxy.close();
    await direct.end();
  });

  /** Runs a call whose COMMIT is held, does something to the link, and lets the COMMIT go on. */
  async function atCommit<Result>(
    call: () => Promise<Result>,
    meanwhile: () => void,
    refuse = false,
  ): Promise<Result> {
    const keeper = await direct.connect();
    try {
      await keeper.query('begin');
      await keeper.query('update gate set refuse = $1', [refuse]);
      const result = call();
      result.catch(() => undefined);
      await appears(direct, AT_GATE);
      meanwhile();
      // The link is broken for a moment; the server has heard COMMIT and goes on alone.
      await keeper.query('commit');
      return await result;
    } finally {
      keeper.release();
    }
  }

  it('a reply to COMMIT that is lost is settled: committed', async () => {
    const write = () => store.records(Note).write(upsert('committed', { n: 1 }), { term: 1 });
    const result = await atCommit(write, () => proxy.cut());
    expect(result).toMatchObject({ existed: false, repeated: false });
    expect(await store.records(Note).read(keyOf('committed'))).toEqual({ ...result.record, base: undefined });
  });

  it('a reply to COMMIT that is lost is settled: rolled back', async () => {
    const write = () => store.records(Note).write(upsert('rolled back'), { term: 1 });
    await expect(atCommit(write, () => proxy.cut(), true)).rejects.toMatchObject({ code: 'connection' });
    expect(await store.records(Note).read(keyOf('rolled back'))).toBeUndefined();
  });

  it('a COMMIT that the server refuses is a failure, and nothing is written', async () => {
    const write = () => store.records(Note).write(upsert('refused'), { term: 1 });
    await expect(atCommit(write, () => undefined, true)).rejects.toMatchObject({ code: 'store' });
    expect(await store.records(Note).read(keyOf('refused'))).toBeUndefined();
  });

  it('a unit of work and a page of copies are settled the same way', async () => {
    const unit = () =>
      store.runUnit(
        async (work) => {
          await work.records(Note).write(upsert('unit 1'));
          await work.records(Note).write(upsert('unit 2'));
        },
        { operationId: 'u', fenceOf: () => ({ term: 1 }) },
      );
    expect((await atCommit(unit, () => proxy.cut())).written).toHaveLength(2);
    const page = () => store.records(Note).apply([copy('copied', 1)]);
    expect(await atCommit(page, () => proxy.cut())).toMatchObject([{ kind: 'applied' }]);
    await expect(atCommit(unit, () => proxy.cut(), true)).rejects.toMatchObject({ code: 'connection' });
  });

  it('a link that stays silent ends in an unknown outcome, in time, and the same operation finds it done', async () => {
    const intent = upsert('silent', { n: 1 }, 'silent-operation');
    const started = performance.now();
    const write = () => store.records(Note).write(intent, { term: 1 });
    await expect(atCommit(write, () => proxy.freeze())).rejects.toMatchObject({
      code: 'unknown-outcome',
      operationId: 'silent-operation',
    });
    expect(performance.now() - started).toBeLessThan(15_000);
    proxy.heal();
    expect(await store.records(Note).write(intent, { term: 1 })).toMatchObject({ repeated: true });
  });

  it('aborting a write that was sent is an unknown outcome; before that, nothing happens', async () => {
    const controller = new AbortController();
    const write = () => store.records(Note).write(upsert('aborted'), { term: 1, signal: controller.signal });
    await expect(atCommit(write, () => controller.abort())).rejects.toMatchObject({
      code: 'unknown-outcome',
    });
    await expect(write()).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('aborting a write that waits for another gives up, and the server is told to stop', async () => {
    await store.records(Note).write(upsert('locked'), { term: 1 });
    const keeper = await direct.connect();
    await keeper.query("begin; select 1 from notes where id = 'locked' for update");
    const controller = new AbortController();
    const write = store
      .records(Note)
      .write(upsert('locked', { n: 2 }), { term: 1, signal: controller.signal });
    write.catch(() => undefined);
    const waiting =
      "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%for update%'";
    await appears(direct, waiting);
    controller.abort();
    await expect(write).rejects.toMatchObject({ name: 'AbortError' });
    await appears(direct, `select 1 where not exists (${waiting})`);
    await keeper.query('rollback');
    keeper.release();
    expect((await store.records(Note).read(keyOf('locked')))?.value).not.toHaveProperty('n');
  });

  it('the loss of idle connections is nothing to the next call', async () => {
    await Promise.all([store.records(Note).count(), store.records(Note).count()]);
    expect(pool.idleCount).toBeGreaterThan(0);
    proxy.cut();
    await expect.poll(() => pool.totalCount).toBe(0);
    expect(await store.records(Note).count()).toBeGreaterThan(0);
  });

  it('a server that is away is a connection error, later calls work again', async () => {
    proxy.refuse();
    await expect(store.records(Note).read(keyOf('x'))).rejects.toMatchObject({ code: 'connection' });
    await expect(store.prepare([Note])).rejects.toMatchObject({ code: 'connection' });
    proxy.heal();
    expect(await store.records(Note).read(keyOf('x'))).toBeUndefined();
    proxy.freeze();
    const started = performance.now();
    await expect(store.records(Note).read(keyOf('x'))).rejects.toMatchObject({
      code: expect.stringMatching(/^(connection|timeout)$/),
    });
    expect(performance.now() - started).toBeLessThan(6_000);
  });

  it('a wrong password, a missing database and a closed pool say what to correct', async () => {
    const url = new URL(database.url);
    url.password = 'wrong';
    const wrong = new Pool({ connectionString: url.href });
    await expect(postgresStore({ pool: wrong }).prepare([Note])).rejects.toMatchObject({
      code: 'invalid-options',
      message: expect.stringContaining('password'),
    });
    await wrong.end();
    url.password = new URL(database.url).password;
    url.pathname = '/no_such_database';
    const nowhere = new Pool({ connectionString: url.href });
    await expect(postgresStore({ pool: nowhere }).prepare([Note])).rejects.toMatchObject({
      code: 'invalid-options',
      message: expect.stringContaining('database'),
    });
    await nowhere.end();
    await expect(postgresStore({ pool: nowhere }).records(Note).count()).rejects.toMatchObject({
      code: 'invalid-options',
      message: expect.stringContaining('closed'),
    });
  });

  it('a step of control row or checkpoint whose reply is lost is an unknown outcome, and can be looked up', async () => {
    await store.control.create(controlRow('lost', '6'));
    const keeper = await direct.connect();
    await keeper.query("begin; select 1 from polyphase.control where group_name = 'lost' for update");
    const step = store.control.advance('lost', 1, { phase: '7', term: 2 }, { exclusive: true });
    step.catch(() => undefined);
    await appears(
      direct,
      "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%control%'",
    );
    proxy.cut();
    await expect(step).rejects.toMatchObject({ code: 'unknown-outcome' });
    await keeper.query('rollback');
    keeper.release();
  });

  it('prepared statements that a connection lost are prepared again', async () => {
    const one = new Pool({ connectionString: database.url, max: 1 });
    const lonely = postgresStore({ pool: one });
    await lonely.records(Note).write(upsert('prepared'), { term: 1 });
    await one.query('discard all');
    expect(await lonely.records(Note).read(keyOf('prepared'))).toBeDefined();
    await one.query('discard all');
    await lonely.records(Note).write(upsert('prepared', { n: 3 }), { term: 1 });
    expect((await lonely.records(Note).read(keyOf('prepared')))?.value).toMatchObject({ n: 3 });
    await one.end();
  });
});
