import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { postgresStore } from '../src/index.ts';
import { appears, controlRow, keyOf, Note, upsert } from './support.ts';

const WAITING = "select 1 from pg_locks where locktype = 'advisory' and not granted";

describeWith('postgres')('fencing', () => {
  const database = testDatabase();
  const pool = new Pool({ connectionString: database.url, max: 40 });
  const store = postgresStore({ pool });
  const notes = store.records(Note);
  beforeAll(() => store.prepare([Note]));
  afterAll(() => pool.end());

  it.for([['0'], ['5'], ['2']] as const)('refuses writes in phase %s', async ([phase]) => {
    await store.control.create(controlRow(`p${phase}`, phase));
    const write = notes.write(upsert(`refused ${phase}`), { term: 2, fence: `p${phase}` });
    await expect(write).rejects.toMatchObject({ code: 'fenced' });
    expect(await notes.read(keyOf(`refused ${phase}`))).toBeUndefined();
  });

  it('refuses writes without a row, and of another term', async () => {
    await store.control.create(controlRow('term', '6', 3));
    await expect(notes.write(upsert('x'), { term: 2, fence: 'term' })).rejects.toMatchObject({
      code: 'fenced',
    });
    await expect(notes.write(upsert('x'), { term: 4, fence: 'term' })).rejects.toMatchObject({
      code: 'fenced',
    });
    await expect(notes.write(upsert('x'), { term: 2, fence: 'none' })).rejects.toMatchObject({
      code: 'fenced',
    });
  });

  it("is sealed in phase 5', and captures in 6 and 7r, not in 7", async () => {
    await store.control.create(controlRow('sealed', "5'"));
    await expect(notes.write(upsert('y'), { term: 2, fence: 'sealed' })).rejects.toMatchObject({
      code: 'sealed',
    });
    for (const phase of ['6', '7', '7r'] as const) {
      await store.control.create(controlRow(`c${phase}`, phase));
      const first = await notes.write(upsert(`in ${phase}`), { term: 2, fence: `c${phase}` });
      const second = await notes.write(upsert(`in ${phase}`, { n: 1 }), { term: 2, fence: `c${phase}` });
      expect(second.record.version.counter).toBe(first.record.version.counter + 1);
    }
    const dirty = await store.dirtyKeys.claim('notes', 10, 1_000);
    expect(dirty.map(({ key }) => key.id)).toEqual(['in 6', 'in 7r']);
    const there = await notes.readMany(dirty.map(({ key }) => key));
    expect(there.map((record) => record?.version)).toEqual(dirty.map(({ version }) => version));
  });

  it('an exclusive step waits for what is in flight, and what comes after sees it', async () => {
    await store.control.create(controlRow('flip', '6'));
    const order: string[] = [];
    let step: Promise<unknown> = Promise.resolve();
    let late: Promise<unknown> = Promise.resolve();
    await store.runUnit(
      async (unit) => {
        await unit.records(Note).write(upsert('in flight'));
        step = store.control
          .advance('flip', 1, { phase: "5'", term: 2 }, { exclusive: true })
          .then((row) => order.push(`step to ${row?.epoch}`));
        await appears(pool, WAITING);
        late = notes.write(upsert('late'), { term: 2, fence: 'flip' }).catch((error: unknown) => {
          order.push('late write');
          throw error;
        });
        late.catch(() => undefined);
        await appears(pool, `select 1 from (${WAITING}) as w having count(*) = 2`);
        order.push('unit');
      },
      { operationId: 'flip-unit', fenceOf: () => ({ term: 2, fence: 'flip' }) },
    );
    await step;
    await expect(late).rejects.toMatchObject({ code: 'sealed' });
    // Which of the two answers reaches this process first is nobody's promise; that the late write saw the step is.
    expect(order.slice(0, 1)).toEqual(['unit']);
    expect(order.toSorted()).toEqual(['late write', 'step to 2', 'unit']);
    expect(await notes.read(keyOf('in flight'))).toBeDefined();
    expect(await notes.read(keyOf('late'))).toBeUndefined();
  });

  it('an exclusive step waits for a beat that is under way, and then finds its member', async () => {
    await store.control.create(controlRow('beaten', '6'));
    const keeper = await pool.connect();
    await keeper.query('begin');
    await keeper.query(
      "insert into polyphase.member values ('beaten', 'slow', 0, '', clock_timestamp() + interval '1 hour')",
    );
    const beat = store.members.beat({
      group: 'beaten',
      holder: 'slow',
      epoch: 1,
      version: '1.0.0',
      supports: [],
      durationMs: 60_000,
    });
    await appears(
      pool,
      "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%member%'",
    );
    const listed = store.control
      .advance('beaten', 1, { phase: "5'", term: 2 }, { exclusive: true })
      .then(() => store.members.list('beaten'));
    await Promise.race([listed, appears(pool, WAITING)]);
    await keeper.query('rollback');
    keeper.release();
    expect((await beat).row?.phase).toBe('6');
    expect((await listed).map(({ holder }) => holder)).toEqual(['slow']);
  });

  it('groups do not wait for each other', async () => {
    await store.control.create(controlRow('here', '6'));
    await store.control.create(controlRow('there', '6'));
    await store.runUnit(
      async (unit) => {
        await unit.records(Note).write(upsert('here'));
        const step = store.control.advance('there', 1, { phase: '7', term: 2 }, { exclusive: true });
        expect(await step).toMatchObject({ epoch: 2 });
      },
      { operationId: 'here', fenceOf: () => ({ term: 2, fence: 'here' }) },
    );
  });

  it('is not starved by 32 writers, and none of them writes after it', async () => {
    await store.control.create(controlRow('busy', '7'));
    let written = 0;
    const writer = async (n: number): Promise<void> => {
      for (let i = 0; ; i += 1) {
        await notes.write(upsert(`busy ${n} ${i}`), { term: 2, fence: 'busy' });
        written += 1;
      }
    };
    const writers = Array.from({ length: 32 }, (_, n) => writer(n).catch((error: unknown) => error));
    await appears(pool, "select 1 from notes where id like 'busy 31 %'");
    const started = performance.now();
    await store.control.advance('busy', 1, { phase: '0', term: 3 }, { exclusive: true });
    const waited = performance.now() - started;
    const { rows } = await pool.query<{ n: string }>(
      "select count(*) as n from notes where id like 'busy %'",
    );
    for (const end of await Promise.all(writers)) expect(end).toMatchObject({ code: 'fenced' });
    const after = await pool.query<{ n: string }>("select count(*) as n from notes where id like 'busy %'");
    expect(after.rows[0]?.n).toBe(rows[0]?.n);
    expect(Number(rows[0]?.n)).toBe(written);
    expect(waited).toBeLessThan(10_000);
  });
});
