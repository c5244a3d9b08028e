import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { postgresStore } from '../src/index.ts';
import { appears, copy, keyOf, Login, Note, upsert } from './support.ts';

describeWith('postgres')('pages of copies', () => {
  const database = testDatabase();
  const pool = new Pool({ connectionString: database.url });
  const store = postgresStore({ pool });
  const notes = store.records(Note);
  const logins = store.records(Login);
  beforeAll(() => store.prepare([Note, Login]));
  beforeEach(() => pool.query('truncate notes, logins, polyphase.journal, polyphase.checkpoint'));
  afterAll(() => pool.end());
  const emails = async (): Promise<unknown> =>
    (await pool.query('select id, email, hyb_clash as clash from logins order by id')).rows;
  const kinds = async (copies: ReturnType<typeof copy>[]): Promise<string[]> =>
    (await logins.apply(copies)).map(({ kind }) => kind);

  it('a thousand at a time, several of one key among them, newest wins', async () => {
    const page = Array.from({ length: 1_000 }, (_, i) => copy(`k${i % 700}`, i + 1, { n: i }));
    const outcomes = await notes.apply(page);
    expect(outcomes.every(({ kind }) => kind === 'applied')).toBe(true);
    expect(await notes.count()).toBe(700);
    expect((await notes.read(keyOf('k5')))?.value).toMatchObject({ n: 705 });
    const falling = await notes.apply([
      copy('f', 5, { n: 5 }),
      copy('f', 3, { n: 3 }),
      copy('f', 5, { n: 4 }),
    ]);
    expect(falling.map(({ kind }) => kind)).toEqual(['applied', 'older', 'diverged']);
    expect((await notes.read(keyOf('f')))?.value).toMatchObject({ n: 5 });
    const again = await notes.apply(page);
    expect(new Set(again.map(({ kind }) => kind))).toEqual(new Set(['same', 'older']));
  });

  it('a copy that is not stored is told the whole of what is there, also where a later one of its key is stored', async () => {
    const ids = ['late', 'twice', 'based'];
    await notes.apply(ids.map((id) => copy(id, 5, { n: 5 })));
    const [late, twice, based] = await notes.readMany(ids.map(keyOf));
    const another = copy('based', 1, { n: 1 });
    const outcomes = await notes.apply([
      copy('late', 4, { n: 4 }),
      copy('twice', 4, { n: 4 }),
      copy('twice', 6, { n: 6 }),
      {
        record: { ...another.record, version: { term: 2, counter: 1 } },
        base: { term: 1, counter: 5, digest: 'another' },
      },
    ]);
    expect(outcomes.map(({ kind }) => kind)).toEqual(['older', 'older', 'applied', 'straggler']);
    expect(outcomes[0]).toEqual({ kind: 'older', there: late });
    expect(outcomes[1]).toEqual({ kind: 'older', there: twice });
    expect(outcomes[3]).toEqual({ kind: 'straggler', there: based });
  });

  it('a page whose lease was lost changes nothing at all', async () => {
    const first = await store.leases.acquire('relay', 'a', 1);
    if (first.kind !== 'acquired') throw new Error('not acquired');
    await expect.poll(async () => (await store.leases.acquire('relay', 'b', 60_000)).kind).toBe('acquired');
    const zombie = {
      name: 'range',
      expected: 0,
      position: 'p1',
      lease: { name: 'relay', token: first.lease.token },
    };
    const entry = {
      kind: 'dead-letter' as const,
      entity: 'notes',
      key: 'k',
      reason: 'r',
      issues: [],
      bodies: { theirs: '{}', ours: undefined },
    };
    const page = notes.apply([copy('zombie', 1)], { checkpoint: zombie, journal: [entry] });
    await expect(page).rejects.toMatchObject({ code: 'fenced' });
    expect(await notes.read(keyOf('zombie'))).toBeUndefined();
    expect(await store.checkpoints.read('range')).toBeUndefined();
    expect(await store.journal.count('notes')).toEqual({ deadLetters: 0, conflicts: 0 });
  });

  it('a unique value that is taken sinks nothing: values that swap arrive in any order', async () => {
    await kinds([copy('a', 1, { email: 'x' }), copy('b', 1, { email: 'y' })]);
    const [first, ...rest] = [copy('a', 2, { email: 'y' }), copy('c', 1, { email: 'z' })];
    if (!first) throw new Error('no copy');
    expect(await kinds([first, ...rest])).toEqual(['applied', 'applied']);
    expect(await emails()).toEqual([
      { id: 'a', email: 'y', clash: true },
      { id: 'b', email: 'y', clash: false },
      { id: 'c', email: 'z', clash: false },
    ]);
    const gate = (await store.verify(Login)).find(({ name }) => name === 'postgres-unique');
    expect(gate).toMatchObject({ passed: false, seen: expect.stringContaining('1 records') });
    expect(await kinds([copy('b', 2, { email: 'x' })])).toEqual(['applied']);
    expect(await emails()).toEqual([
      { id: 'a', email: 'y', clash: false },
      { id: 'b', email: 'x', clash: false },
      { id: 'c', email: 'z', clash: false },
    ]);
    expect((await store.verify(Login)).every(({ passed }) => passed)).toBe(true);
    expect(await kinds([copy('a', 3, { email: 'x' }), copy('b', 3, { email: 'y' })])).toEqual([
      'applied',
      'applied',
    ]);
    expect(await emails()).toMatchObject([{ clash: false }, { clash: false }, { clash: false }]);
    const taken = logins.write({ ...upsert('d', { email: 'x' }) }, { term: 1 });
    await expect(taken).rejects.toMatchObject({ code: 'already-exists' });
  });

  it('what no row can hold is a dead letter, and the next version closes it; the page goes on', async () => {
    // Random, since the index compresses.
    const long = Array.from({ length: 6_000 }, (_, i) =>
      String.fromCharCode(0x4e00 + ((i * 7919) % 20_000)),
    ).join('');
    const checkpoint = { name: 'range', expected: 0, position: 'p1' };
    const page = [copy('a', 1, { email: 'a' }), copy('b', 1, { email: long }), copy('c', 1, { email: 'c' })];
    const outcomes = await logins.apply(page, { checkpoint });
    expect(outcomes.map(({ kind }) => kind)).toEqual(['applied', 'changed', 'applied']);
    expect(await store.checkpoints.read('range')).toEqual({ position: 'p1', revision: 1 });
    expect(await store.journal.list('logins')).toMatchObject([
      { kind: 'dead-letter', key: '["t"] b', reason: expect.stringContaining('2,700 bytes') },
    ]);
    const huge = copy('x'.repeat(1_000), 1, { email: 'h' });
    const key = { partition: ['p'.repeat(1_600)], id: huge.record.key.id };
    expect(await kinds([{ record: { ...huge.record, key } }, copy('b', 2, { email: 'b' })])).toEqual([
      'changed',
      'applied',
    ]);
    expect(await store.journal.list('logins')).toMatchObject([
      { reason: expect.stringContaining('2500 bytes') },
    ]);
    await expect(logins.write({ ...upsert('e', { email: long }) }, { term: 1 })).rejects.toMatchObject({
      code: 'invalid-data',
    });
  });

  const page = (count: number, prefix = 'p', email = (i: number) => `${prefix}${i}`) =>
    Array.from({ length: count }, (_, i) => copy(`${prefix}${i}`, 1, { email: email(i) }));

  it('one row that is refused sinks no page of many, new and old ones mixed', async () => {
    await kinds(page(20));
    const mixed = [
      ...page(20).map(({ record }) => copy(record.key.id, 2, { email: `new-${record.key.id}` })),
      ...page(40, 'q', (i) => (i === 7 ? 'nul\0' : `q${i}`)),
      ...page(3, 'r', () => 'the same'),
    ];
    const outcomes = await kinds(mixed);
    expect(outcomes.filter((kind) => kind === 'applied')).toHaveLength(62);
    expect(outcomes[27]).toBe('changed');
    expect(await store.journal.list('logins')).toMatchObject([{ kind: 'dead-letter', key: '["t"] q7' }]);
    expect((await pool.query('select from logins where hyb_clash')).rowCount).toBe(2);
    expect((await logins.read(keyOf('p3')))?.value).toMatchObject({ email: 'new-p3' });
    expect(await logins.count()).toBe(62);
  });

  it('a key that somebody else stores meanwhile is decided again, and the rest of its page is stored', async () => {
    const other = await pool.connect();
    // Not committed yet: the page's lock does not see it, and its COPY waits for it.
    await other.query('begin');
    await other.query(
      "insert into notes (hyb_pk, id, hyb_term, hyb_counter, hyb_digest, hyb_bucket, tenant, n) values ('[\"t\"]', 'k5', 1, 9, 'd', 1, 't', 9)",
    );
    const applying = notes.apply(Array.from({ length: 30 }, (_, i) => copy(`k${i}`, 1, { n: i })));
    await appears(
      pool,
      "select from pg_stat_activity where wait_event_type = 'Lock' and query like '%notes%'",
    );
    await other.query('commit');
    other.release();
    const outcomes = await applying;
    expect(outcomes[5]).toMatchObject({ kind: 'older', there: { version: { counter: 9 } } });
    expect(outcomes.filter(({ kind }) => kind === 'applied')).toHaveLength(29);
    expect(await notes.count()).toBe(30);
    expect((await notes.read(keyOf('k5')))?.value).toMatchObject({ n: 9 });
  });

  it('under row-level security, where COPY is refused, rows are inserted', async () => {
    await pool.query("create role careful login password 'careful'");
    await pool.query(
      'grant all on all tables in schema public, polyphase to careful; grant usage on schema polyphase to careful',
    );
    await pool.query(
      'alter table notes enable row level security; create policy all_of_it on notes using (true)',
    );
    const url = new URL(database.url);
    url.username = 'careful';
    url.password = 'careful';
    const careful = new Pool({ connectionString: url.href });
    try {
      const copies = Array.from({ length: 30 }, (_, i) => copy(`c${i}`, 1));
      const outcomes = await postgresStore({ pool: careful }).records(Note).apply(copies);
      expect(outcomes.every(({ kind }) => kind === 'applied')).toBe(true);
      expect(await notes.count()).toBe(30);
    } finally {
      await careful.end();
      await pool.query('alter table notes disable row level security');
    }
  });

  it('pages that meet each other and writers end in one state, without a copy lost', async () => {
    const pageFrom = (from: number) =>
      Array.from({ length: 50 }, (_, i) => copy(`m${i}`, from + i, { n: from }));
    const runs = Array.from({ length: 8 }, (_, i) => notes.apply(pageFrom((i + 1) * 1_000)));
    const writes = Array.from({ length: 50 }, (_, i) => notes.write(upsert(`m${i}`), { term: 2 }));
    await Promise.all([...runs, ...writes]);
    const there = await notes.readMany(Array.from({ length: 50 }, (_, i) => keyOf(`m${i}`)));
    expect(there.every((record) => record?.version.term === 2)).toBe(true);
  });
});
