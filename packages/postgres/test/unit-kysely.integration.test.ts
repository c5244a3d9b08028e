import { type Entity, type UnitOfWork } from '@polyphase/core';
import { startFaultProxy, startPostgres } from '@polyphase/test-support';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { type Kysely, sql } from 'kysely';
import { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { postgresStore } from '../src/index.ts';
import { appears, controlRow, keyOf, Note, upsert } from './support.ts';

interface Tables {
  audit: { id: number; what: string; at: Date | null; big: string | null };
  notes: { id: string; hyb_pk: string; tenant: string; text: string | null; n: number | null };
}

describeWith('postgres')('SQL of the application inside a unit of work', () => {
  const database = testDatabase();
  const pool = new Pool({ connectionString: database.url, max: 4 });
  const store = postgresStore<Tables>({ pool });
  const other = new Pool({ connectionString: database.url, max: 2 });
  beforeAll(async () => {
    await store.prepare([Note]);
    await store.control.create(controlRow('notes', '6'));
    await pool.query(
      'create table audit (id int primary key, what text not null, at timestamptz, big bigint)',
    );
  });
  beforeEach(() => pool.query('truncate notes, audit, polyphase.dirty_key'));
  afterAll(async () => {
    await pool.end();
    await other.end();
  });

  const run = <Result>(
    work: (kysely: Kysely<Tables>, unit: UnitOfWork) => Promise<Result>,
    options: { fencedBy?: readonly Entity[]; fence?: string; operationId?: string } = {},
  ) =>
    store.runUnit(
      (unit) =>
        work(
          store.sqlIn(async () => ({ unit, fencedBy: options.fencedBy ?? [Note] })),
          unit,
        ),
      {
        operationId: options.operationId ?? crypto.randomUUID(),
        fenceOf: () => ({ term: 2, fence: options.fence ?? 'notes' }),
      },
    );
  const audits = async (): Promise<unknown[]> =>
    (await pool.query('select what from audit order by id')).rows;
  const insert = (kysely: Kysely<Tables>, id: number, what = `${id}`) =>
    kysely.insertInto('audit').values({ id, what, at: null, big: null }).execute();

  it('commits with the records, and answers as the driver does', async () => {
    const at = new Date('2020-01-01T00:00:00Z');
    await run(async (kysely, unit) => {
      await unit.records(Note).write(upsert('a', { n: 1 }));
      const [done] = await kysely
        .insertInto('audit')
        .values({ id: 1, what: 'x', at, big: '9007199254740993' })
        .execute();
      expect(done?.numInsertedOrUpdatedRows).toBe(1n);
      expect(await kysely.selectFrom('audit').selectAll().execute()).toEqual([
        { id: 1, what: 'x', at, big: '9007199254740993' },
      ]);
      const counted = await kysely
        .selectFrom('notes')
        .select(({ fn }) => fn.countAll<string>().as('all'))
        .executeTakeFirst();
      expect(counted).toEqual({ all: '1' });
      const moved = await kysely
        .withSchema('public')
        .updateTable('notes')
        .set({ n: 2 })
        .where('id', '=', 'a')
        .executeTakeFirst();
      expect(moved.numUpdatedRows).toBe(1n);
      expect((await unit.records(Note).read(keyOf('a')))?.value).toMatchObject({ n: 2 });
      expect(kysely.isTransaction).toBe(true);
    });
    expect(await audits()).toEqual([{ what: 'x' }]);
    const record = await store.records(Note).read(keyOf('a'));
    expect(record?.value).toMatchObject({ n: 2 });
    const dirty = await store.dirtyKeys.claim('notes', 10, 1_000);
    expect(dirty).toMatchObject([{ key: { id: 'a' }, version: record?.version }]);
  });

  it('is rolled back with the records', async () => {
    const failure = new Error('no');
    const ran = run(async (kysely) => {
      await insert(kysely, 1);
      throw failure;
    });
    await expect(ran).rejects.toBe(failure);
    expect(await audits()).toEqual([]);
  });

  it('costs nothing until its first statement', async () => {
    let joined = 0;
    await store.runUnit(
      async (unit) => {
        const kysely = store.sqlIn(async () => {
          joined += 1;
          return { unit, fencedBy: [Note] };
        });
        kysely.selectFrom('audit').selectAll().compile();
      },
      { operationId: 'x', fenceOf: () => ({ term: 1, fence: 'nowhere' }) },
    );
    expect(joined).toBe(0);
  });

  it('passes the fences before anything else, once', async () => {
    await store.control.create(controlRow('sealed', "5'"));
    const refused = (fence: string) =>
      run((kysely) => kysely.selectFrom('audit').selectAll().execute(), { fence });
    await expect(refused('elsewhere')).rejects.toMatchObject({ code: 'fenced', key: 'elsewhere' });
    await expect(refused('sealed')).rejects.toMatchObject({ code: 'sealed', key: 'sealed' });
    await run(async (kysely) => {
      await insert(kysely, 1);
      await insert(kysely, 2);
      const locks = await sql<{ n: string }>`select count(*) as n from pg_locks
        where locktype = 'advisory' and mode = 'ShareLock' and pid = pg_backend_pid()`.execute(kysely);
      expect(locks.rows).toEqual([{ n: '1' }]);
    });
  });

  it('a statement that fails dooms the unit, though the work swallows it', async () => {
    const ran = run(async (kysely, unit) => {
      await unit.records(Note).write(upsert('a'));
      await insert(kysely, 1);
      await expect(insert(kysely, 1)).rejects.toMatchObject({ code: 'already-exists', operation: 'kysely' });
      await expect(unit.records(Note).read(keyOf('a'))).rejects.toMatchObject({ code: 'already-exists' });
    });
    await expect(ran).rejects.toMatchObject({ code: 'already-exists' });
    expect(await audits()).toEqual([]);
    expect(await store.records(Note).read(keyOf('a'))).toBeUndefined();
    const wrong = run((kysely) => sql`selec 1`.execute(kysely));
    await expect(wrong).rejects.toMatchObject({ code: 'store', cause: { code: '42601' } });
  });

  it('runs in turn with the other calls of the unit, however they are made', async () => {
    await run(async (kysely, unit) => {
      await Promise.all(
        Array.from({ length: 20 }, (_, at) =>
          at % 2 === 0 ? unit.records(Note).write(upsert(`${at}`)) : insert(kysely, at),
        ),
      );
      expect(await unit.records(Note).read(keyOf('18'))).toBeDefined();
    });
    expect(await audits()).toHaveLength(10);
  });

  it.each([
    ['begin', 'begin'],
    ['commit behind comments', ' ; -- x\n /* a /* b */ c */ ; CoMmIt'],
    ['rollback', 'rollback and chain'],
    ['end', 'END'],
    ['a savepoint', 'savepoint a'],
    ['its end', 'release a'],
    ['two-phase commit', "prepare transaction 'x'"],
    ['start', 'start transaction'],
    ['abort', 'abort;'],
    ['another isolation', 'set transaction isolation level serializable'],
    ['settings that stay', 'set search_path = x'],
    ['settings of the session', 'set session search_path = x'],
    ['discard', 'discard all'],
    ['listen', 'listen x'],
  ])('refuses %s before anything is sent, and the unit goes on', async (_, text) => {
    await run(async (kysely) => {
      await insert(kysely, 1);
      await expect(sql.raw(text).execute(kysely)).rejects.toMatchObject({ code: 'unsupported' });
      await insert(kysely, 2);
    });
    expect(await audits()).toHaveLength(2);
  });

  it('takes one statement at a time, so that none hides behind another', async () => {
    const ran = run((kysely) => sql.raw("insert into audit values (1, 'x'); commit").execute(kysely));
    await expect(ran).rejects.toMatchObject({ code: 'store', cause: { code: '42601' } });
    expect(await audits()).toEqual([]);
    const hidden = run((kysely) => sql.raw('do $$ begin commit; end $$').execute(kysely));
    await expect(hidden).rejects.toMatchObject({ cause: { code: '2D000' } });
    await run(async (kysely) => {
      await sql`set local work_mem = '8MB'`.execute(kysely);
      await sql`/* begin */ select 'commit' as word`.execute(kysely);
    });
  });

  it('refuses transactions, connections, streams and its own end', async () => {
    await run(async (kysely) => {
      const unsupported = expect.objectContaining({ code: 'unsupported' });
      for (const one of [
        kysely,
        kysely.withSchema('public'),
        kysely.withoutPlugins(),
        kysely.withTables<{ audit: Tables['audit'] }>(),
      ]) {
        expect(() => one.transaction()).toThrow(unsupported);
        expect(() => one.startTransaction()).toThrow(unsupported);
        expect(() => one.connection()).toThrow(unsupported);
        await expect(one.destroy()).rejects.toEqual(unsupported);
        await expect(one[Symbol.asyncDispose]()).rejects.toEqual(unsupported);
        await expect(one.selectFrom('audit').selectAll().stream().next()).rejects.toEqual(unsupported);
      }
      await insert(kysely, 1);
    });
    expect(await audits()).toHaveLength(1);
  });

  it('is refused when the unit has ended', async () => {
    const { result: escaped } = await run(async (kysely) => ({ kysely }));
    await expect(insert(escaped.kysely, 1)).rejects.toMatchObject({ code: 'invalid-options' });
    expect(await audits()).toEqual([]);
  });

  it('skips a statement whose signal is aborted before its turn', async () => {
    await run(async (kysely) => {
      const first = sql`select pg_sleep(0.5)`.execute(kysely);
      const aborter = new AbortController();
      const late = kysely
        .insertInto('audit')
        .values({ id: 1, what: 'late', at: null, big: null })
        .execute({ signal: aborter.signal });
      late.catch(() => undefined);
      await appears(
        other,
        "select from pg_stat_activity where query like '%pg_sleep(0.5)' and state = 'active'",
      );
      aborter.abort();
      await expect(late).rejects.toMatchObject({ name: 'AbortError' });
      await first;
    });
    expect(await audits()).toEqual([]);
  });

  it('a record that the unit read and its SQL changed must be read once more before it is written', async () => {
    await store.records(Note).write(upsert('a', { n: 1, text: 'old' }), { term: 2 });
    await run(async (kysely, unit) => {
      const notes = unit.records(Note);
      await notes.read(keyOf('a'));
      await kysely.updateTable('notes').set({ n: 2 }).where('id', '=', 'a').execute();
      const stale = notes.write(upsert('a', { n: 1, text: 'new' }));
      await expect(stale).rejects.toMatchObject({ code: 'conflict', retryable: false, key: 'a' });
      const again = await notes.read(keyOf('a'));
      await notes.write(upsert('a', { ...again?.value, text: 'new' }));
      await kysely.deleteFrom('notes').where('id', '=', 'a').execute();
      await expect(notes.write(upsert('a'))).rejects.toMatchObject({ code: 'conflict' });
      await notes.read(keyOf('a'));
      await notes.write(upsert('a', { n: 3 }));
    });
    expect((await store.records(Note).read(keyOf('a')))?.value).toMatchObject({ n: 3 });
  });

  it('another’s change is still a conflict to run again for, SQL or not', async () => {
    await store.records(Note).write(upsert('a', { n: 1 }), { term: 2 });
    const ran = run(async (kysely, unit) => {
      await unit.records(Note).read(keyOf('a'));
      await insert(kysely, 1);
      await other.query("update notes set n = 9 where id = 'a'");
      await unit.records(Note).write(upsert('a', { n: 2 }));
    });
    await expect(ran).rejects.toMatchObject({ code: 'transaction-conflict' });
  });

  it('a transaction that a lock timeout or a deadlock ended is told as one to run again', async () => {
    const keeper = await other.connect();
    await keeper.query('begin');
    await keeper.query('lock table audit');
    const ran = run(async (kysely) => {
      await sql`set local lock_timeout = '50ms'`.execute(kysely);
      await insert(kysely, 1);
    });
    await expect(ran).rejects.toMatchObject({ code: 'transaction-conflict' });
    await keeper.query('rollback');
    keeper.release();
  });

  it('refuses a unit of another store', async () => {
    const kysely = store.sqlIn(async () => ({ unit: { records: () => store.records(Note) }, fencedBy: [] }));
    await expect(insert(kysely, 1)).rejects.toMatchObject({ code: 'invalid-options' });
  });
});

// Stops every COMMIT of the table until the gate row is unlocked; then lets it through or refuses it.
const GATE = `
  create table gate (refuse boolean not null);
  insert into gate values (false);
  create table audit (id int primary key);
  create function wait_at_gate() returns trigger language plpgsql as $$
  begin
    if (select refuse from gate for share) then raise exception 'refused at the gate'; end if;
    return null;
  end $$;
  create constraint trigger gate after insert on audit deferrable initially deferred
    for each row execute function wait_at_gate();`;
const AT_GATE = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like 'commit%'";

describeWith('postgres')('a unit that ran nothing but SQL, whose reply to COMMIT is lost', () => {
  const database = testDatabase();
  const direct = new Pool({ connectionString: database.url });
  beforeAll(async () => {
    await postgresStore({ pool: direct }).prepare([Note]);
    await direct.query(GATE);
  });
  afterAll(() => direct.end());

  async function lost(
    id: number,
    { refuse, silence = false }: { readonly refuse: boolean; readonly silence?: boolean },
  ): Promise<unknown> {
    const proxy = await startFaultProxy(database.url);
    const pool = new Pool({ connectionString: proxy.through(database.url) });
    const store = postgresStore<{ audit: { id: number } }>({ pool, timeoutMs: 2_000 });
    const keeper = await direct.connect();
    try {
      await keeper.query('begin');
      await keeper.query('update gate set refuse = $1', [refuse]);
      const ran = store.runUnit(
        async (unit) => {
          const kysely = store.sqlIn(async () => ({ unit, fencedBy: [] }));
          await kysely.insertInto('audit').values({ id }).execute();
          return 'done';
        },
        { operationId: 'only-sql', fenceOf: () => ({ term: 1 }) },
      );
      ran.catch(() => undefined);
      await appears(direct, AT_GATE);
      if (silence) proxy.freeze();
      else proxy.cut();
      await keeper.query('commit');
      return await ran;
    } finally {
      keeper.release();
      proxy.heal();
      await pool.end();
      await proxy.close();
    }
  }
  const isThere = async (id: number): Promise<boolean> =>
    (await direct.query('select from audit where id = $1', [id])).rowCount === 1;

  it('is settled: committed', async () => {
    expect(await lost(1, { refuse: false })).toMatchObject({ result: 'done' });
    expect(await isThere(1)).toBe(true);
  });

  it('is settled: rolled back', async () => {
    await expect(lost(2, { refuse: true })).rejects.toMatchObject({ code: 'connection' });
    expect(await isThere(2)).toBe(false);
  });

  it('is unknown where nobody answers, and says that repeating it may do it twice', async () => {
    await expect(lost(3, { refuse: false, silence: true })).rejects.toMatchObject({
      code: 'unknown-outcome',
      operationId: 'only-sql',
      message: expect.stringContaining('look at what is there'),
    });
  });

  it('is unknown where another server answers, whose transaction of that number may be another', async () => {
    const engine = await startPostgres();
    const elsewhere = new Pool({ connectionString: engine.url });
    const proxy = await startFaultProxy(database.url);
    const near = new Pool({ connectionString: proxy.through(database.url) });
    let current = near;
    const store = postgresStore<{ audit: { id: number } }>({
      pool: { connect: () => current.connect(), on: (...given) => near.on(...given), options: near.options },
      timeoutMs: 2_000,
    });
    const keeper = await direct.connect();
    try {
      await keeper.query('begin');
      await keeper.query('update gate set refuse = false');
      const ran = store.runUnit(
        async (unit) => {
          const kysely = store.sqlIn(async () => ({ unit, fencedBy: [] }));
          const { rows } = await sql<{ id: string }>`select pg_current_xact_id()::text as id`.execute(kysely);
          await kysely.insertInto('audit').values({ id: 4 }).execute();
          // So that the other server has committed a transaction of that number.
          const number = 'select pg_current_xact_id()::text as id';
          while (Number((await elsewhere.query(number)).rows[0]?.id) <= Number(rows[0]?.id));
        },
        { operationId: 'moved', fenceOf: () => ({ term: 1 }) },
      );
      ran.catch(() => undefined);
      await appears(direct, AT_GATE);
      current = elsewhere;
      proxy.cut();
      await expect(ran).rejects.toMatchObject({ code: 'unknown-outcome' });
      await keeper.query('commit');
    } finally {
      keeper.release();
      await elsewhere.end();
      await near.end();
      await proxy.close();
      await engine.stop();
    }
  }, 30_000);
});
