import { encodeVersion, type JsonObject, type StoredRecord, type WriteIntent } from '@polyphase/core';
import { startFaultProxy } from '@polyphase/test-support';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { postgresStore } from '../src/index.ts';
import { appears, controlRow, countingPool, keyOf, Login, Note } from './support.ts';

const create = (id: string, fields: JsonObject = {}): WriteIntent => ({
  kind: 'create',
  key: keyOf(id),
  operationId: crypto.randomUUID(),
  value: { id, tenant: 't', ...fields },
});
const replace = ({ key, version }: StoredRecord, fields: JsonObject): WriteIntent => ({
  kind: 'replace',
  key,
  operationId: crypto.randomUUID(),
  value: { id: key.id, tenant: 't', ...fields },
  ifVersion: encodeVersion(version),
});

describeWith('postgres')('writes that go together', () => {
  const database = testDatabase();
  const admin = new Pool({ connectionString: database.url });
  const { pool, counting, seen } = countingPool({ connectionString: database.url });
  const store = postgresStore({ pool: counting });
  const notes = store.records(Note);
  const logins = store.records(Login);
  const write = (intent: WriteIntent) => notes.write(intent, { term: 1 });
  const ids = (prefix: string, count = 16) => Array.from({ length: count }, (_, i) => `${prefix} ${i}`);
  beforeAll(() => store.prepare([Note, Login]));
  afterAll(() => Promise.all([admin.end(), pool.end()]));

  /** Does something while a transaction of somebody else holds a row. */
  const whileHeld = async (id: string, work: () => Promise<void>): Promise<void> => {
    const keeper = await admin.connect();
    await keeper.query('begin');
    await keeper.query('select from notes where id = $1 for update', [id]);
    try {
      await work();
    } finally {
      await keeper.query('rollback');
      keeper.release();
    }
  };

  it('take one request for sixteen, and each caller is told of its own record', async () => {
    await write(create('first'));
    seen.requests = 0;
    const made = await Promise.all(ids('many').map((id, n) => write(create(id, { n }))));
    expect(seen.requests).toBe(1);
    expect(made.map(({ record }) => record.value?.['n'])).toEqual(ids('many').map((_, n) => n));
    const stored = await notes.readMany(ids('many').map(keyOf));
    expect(stored).toEqual(made.map(({ record }) => record));
    const { rows } = await admin.query(
      "select count(distinct xmin::text) as n from notes where id like 'many %'",
    );
    expect(rows).toEqual([{ n: '1' }]);
  });

  it('fail alone: a key that is taken, a version that is old, a unique value', async () => {
    const { record } = await write(create('old', { n: 1 }));
    await write(replace(record, { n: 2 }));
    const [taken, old, fine] = await Promise.allSettled([
      write(create('old')),
      write(replace(record, { n: 3 })),
      write(create('fine')),
    ]);
    expect(taken).toMatchObject({ reason: { code: 'already-exists' } });
    expect(old).toMatchObject({ reason: { code: 'conflict' } });
    expect(fine).toMatchObject({ status: 'fulfilled' });
    const login = (id: string, email: string) => logins.write(create(id, { email }), { term: 1 });
    const several = await Promise.allSettled([login('1', 'a@b'), login('2', 'a@b'), login('3', 'c@d')]);
    expect(several.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
    expect(several.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: 'already-exists' },
    });
    expect(await logins.count()).toBe(2);
  });

  it('do not wait for long behind a row that somebody else holds', async () => {
    const made = await Promise.all(ids('held').map((id) => write(create(id))));
    await whileHeld('held 3', async () => {
      const changes = made.map(({ record }) => write(replace(record, { n: 1 })));
      const [stuck] = changes.splice(3, 1);
      await Promise.all(changes);
      await appears(
        admin,
        "select from pg_stat_activity where wait_event_type = 'Lock' and query like '%notes%'",
      );
      await admin.query('select 1');
      stuck?.catch(() => undefined);
    });
    await expect.poll(async () => (await notes.read(keyOf('held 3')))?.value).toMatchObject({ n: 1 });
  });

  it('end when they wait for each other in a circle, before the server has to break it', async () => {
    const other = new Pool({ connectionString: database.url });
    const there = postgresStore({ pool: other }).records(Note);
    const made = await Promise.all(ids('circle').map((id) => write(create(id))));
    for (let round = 0; round < 10; round += 1) {
      const current = await notes.readMany(made.map(({ record }) => record.key));
      const changes = current.filter((record) => record !== undefined);
      const mine = changes.map((record) => write(replace(record, { n: round })));
      const theirs = changes
        .toReversed()
        .map((record) => there.write(replace(record, { n: -round }), { term: 1 }));
      const ends = await Promise.allSettled([...mine, ...theirs]);
      expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(changes.length);
    }
    const { rows } = await admin.query(
      'select deadlocks from pg_stat_database where datname = current_database()',
    );
    expect(rows).toEqual([{ deadlocks: '0' }]);
    await other.end();
  });

  it('are fenced each by its own group', async () => {
    await store.control.create(controlRow('open', '6'));
    await store.control.create(controlRow('closed', "5'"));
    const [into, sealed] = await Promise.allSettled([
      notes.write(create('in the open'), { term: 2, fence: 'open' }),
      notes.write(create('in the closed'), { term: 2, fence: 'closed' }),
    ]);
    expect(into).toMatchObject({ status: 'fulfilled' });
    expect(sealed).toMatchObject({ reason: { code: 'sealed' } });
    const dirty = await store.dirtyKeys.claim('notes', 10, 1_000);
    expect(dirty.map(({ key }) => key.id)).toEqual(['in the open']);
  });

  it('are each settled when the reply is lost', async () => {
    const proxy = await startFaultProxy(database.url);
    const far = new Pool({ connectionString: proxy.through(database.url) });
    const there = postgresStore({ pool: far }).records(Note);
    const made = await Promise.all(ids('lost').map((id) => there.write(create(id), { term: 1 })));
    let results: Promise<readonly { readonly record: StoredRecord }[]> = Promise.resolve([]);
    await whileHeld('lost 15', async () => {
      results = Promise.all(made.map(({ record }) => there.write(replace(record, { n: 7 }), { term: 1 })));
      results.catch(() => undefined);
      await appears(
        admin,
        "select from pg_stat_activity where wait_event_type = 'Lock' and query like '%notes%'",
      );
      proxy.cut();
    });
    for (const { record } of await results) expect(record.operations).toHaveLength(2);
    const stored = await notes.readMany(ids('lost').map(keyOf));
    expect(stored.map((record) => record?.operations.length)).toEqual(made.map(() => 2));
    await far.end();
    await proxy.close();
  });

  it('are left by a caller that gives up, and go on for the others', async () => {
    const made = await Promise.all(ids('left', 3).map((id) => write(create(id))));
    const controller = new AbortController();
    const ends = { gone: Promise.resolve<unknown>(undefined), stays: Promise.resolve<unknown>(undefined) };
    await whileHeld('left 2', async () => {
      const [gone, stays, stuck] = made.map(({ record }, i) =>
        notes.write(replace(record, { n: 1 }), {
          term: 1,
          ...(i === 0 ? { signal: controller.signal } : {}),
        }),
      );
      stuck?.catch(() => undefined);
      ends.gone = gone ?? ends.gone;
      ends.stays = stays ?? ends.stays;
      ends.gone.catch(() => undefined);
      await appears(
        admin,
        "select from pg_stat_activity where wait_event_type = 'Lock' and query like '%notes%'",
      );
      controller.abort();
      await expect(ends.gone).rejects.toMatchObject({ code: 'unknown-outcome' });
    });
    await ends.stays;
    await expect.poll(async () => (await notes.read(keyOf('left 2')))?.value).toMatchObject({ n: 1 });
  });
});
