import { type JsonObject, recordDigest } from '@polyphase/core';
import { afterEach, describe, expect, it } from 'vitest';
import { FaultPlan } from '../test/faulty-stores.ts';
import { Note, VirtualWorld } from '../test/virtual-world.ts';

const open: VirtualWorld[] = [];
afterEach(async () => {
  for (const world of open.splice(0)) await world.close();
});

const key = { partition: ['a'], id: '1' };
const body = (text: string): JsonObject => ({ id: '1', owner: 'a', text, extra: { of: 'another program' } });
const POLICIES: { readonly [phase in string]: JsonObject } = {
  '2': { policy: 'dual-write' },
  '3': { policy: 'dual-write', reads: 'postgres' },
  '6': { policy: 'postgres-primary' },
};

async function inPhase(phase: string): Promise<VirtualWorld> {
  const world = new VirtualWorld();
  open.push(world);
  await world.start();
  await world.hybrid.repository(Note).create({ id: '1', owner: 'a', text: 'ours' });
  await world.wish({ ...POLICIES[phase], flip: 'auto' });
  await world.until(phase, () => world.hybrid.status('notes').phase === phase);
  await world.clock.advance(500);
  return world;
}

// Another program writes the document, with a stamp that it made up.
async function stampedAs(world: VirtualWorld, version: { term: number; counter: number }): Promise<void> {
  const records = world.cosmos.records(Note);
  const now = await records.read(key);
  if (!now) throw new Error('no record');
  const value = body('theirs');
  await records.apply([{ record: { ...now, value, digest: recordDigest(value), version } }]);
}

const textIn = async (world: VirtualWorld) => (await world.postgres.records(Note).read(key))?.value?.['text'];

describe('while Cosmos DB is the authority', () => {
  it.each(['2', '3'])('in phase %s a document without a stamp is stamped and copied', async (phase) => {
    const world = await inPhase(phase);
    await world.cosmos.foreign.put(Note, body('theirs'));
    await world.clock.advance(2_000);
    expect(await textIn(world)).toBe('theirs');
    expect(await world.differences()).toEqual([]);
    expect((await world.cosmos.records(Note).read(key))?.version.term).toBe(1);
  });

  it.each(['2', '3'])(
    'in phase %s a body that changed under its stamp is stamped anew and copied',
    async (phase) => {
      const world = await inPhase(phase);
      const before = await world.cosmos.records(Note).read(key);
      await world.cosmos.foreign.put(Note, body('theirs'), { keepStamp: true });
      await world.clock.advance(2_000);
      expect(await textIn(world)).toBe('theirs');
      expect((await world.cosmos.records(Note).read(key))?.version).not.toEqual(before?.version);
      expect(await world.differences()).toEqual([]);
    },
  );

  it('a stamp of an earlier term that was put back is stamped anew and copied, after a way forward and back', async () => {
    const world = await inPhase('6');
    await world.hybrid.repository(Note).patch({ owner: 'a', id: '1' }, { text: 'in PostgreSQL' });
    await world.wish({ policy: 'dual-write', flip: 'auto' });
    await world.until('2', () => world.hybrid.status('notes').phase === '2');
    const records = world.cosmos.records(Note);
    const now = await records.read(key);
    await world.cosmos.foreign.put(Note, body('an old backup'));
    await world.cosmos.foreign.remove(Note, key);
    const old = { term: 1, counter: 5 };
    if (!now) throw new Error('no record');
    await records.apply([{ record: { ...now, value: body('an old backup'), digest: 'x', version: old } }]);
    await world.clock.advance(2_000);
    expect(await textIn(world)).toBe('an old backup');
    expect((await records.read(key))?.version.term).toBe(3);
    expect(await world.differences()).toEqual([]);
  });

  it('a document that was removed without a tombstone keeps gates closed, and says which', async () => {
    const world = await inPhase('2');
    await world.cosmos.foreign.remove(Note, key);
    // The last clean comparison would be recent enough; a new process has none.
    await world.close();
    await world.start();
    await world.wish({ policy: 'postgres-primary', flip: 'auto' });
    const blocked = () => world.hybrid.status('notes').blockedBy;
    await world.until('blocked', () => blocked().some((one) => one.name === 'both stores hold the same'));
    expect(blocked()[0]?.seen).toContain('1 (removed)');
    expect(world.hybrid.status('notes').authority).toBe('cosmos');
  });

  it('a document whose stamp is of a later term keeps gates closed until it is mended', async () => {
    const world = await inPhase('2');
    const before = await world.cosmos.records(Note).read(key);
    await stampedAs(world, { term: 9, counter: 1 });
    await world.clock.advance(2_000);
    expect(await world.postgres.journal.list('notes')).toMatchObject([
      {
        kind: 'dead-letter',
        issues: [{ path: ['_h', 't'] }],
        bodies: { theirs: expect.stringContaining('theirs') },
      },
    ]);
    expect((await world.postgres.records(Note).read(key))?.version).toEqual(before?.version);
    await world.wish({ policy: 'postgres-primary', flip: 'auto' });
    const blocked = () => world.hybrid.status('notes').blockedBy;
    await world.until('blocked', () => blocked().some((one) => one.name === 'no dead letters'));
    await world.cosmos.foreign.put(Note, body('mended'));
    await world.until('6', () => world.hybrid.status('notes').phase === '6');
    expect(await textIn(world)).toBe('mended');
  });

  it('a row of a later term is journaled, and not stamped against for ever', async () => {
    const world = await inPhase('2');
    const row = await world.postgres.records(Note).read(key);
    if (!row) throw new Error('no row');
    const ahead = { ...row, version: { term: 9, counter: 1 }, digest: 'f'.repeat(32) };
    await world.postgres.records(Note).apply([{ record: ahead }]);
    await world.cosmos.foreign.put(Note, body('theirs'));
    await world.clock.advance(2_000);
    expect(await world.postgres.journal.count('notes')).toEqual({ deadLetters: 0, conflicts: 1 });
    expect((await world.cosmos.records(Note).read(key))?.version.term).toBe(0);
  });

  // The control row moves after a page was read, and before it is judged.
  async function overTheCommit(stored: string): Promise<{ world: VirtualWorld; judge: () => Promise<void> }> {
    const commit = Promise.withResolvers<void>();
    const rows = Promise.withResolvers<void>();
    const reached: string[] = [];
    let until = commit.promise;
    const faultAt = (_: number, name: string) => {
      const isCommit = name === 'postgres.control.advance' && world.hybrid.status('notes').phase === '5';
      const isPage = reached.length === 1 && name === 'postgres.records.readMany';
      if (reached.length > 1 || (!isCommit && !isPage)) return undefined;
      reached.push(name);
      until = isCommit ? commit.promise : rows.promise;
      return 'pause before' as const;
    };
    const world = new VirtualWorld();
    open.push(world);
    await world.start(new FaultPlan({ faultAt, pause: () => until }));
    const notes = world.hybrid.repository(Note);
    const { id } = key;
    await notes.create({ id, owner: 'a', text: 'ours' });
    await world.wish({ policy: 'postgres-primary', flip: 'auto' });
    await world.until('at the commit', () => reached.length === 1);
    await world.cosmos.foreign.put(Note, { id, owner: 'a', text: stored }, { keepStamp: true });
    await world.until('its page is read', () => reached.length === 2);
    commit.resolve();
    await world.until('6', () => world.hybrid.status('notes').phase === '6');
    await notes.delete({ owner: 'a', id });
    const judge = async (): Promise<void> => {
      rows.resolve();
      await world.clock.advance(2_000);
    };
    return { world, judge };
  }

  it('a page that was on its way over the commit calls nothing ahead that was written after it', async () => {
    // Another program stored the document as it is: nothing is new, but the feed brings it again.
    const { world, judge } = await overTheCommit('ours');
    await judge();
    expect(await world.postgres.journal.count('notes')).toEqual({ deadLetters: 0, conflicts: 0 });
    expect(await world.differences()).toEqual([]);
  });

  it('a page that was on its way over the commit keeps a body that was changed under its stamp', async () => {
    const { world, judge } = await overTheCommit('theirs');
    await judge();
    const conflicts = await world.postgres.journal.list('notes');
    expect(conflicts.map(({ kind, bodies }) => [kind, bodies.theirs?.includes('theirs')])).toContainEqual([
      'conflict',
      true,
    ]);
  });

  it('a document that cannot be a record keeps gates closed until it is mended', async () => {
    const world = await inPhase('2');
    await world.cosmos.foreign.put(Note, { id: '1', owner: 'a', text: 7 });
    await world.wish({ policy: 'postgres-primary', flip: 'auto' });
    const blocked = () => world.hybrid.status('notes').blockedBy;
    await world.until('blocked', () => blocked().some((one) => one.name === 'no dead letters'));
    expect(await world.postgres.journal.list('notes')).toMatchObject([
      { kind: 'dead-letter', issues: [{ path: ['text'] }], bodies: { theirs: expect.stringContaining('7') } },
    ]);
    await world.cosmos.foreign.put(Note, body('mended'));
    await world.until('6', () => world.hybrid.status('notes').phase === '6');
    expect(await textIn(world)).toBe('mended');
  });
});

describe('while PostgreSQL is the authority', () => {
  it.each([
    ['without a stamp', {}],
    ['under its stamp', { keepStamp: true }],
  ])('a document that changed %s is journaled with both bodies, and not applied', async (_, options) => {
    const world = await inPhase('6');
    await world.hybrid.repository(Note).patch({ owner: 'a', id: '1' }, { text: 'ours, later' });
    await world.clock.advance(500);
    await world.cosmos.foreign.put(Note, body('theirs'), options);
    await world.clock.advance(2_000);
    expect(await textIn(world)).toBe('ours, later');
    const [entry] = await world.postgres.journal.list('notes');
    expect(entry?.kind).toBe('conflict');
    expect([entry?.bodies.theirs, entry?.bodies.ours]).toEqual([
      expect.stringContaining('theirs'),
      expect.stringContaining('ours, later'),
    ]);
    expect((await world.hybrid.repository(Note).get({ owner: 'a', id: '1' }))?.value.text).toBe(
      'ours, later',
    );
  });

  it.each([
    ['of this term, with a counter above ours', { term: 2, counter: Number.MAX_SAFE_INTEGER - 1 }],
    ['of a later term', { term: 9, counter: 1 }],
  ])('a document with a stamp %s is journaled with both bodies, and not applied', async (_, version) => {
    const world = await inPhase('6');
    await stampedAs(world, version);
    await world.clock.advance(2_000);
    expect(await textIn(world)).toBe('ours');
    expect(await world.postgres.journal.list('notes')).toMatchObject([
      {
        kind: 'conflict',
        bodies: { theirs: expect.stringContaining('theirs'), ours: expect.stringContaining('ours') },
      },
    ]);
  });

  it('a new document with a stamp of this term is journaled, and not applied', async () => {
    const world = await inPhase('6');
    const now = await world.cosmos.records(Note).read(key);
    if (!now) throw new Error('no record');
    const other = { partition: ['a'], id: '2' };
    const record = {
      ...now,
      key: other,
      value: { ...body('theirs'), id: '2' },
      version: { term: 2, counter: 5 },
    };
    await world.cosmos.records(Note).apply([{ record }]);
    await world.clock.advance(2_000);
    expect(await world.hybrid.repository(Note).get({ owner: 'a', id: '2' })).toBeUndefined();
    expect(await world.postgres.journal.count('notes')).toEqual({ deadLetters: 0, conflicts: 1 });
  });

  it('a new document is journaled, and not applied', async () => {
    const world = await inPhase('6');
    await world.cosmos.foreign.put(Note, { ...body('theirs'), id: '2' });
    await world.clock.advance(2_000);
    expect(await world.hybrid.repository(Note).get({ owner: 'a', id: '2' })).toBeUndefined();
    expect(await world.postgres.journal.count('notes')).toEqual({ deadLetters: 0, conflicts: 1 });
  });

  it('what was overwritten from PostgreSQL before the feed was read is journaled all the same', async () => {
    const world = await inPhase('6');
    await world.cosmos.foreign.put(Note, body('theirs'));
    await world.hybrid.repository(Note).patch({ owner: 'a', id: '1' }, { text: 'ours, later' });
    await world.clock.advance(2_000);
    expect(await world.differences()).toEqual([]);
    const entries = await world.postgres.journal.list('notes');
    expect(entries.map((one) => one.bodies.theirs)).toContainEqual(expect.stringContaining('theirs'));
  });

  it.each([
    ['without a stamp', {}],
    ['under its stamp', { keepStamp: true }],
  ])(
    'a document that changed %s closes the way back, over a restart too, until a person has decided',
    async (_, options) => {
      const world = await inPhase('6');
      const notes = () => world.hybrid.repository(Note);
      await notes().patch({ owner: 'a', id: '1' }, { text: 'acknowledged' });
      await world.clock.advance(500);
      await world.cosmos.foreign.put(Note, body('theirs'), options);
      await world.clock.advance(2_000);
      await world.close();
      await world.start();
      await world.wish({ policy: 'dual-write', flip: 'auto' });
      const blocked = () => world.hybrid.status('notes').blockedBy;
      await world.until('blocked', () => blocked().some((one) => one.name === 'no conflicts'));
      expect(world.hybrid.status('notes').phase).toBe('6');

      await notes().patch({ owner: 'a', id: '1' }, { text: 'decided' });
      await world.clock.advance(2_000);
      const entries = await world.postgres.journal.list('notes');
      await world.postgres.journal.resolve(
        'notes',
        entries.map((entry) => entry.key),
        { kind: 'conflict' },
      );
      await world.until('2', () => world.hybrid.status('notes').phase === '2');
      expect((await notes().get({ owner: 'a', id: '1' }))?.value.text).toBe('decided');
      expect(await world.differences()).toEqual([]);
    },
  );

  it('a document that changes during the seal gives the flip back up', async () => {
    const world = await inPhase('6');
    await world.wish({ policy: 'dual-write', flip: 'auto' });
    await world.until('sealed', () => world.hybrid.status('notes').phase === "5'");
    await world.cosmos.foreign.put(Note, body('theirs'));
    await world.until('given up', () => world.hybrid.status('notes').phase === '6');
    expect((await world.hybrid.repository(Note).get({ owner: 'a', id: '1' }))?.value.text).toBe('ours');
  });
});
