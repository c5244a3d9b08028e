import type { Container } from '@azure/cosmos';
import { cosmosStore } from '@polyphase/cosmos';
import { postgresStore } from '@polyphase/postgres';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool } from 'pg';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import { createHybrid, type HybridStores, type RepositoryOf } from '../src/index.ts';
import { noteContainer } from './note-container.ts';
import { Note, protocol } from './virtual-world.ts';

const CONFIGS = {
  '0': { policy: 'cosmos-only', flip: 'auto' },
  '2': { policy: 'dual-write', flip: 'auto' },
  '3': { policy: 'dual-write', reads: 'postgres', flip: 'auto' },
  '6': { policy: 'postgres-primary', flip: 'auto' },
  '7': { policy: 'postgres-primary', reverseSync: false, flip: 'auto' },
} as const;
type Wished = keyof typeof CONFIGS;
type Raw = Record<string, unknown>;

/** How another program stamps a document, given its stamp and that of a document which was written before it. */
const STAMPS = {
  'of the wrong shape': () => ({ t: '1', c: null }),
  'of a later term': (own) => ({ ...own, t: 9 }),
  'with a counter above ours': (own) => ({ ...own, c: Number(own['c']) + 1_000 }),
  'with a wrong digest': (own) => ({ ...own, d: 'f'.repeat(32) }),
  'of an older document': (_, older) => older,
  'of a deleted record': (own) => ({ ...own, x: true, d: '0'.repeat(32), f: ['id', 'owner', 'ttl'] }),
} as const satisfies Record<string, (own: Raw, older: Raw) => Raw>;
type Stamp = keyof typeof STAMPS;
const STAMP_NAMES = Object.keys(STAMPS).filter((stamp): stamp is Stamp => stamp in STAMPS);
// What no record can be made of, or what no record of ours can have.
const REFUSED = ['of the wrong shape', 'of a later term'] as const;
const TAKEN = STAMP_NAMES.filter((stamp) => !REFUSED.some((one) => one === stamp));
const across = <Phase extends string, Name extends Stamp>(
  phases: readonly Phase[],
  stamps: readonly Name[],
) => phases.flatMap((phase) => stamps.map((stamp) => [phase, stamp] as const));

// What keeps a step from being taken: an open dead letter, or a dirty key that somebody holds.
const HOLD_GATES = `insert into polyphase.journal (digest, kind, entity, key, reason, issues)
  values ('hold', 'dead-letter', 'notes', 'hold', 'a test', '[]')`;
const OPEN_GATES = "update polyphase.journal set resolved_at = now() where digest = 'hold'";
const HOLD_KEYS = `insert into polyphase.dirty_key (entity, hyb_pk, id, term, counter, since, held_until)
  values ('notes', '["nobody"]', 'hold', 1, 1, now() - $1::interval, now() + interval '50 seconds')`;
const FREE_KEYS = "delete from polyphase.dirty_key where id = 'hold'";

describeWith('postgres')('another program that stamps documents badly, or removes them', () => {
  const engine = testDatabase();
  const pool = new Pool({ connectionString: engine.url, max: 6 });
  const closing: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close();
    await pool.query('drop schema if exists polyphase cascade; drop table if exists notes');
  });
  afterAll(() => pool.end());

  const eventually = (check: () => Promise<void> | void) =>
    vi.waitFor(check, { timeout: 20_000, interval: 20 });

  async function start(first: Wished = '0') {
    const { client, database, container } = await noteContainer();
    closing.push(async () => client.dispose());
    const stores = {
      cosmos: cosmosStore({ database, map: { notes: { otherReaders: 'acknowledged' } } }),
      postgres: postgresStore({ pool, timeoutMs: 5_000 }),
    };
    let wanted = first;
    let revision = 0;
    const config = () => {
      revision += 1;
      return { loaded: { revision, entities: { notes: CONFIGS[wanted] } } };
    };
    const open = () =>
      createHybrid<HybridStores, readonly [typeof Note]>({
        stores,
        entities: [Note],
        config: config(),
        protocol,
      });
    let hybrid = await open();
    closing.push(() => hybrid.close({ drainMs: 100 }));
    /** Another process, which has compared nothing yet. */
    const restart = async () => {
      await hybrid.close({ drainMs: 100 });
      hybrid = await open();
    };
    const reached = (phase: string) => eventually(() => expect(hybrid.status('notes').phase).toBe(phase));
    const wish = (next: Wished) => {
      wanted = next;
      return hybrid.configure(config());
    };
    await reached(first);
    for (const id of ['0', '1', '2']) await hybrid.repository(Note).create({ id, owner: 'a', text: 'ours' });
    // Counters begin at a date in milliseconds, which two creates may share: a later write tells them apart.
    await hybrid.repository(Note).patch({ id: '1', owner: 'a' }, { text: 'ours' });
    const text = async () => (await hybrid.repository(Note).get({ id: '1', owner: 'a' }))?.value.text;
    const patch = (to: string) => hybrid.repository(Note).patch({ id: '1', owner: 'a' }, { text: to });
    const unit = (work: (notes: Pick<RepositoryOf<typeof Note>, 'get' | 'patch'>) => Promise<void>) =>
      hybrid.transaction((inside) => work(inside.repository(Note)));
    const blockedBy = () => hybrid.status('notes').blockedBy;
    const journal = async () =>
      (await stores.postgres.journal.list('notes')).filter(({ key }) => key !== 'hold');
    const theirs = (stamp: Stamp) => writeTheirs(container, stamp);
    const remove = () => container.item('1', 'a').delete();
    return { container, restart, reached, wish, text, patch, unit, blockedBy, journal, theirs, remove };
  }
  type World = Awaited<ReturnType<typeof start>>;

  const read = async (container: Container, id: string): Promise<{ stamp: Raw; body: Raw }> => {
    const { resource } = await container.item(id, 'a').read<{ _h: Raw; id: string }>();
    if (!resource) throw new Error('no document');
    const { _h, ...body } = resource;
    return { stamp: _h, body };
  };
  async function writeTheirs(container: Container, stamp: Stamp): Promise<void> {
    const older = (await read(container, '0')).stamp;
    const { stamp: own, body } = await read(container, '1');
    await container.items.upsert({ ...body, text: 'theirs', _h: STAMPS[stamp](own, older) });
  }
  const row = async (): Promise<Raw | undefined> =>
    (
      await pool.query<Raw>(
        "select text, hyb_term as t, hyb_counter as c, hyb_digest as d from notes where id = '1' and not hyb_deleted",
      )
    ).rows[0];
  const rowText = async () => (await row())?.['text'];

  /** In phase 1 or 3, and held there. */
  async function held(phase: '1' | '3'): Promise<World> {
    const world = await start();
    if (phase === '1') await pool.query(HOLD_GATES);
    await world.wish('3');
    await world.reached(phase);
    await eventually(async () => expect(await rowText()).toBe('ours'));
    return world;
  }

  /** PostgreSQL is the authority, and Cosmos DB has what it wrote in this term. */
  async function led(phase: '6' | "5'" | '7r'): Promise<World> {
    const world = await start(phase === '7r' ? '7' : '6');
    if (phase === '7r') {
      await pool.query(HOLD_KEYS, ['1 hour']);
      await world.wish('6');
      await world.reached(phase);
    }
    const texts = async () =>
      (await world.container.items.readAll<Raw>().fetchAll()).resources.flatMap((it) => it['text'] ?? []);
    await eventually(async () => expect(await texts()).toEqual(['ours', 'ours', 'ours']));
    const waiting = "select id from polyphase.dirty_key where id <> 'hold'";
    await eventually(async () => expect((await pool.query(waiting)).rows).toEqual([]));
    if (phase === "5'") {
      await pool.query(HOLD_KEYS, ['-1 hour']);
      await world.wish('2');
      await world.reached(phase);
    }
    return world;
  }

  /** As the dead letter says: without the stamp it is a document of before, and stamped anew. */
  const mend = async (container: Container): Promise<void> => {
    await container.items.upsert((await read(container, '1')).body);
  };

  /** What they wrote is in both stores under one version, and goes along with the authority. */
  async function goesAlong({ container, wish, reached, text, patch }: World): Promise<void> {
    await eventually(async () => expect(await rowText()).toBe('theirs'));
    await eventually(async () => {
      const { stamp: now } = await read(container, '1');
      expect(await row()).toMatchObject({ t: now['t'], c: String(now['c']) });
    });
    await pool.query(OPEN_GATES);
    await wish('6');
    await reached('6');
    expect(await text()).toBe('theirs');
    await patch('ours again');
    await eventually(async () => expect((await read(container, '1')).body['text']).toBe('ours again'));
  }

  test.each(across(['1', '3'], TAKEN))(
    'in phase %s a document with a stamp %s is what counts',
    async (phase, stamp) => {
      const world = await held(phase);
      await world.theirs(stamp);
      await goesAlong(world);
      expect(await world.journal()).toEqual([]);
    },
    60_000,
  );

  test.each(across(['1', '3'], REFUSED))(
    'in phase %s a document with a stamp %s keeps the gates closed until it is mended',
    async (phase, stamp) => {
      const world = await held(phase);
      await world.theirs(stamp);
      await eventually(async () =>
        expect(await world.journal()).toMatchObject([
          { kind: 'dead-letter', bodies: { theirs: expect.stringContaining('theirs') } },
        ]),
      );
      expect(await rowText()).toBe('ours');
      await pool.query(OPEN_GATES);
      await world.wish('6');
      await eventually(() =>
        expect(world.blockedBy()).toMatchObject([{ name: 'no dead letters', seen: '1' }]),
      );
      await mend(world.container);
      await goesAlong(world);
    },
    60_000,
  );

  /** Goes on, and then back; from 7r it stays where it is, since what is told keeps it there. */
  async function wayBack({ reached, wish }: World, phase: '6' | "5'" | '7r'): Promise<void> {
    await pool.query(FREE_KEYS);
    if (phase === '7r') return;
    await reached('6');
    await wish('2');
  }

  test.each(across(['6', "5'", '7r'], STAMP_NAMES))(
    'in phase %s a document with a stamp %s is kept for a person to decide, and not taken',
    async (phase, stamp) => {
      const world = await led(phase);
      await world.theirs(stamp);
      await eventually(async () =>
        expect(await world.journal()).toMatchObject([
          {
            kind: stamp === 'of the wrong shape' ? 'dead-letter' : 'conflict',
            bodies: { theirs: expect.stringContaining('theirs') },
          },
        ]),
      );
      await wayBack(world, phase);
      await eventually(() => expect(world.blockedBy()).not.toEqual([]));
      expect([await world.text(), await rowText()]).toEqual(['ours', 'ours']);
      expect((await read(world.container, '1')).body['text']).toBe('theirs');
    },
    60_000,
  );

  /** Sealed forward, for as long as a unit of work that is under way. */
  async function sealed(): Promise<World & { readonly go: () => Promise<void> }> {
    const world = await start('2');
    const under = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    const unit = world.unit(async (notes) => {
      await notes.get({ id: '2', owner: 'a' });
      under.resolve();
      await finish.promise;
    });
    await under.promise;
    await world.wish('6');
    await world.reached('5');
    const go = async () => {
      finish.resolve();
      await unit;
    };
    return { ...world, go };
  }

  test.each(TAKEN)(
    'in phase 5 a document with a stamp %s goes along',
    async (stamp) => {
      const { theirs, go, reached, text } = await sealed();
      await theirs(stamp);
      await go();
      await reached('6');
      expect(await text()).toBe('theirs');
    },
    60_000,
  );

  test.each(REFUSED)(
    'in phase 5 with a stamp %s the flip is given up until it is mended',
    async (stamp) => {
      const { theirs, go, reached, text, blockedBy, container } = await sealed();
      await theirs(stamp);
      await go();
      await reached('4');
      await eventually(() => expect(blockedBy()).toMatchObject([{ name: 'no dead letters' }]));
      await mend(container);
      await reached('6');
      expect(await text()).toBe('theirs');
    },
    60_000,
  );

  test('a stamp of the wrong shape keeps no other record from following to Cosmos DB', async () => {
    const { theirs, unit, container } = await led('6');
    await theirs('of the wrong shape');
    // Both keys are copied together.
    await unit(async (notes) => {
      for (const id of ['1', '2']) await notes.patch({ id, owner: 'a' }, { text: 'later' });
    });
    await eventually(async () => expect((await read(container, '2')).body['text']).toBe('later'));
    const left = async () => (await pool.query<Raw>('select id from polyphase.dirty_key')).rows;
    await eventually(async () => expect(await left()).toEqual([{ id: '1' }]));
    expect((await read(container, '1')).body['text']).toBe('theirs');
    await container.items.upsert((await read(container, '1')).body);
    await eventually(async () => expect((await read(container, '1')).body['text']).toBe('later'));
  }, 60_000);

  const isToldOf = ({ blockedBy }: World, kind: 'removed' | 'lag') =>
    eventually(() =>
      expect(blockedBy()).toMatchObject([
        { name: 'both stores hold the same', seen: expect.stringContaining(`1 (${kind})`) },
      ]),
    );

  test.each(['1', '3', "5'"] as const)(
    'in phase %s a document that it removes is told of at the gate of the way forward, and not removed from PostgreSQL',
    async (phase) => {
      const world = await (phase === "5'" ? led(phase) : held(phase));
      await world.remove();
      await pool.query(phase === '1' ? OPEN_GATES : FREE_KEYS);
      // Sealed, only what was written lately is compared: it is found on the next way forward.
      if (phase === "5'") await world.reached('2');
      await world.wish('6');
      // A comparison of a moment ago would be recent enough; another process has none.
      if (phase !== '1') await world.restart();
      await isToldOf(world, 'removed');
      expect(await rowText()).toBe('ours');
    },
    60_000,
  );

  test.each(['6', '7r'] as const)(
    'in phase %s a document that it removes is told of at the next gate, and comes back with the next write',
    async (phase) => {
      const world = await led(phase);
      await world.remove();
      await wayBack(world, phase);
      await isToldOf(world, 'lag');
      await world.patch('later');
      await eventually(async () => expect((await read(world.container, '1')).body['text']).toBe('later'));
    },
    60_000,
  );
});
