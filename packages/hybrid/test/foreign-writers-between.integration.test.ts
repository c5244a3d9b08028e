import { cosmosStore } from '@polyphase/cosmos';
import { postgresStore } from '@polyphase/postgres';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool } from 'pg';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import { createHybrid, type HybridStores } from '../src/index.ts';
import { noteContainer } from './note-container.ts';
import { Note, protocol } from './virtual-world.ts';

const CONFIGS = {
  '0': { policy: 'cosmos-only', flip: 'auto' },
  '2': { policy: 'dual-write', flip: 'auto' },
  '4': { policy: 'postgres-primary', flip: 'manual' },
  '6': { policy: 'postgres-primary', flip: 'auto' },
  '7': { policy: 'postgres-primary', reverseSync: false, flip: 'auto' },
} as const;
type Wished = keyof typeof CONFIGS;

// What keeps a step from being taken, by the raw driver: an open dead letter, or a dirty key that somebody holds.
const HOLD_GATES = `insert into polyphase.journal (digest, kind, entity, key, reason, issues)
  values ('hold', 'dead-letter', 'notes', 'hold', 'a test', '[]')`;
const OPEN_GATES = "update polyphase.journal set resolved_at = now() where digest = 'hold'";
const holdKeys = (
  since: string,
): string => `insert into polyphase.dirty_key (entity, hyb_pk, id, term, counter, since, held_until)
  values ('notes', '["nobody"]', 'hold', 1, 1, now() ${since}, now() + interval '50 seconds')`;
const FREE_KEYS = "delete from polyphase.dirty_key where id = 'hold'";
const RAW = "update notes set text = 'raw' where id = '1'";

describeWith('postgres')('other programs, in the phases between', () => {
  const engine = testDatabase();
  const pool = new Pool({ connectionString: engine.url, max: 6 });
  const closing: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close();
    await pool.query('drop schema if exists polyphase cascade; drop table if exists notes');
  });
  afterAll(() => pool.end());

  async function start(first: Wished = '0') {
    const { client, database, container } = await noteContainer();
    closing.push(async () => client.dispose());
    const stores = {
      cosmos: cosmosStore({ database, map: { notes: { otherReaders: 'acknowledged' } } }),
      postgres: postgresStore({ pool, timeoutMs: 5_000 }),
    };
    let revision = 0;
    const config = (wanted: Wished) => {
      revision += 1;
      return { loaded: { revision, entities: { notes: CONFIGS[wanted] } } };
    };
    const hybrid = await createHybrid<HybridStores, readonly [typeof Note]>({
      stores,
      entities: [Note],
      config: config(first),
      protocol,
    });
    closing.push(() => hybrid.close({ drainMs: 100 }));
    const reached = (phase: string) =>
      vi.waitFor(() => expect(hybrid.status('notes').phase).toBe(phase), { timeout: 20_000, interval: 5 });
    const wish = (wanted: Wished) => hybrid.configure(config(wanted));
    await reached(first);
    const notes = hybrid.repository(Note);
    await notes.create({ id: '1', owner: 'a', text: 'ours' });
    const text = async () => (await notes.get({ id: '1', owner: 'a' }))?.value.text;
    const document = async () => (await container.item('1', 'a').read<{ text: string }>()).resource?.text;
    const writtenAt = async () => (await container.item('1', 'a').read<{ _ts: number }>()).resource?._ts ?? 0;
    const theirs = () => container.items.upsert({ id: '1', owner: 'a', text: 'theirs' });
    const journal = () => stores.postgres.journal.list('notes');
    return { hybrid, notes, wish, reached, text, document, writtenAt, theirs, journal };
  }

  const rowText = async (): Promise<unknown> =>
    (await pool.query("select text from notes where id = '1' and not hyb_deleted")).rows[0]?.text;
  const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 20_000, interval: 20 });

  /** In phase 1 behind a gate, or armed in phase 4 until the flip is allowed. */
  async function held(phase: '1' | '4') {
    const world = await start();
    if (phase === '1') {
      await pool.query(HOLD_GATES);
      await world.wish('2');
    } else await world.wish('4');
    await world.reached(phase);
    await eventually(async () => expect(await rowText()).toBe('ours'));
    return world;
  }

  test.each(['1', '4'] as const)(
    'in phase %s a document that others write counts, and goes along',
    async (phase) => {
      const { theirs, text, wish, reached } = await held(phase);
      await theirs();
      await eventually(async () => expect(await rowText()).toBe('theirs'));
      expect(await text()).toBe('theirs');
      await pool.query(OPEN_GATES);
      await wish('6');
      await reached('6');
      expect(await text()).toBe('theirs');
    },
    60_000,
  );

  test.each(['1', '4'] as const)(
    'in phase %s a row that others write is drift, which keeps the gates closed',
    async (phase) => {
      const { text, document, journal, wish, reached, notes, hybrid } = await held(phase);
      // A change that the feed brings once more mends the row: drift is what stays.
      await eventually(async () => {
        await pool.query(RAW);
        expect((await journal()).filter(({ key }) => key !== 'hold')).toMatchObject([
          { kind: 'dead-letter' },
        ]);
      });
      await pool.query(OPEN_GATES);
      // Where reads are answered by PostgreSQL, as long as it is fresh, callers see it.
      await eventually(async () => expect(await text()).toBe(phase === '1' ? 'ours' : 'raw'));
      expect(await document()).toBe('ours');
      await wish('6');
      await eventually(async () =>
        expect(hybrid.status('notes').blockedBy).toMatchObject([{ name: 'no dead letters' }]),
      );
      await notes.patch({ id: '1', owner: 'a' }, { text: 'again' });
      await reached('6');
      expect([await text(), await rowText()]).toEqual(['again', 'again']);
    },
    60_000,
  );

  /** Sealed forward, for as long as a unit of work that is under way. */
  async function sealed(afterAWhile = false) {
    const world = await start('2');
    // What was written lately is compared once more before the commit.
    const ageS = afterAWhile ? 5 : -1;
    await eventually(async () =>
      expect(Date.now() / 1_000 - (await world.writtenAt())).toBeGreaterThan(ageS),
    );
    let finish: () => void = () => undefined;
    const waiting = new Promise<void>((resolve) => {
      finish = resolve;
    });
    let joined: () => void = () => undefined;
    const under = new Promise<void>((resolve) => {
      joined = resolve;
    });
    const unit = world.hybrid.transaction(async (inside) => {
      await inside.repository(Note).get({ id: '2', owner: 'a' });
      joined();
      await waiting;
    });
    await under;
    await world.wish('6');
    await world.reached('5');
    return { ...world, go: async () => (finish(), unit) };
  }

  test('in phase 5, before the cut, a document that others write goes along', async () => {
    const { theirs, go, reached, text } = await sealed();
    await theirs();
    await go();
    await reached('6');
    expect(await text()).toBe('theirs');
  }, 60_000);

  test('in phase 5, around the cut, a document that others write goes along or is kept for a person to decide', async () => {
    const { theirs, go, reached, text, journal } = await sealed();
    await go();
    await theirs();
    await reached('6');
    await eventually(async () => {
      const open = await journal();
      const end = await text();
      expect(end === 'theirs' || open.some(({ bodies }) => bodies.theirs?.includes('theirs') === true)).toBe(
        true,
      );
    });
  }, 60_000);

  test('in phase 5 a row that others write is drift, and the flip is given up', async () => {
    const { go, reached, text, document, notes, hybrid } = await sealed(true);
    await pool.query(RAW);
    await go();
    await reached('4');
    await eventually(async () =>
      expect(hybrid.status('notes').blockedBy).toMatchObject([{ name: 'no dead letters' }]),
    );
    expect(await document()).toBe('ours');
    await notes.patch({ id: '1', owner: 'a' }, { text: 'again' });
    await reached('6');
    expect([await text(), await rowText()]).toEqual(['again', 'again']);
  }, 60_000);

  test('in phase 5 a row that others write and commit at the last moment is not taken for the truth', async () => {
    const { go, reached, document, notes } = await sealed(true);
    const raw = await pool.connect();
    await raw.query('begin');
    await raw.query(RAW);
    await go();
    const waiting =
      "select from pg_stat_activity where wait_event = 'advisory' and datname = current_database()";
    await eventually(async () => expect((await pool.query(waiting)).rowCount).toBe(1));
    await raw.query('commit');
    raw.release();
    await reached('4');
    expect(await document()).toBe('ours');
    await notes.patch({ id: '1', owner: 'a' }, { text: 'again' });
    await reached('6');
    expect(await rowText()).toBe('again');
  }, 60_000);

  /** Sealed back, until the key that somebody holds is free. */
  async function sealedBack() {
    const world = await start('6');
    await eventually(async () => expect(await world.document()).toBe('ours'));
    await pool.query(holdKeys("+ interval '1 hour'"));
    await world.wish('2');
    await world.reached("5'");
    return world;
  }

  test("in phase 5' SQL of others is refused, and the way back goes on", async () => {
    const { reached, text } = await sealedBack();
    for (const statement of [
      RAW,
      "delete from notes where id = '1'",
      "insert into notes (id, owner, text) values ('9', 'a', 'x')",
    ])
      await expect(pool.query(statement)).rejects.toMatchObject({ code: '55P03' });
    await pool.query(FREE_KEYS);
    await reached('2');
    expect(await text()).toBe('ours');
  }, 60_000);

  test("in phase 5' a document that others write is kept for a person to decide, and the way back waits for that", async () => {
    const { theirs, reached, text, journal, hybrid } = await sealedBack();
    await theirs();
    await pool.query(FREE_KEYS);
    await eventually(async () =>
      expect(await journal()).toMatchObject([
        { kind: 'conflict', bodies: { theirs: expect.stringContaining('theirs') } },
      ]),
    );
    await reached('6');
    expect(await text()).toBe('ours');
    await eventually(async () => expect(hybrid.status('notes').blockedBy).not.toEqual([]));
  }, 60_000);

  /** On the way back from phase 7, as long as the key that somebody holds is old. */
  async function rearming() {
    const world = await start('7');
    await pool.query(holdKeys("- interval '1 hour'"));
    await world.wish('6');
    await world.reached('7r');
    await eventually(async () => expect(await world.document()).toBe('ours'));
    return world;
  }

  test('in phase 7r a row that others write reaches Cosmos DB', async () => {
    const { reached, text, document } = await rearming();
    await pool.query(RAW);
    await eventually(async () => expect(await document()).toBe('raw'));
    await pool.query(FREE_KEYS);
    await reached('6');
    expect(await text()).toBe('raw');
  }, 60_000);

  test('in phase 7r a document that others write is kept for a person to decide, and not taken', async () => {
    const { theirs, text, journal, notes } = await rearming();
    await theirs();
    await eventually(async () =>
      expect(await journal()).toMatchObject([
        { kind: 'conflict', bodies: { theirs: expect.stringContaining('theirs') } },
      ]),
    );
    expect(await text()).toBe('ours');
    await notes.patch({ id: '1', owner: 'a' }, { text: 'later' });
    expect(await text()).toBe('later');
  }, 60_000);
});
