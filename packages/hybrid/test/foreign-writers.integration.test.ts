import type { Container } from '@azure/cosmos';
import { cosmosStore } from '@polyphase/cosmos';
import { postgresStore } from '@polyphase/postgres';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool } from 'pg';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import { createHybrid, type HybridStores } from '../src/index.ts';
import { noteContainer } from './note-container.ts';
import { Note, protocol } from './virtual-world.ts';

const CONFIGS: { readonly [phase in string]: object } = {
  '0': { policy: 'cosmos-only' },
  '2': { policy: 'dual-write' },
  '3': { policy: 'dual-write', reads: 'postgres' },
  '6': { policy: 'postgres-primary' },
  '7': { policy: 'postgres-primary', reverseSync: false },
};

type Raw = Record<string, unknown>;

describeWith('postgres')('another program with the raw driver', () => {
  const engine = testDatabase();
  const pool = new Pool({ connectionString: engine.url, max: 6 });
  const closing: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close();
    await pool.query('drop schema if exists polyphase cascade; drop table if exists notes');
  });
  afterAll(() => pool.end());

  async function inPhase(phase: string) {
    const { client, database, container } = await noteContainer();
    closing.push(async () => client.dispose());
    const stores = {
      cosmos: cosmosStore({ database, map: { notes: { otherReaders: 'acknowledged' } } }),
      postgres: postgresStore({ pool, timeoutMs: 5_000 }),
    };
    let revision = 0;
    const config = (wanted: string) => {
      revision += 1;
      return { loaded: { revision, entities: { notes: { ...CONFIGS[wanted], flip: 'auto' } } } };
    };
    const hybrid = await createHybrid<HybridStores, readonly [typeof Note]>({
      stores,
      entities: [Note],
      config: config('0'),
      protocol,
    });
    closing.push(() => hybrid.close({ drainMs: 100 }));
    await hybrid.repository(Note).create({ id: '1', owner: 'a', text: 'ours' });
    const wish = (wanted: string) => hybrid.configure(config(wanted));
    await wish(phase);
    await vi.waitFor(() => expect(hybrid.status('notes').phase).toBe(phase), { timeout: 30_000 });
    const blockedBy = () => hybrid.status('notes').blockedBy;
    return { hybrid, container, wish, blockedBy, stores, notes: hybrid.repository(Note) };
  }

  const read = async (container: Container): Promise<Raw> => {
    const { resource } = await container.item('1', 'a').read<Raw>();
    if (!resource) throw new Error('no document');
    return resource;
  };
  const rowText = async (): Promise<unknown> =>
    (await pool.query(`select text from notes where id = '1' and not hyb_deleted`)).rows[0]?.text;
  const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 20_000, interval: 20 });

  // How another program changes a document, given what is there.
  const WRITES: readonly (readonly [string, (there: Raw) => Raw])[] = [
    ['without a stamp', ({ _h, ...rest }) => ({ ...rest, text: 'theirs' })],
    ['under our stamp', (there) => ({ ...there, text: 'theirs' })],
    [
      'under an old stamp',
      ({ _h, ...rest }) => ({ ...rest, text: 'theirs', _h: Object.assign({}, _h, { c: 1 }) }),
    ],
  ];

  test.each(['0', '2', '3'].flatMap((phase) => WRITES.map(([how, make]) => [phase, how, make] as const)))(
    'in phase %s a document that it writes %s is what counts',
    async (phase, _, make) => {
      const { container, notes, wish, hybrid } = await inPhase(phase);
      await container.items.upsert(make(await read(container)));
      await eventually(async () =>
        expect((await notes.get({ id: '1', owner: 'a' }))?.value.text).toBe('theirs'),
      );
      const next = phase === '0' ? '2' : phase;
      await wish(next);
      await eventually(async () => expect(hybrid.status('notes').phase).toBe(next));
      await eventually(async () => expect(await rowText()).toBe('theirs'));
      expect((await notes.get({ id: '1', owner: 'a' }))?.value.text).toBe('theirs');
      await notes.patch({ id: '1', owner: 'a' }, { text: 'ours again' });
      await eventually(async () => expect(await rowText()).toBe('ours again'));
    },
    60_000,
  );

  test.each(['2', '3'])(
    'in phase %s a stamp that is none is a dead letter until it is mended',
    async (phase) => {
      const { container, stores } = await inPhase(phase);
      const there = await read(container);
      await container.items.upsert({ ...there, text: 'theirs', _h: 'broken' });
      await eventually(async () =>
        expect(await stores.postgres.journal.list('notes')).toMatchObject([
          { kind: 'dead-letter', issues: [{ path: ['_h'] }] },
        ]),
      );
      expect(await rowText()).toBe('ours');
      await container.items.upsert({ ...there, text: 'theirs' });
      await eventually(async () => expect(await rowText()).toBe('theirs'));
      await eventually(async () =>
        expect(await stores.postgres.journal.count('notes')).toMatchObject({ deadLetters: 0 }),
      );
    },
    60_000,
  );

  test('in phase 2 a document that it removes is reported at the gate, and not removed from PostgreSQL', async () => {
    const { container, notes, wish, blockedBy, hybrid } = await inPhase('2');
    await container.item('1', 'a').delete();
    expect(await notes.get({ id: '1', owner: 'a' })).toBeUndefined();
    await wish('0');
    await eventually(async () => expect(hybrid.status('notes').phase).toBe('0'));
    await wish('2');
    await eventually(async () =>
      expect(blockedBy()).toMatchObject([
        { name: 'both stores hold the same', seen: expect.stringContaining('1 (removed)') },
      ]),
    );
    expect(await rowText()).toBe('ours');
    // As the answer says: through the repository it is gone for both.
    await notes.delete({ id: '1', owner: 'a' });
    await eventually(async () => expect(await rowText()).toBeUndefined());
    await eventually(async () => expect(hybrid.status('notes').phase).toBe('2'));
  }, 60_000);

  test.each(WRITES.slice(0, 2))(
    'in phase 6 a document that it writes %s is kept for a person to decide, and not taken',
    async (_, make) => {
      const { container, notes, stores } = await inPhase('6');
      await container.items.upsert(make(await read(container)));
      await eventually(async () =>
        expect(await stores.postgres.journal.list('notes')).toMatchObject([
          { kind: 'conflict', bodies: { theirs: expect.stringContaining('theirs') } },
        ]),
      );
      expect((await notes.get({ id: '1', owner: 'a' }))?.value.text).toBe('ours');
    },
    60_000,
  );

  test('in phase 6 a document that it removes comes back with the next write', async () => {
    const { container, notes } = await inPhase('6');
    await container.item('1', 'a').delete();
    await notes.patch({ id: '1', owner: 'a' }, { text: 'later' });
    await eventually(async () => expect(await read(container)).toMatchObject({ text: 'later' }));
  }, 60_000);

  test('in phase 7 nobody looks at what it writes', async () => {
    const { container, notes, stores } = await inPhase('7');
    await container.items.upsert({ id: '1', owner: 'a', text: 'theirs' });
    await notes.patch({ id: '1', owner: 'a' }, { rank: 1 });
    expect((await notes.get({ id: '1', owner: 'a' }))?.value).toMatchObject({ text: 'ours', rank: 1 });
    expect(await read(container)).toMatchObject({ text: 'theirs' });
    expect(await stores.postgres.journal.count('notes')).toEqual({ deadLetters: 0, conflicts: 0 });
  }, 60_000);
});
