import { defineEntity } from '@polyphase/core';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { afterEach, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { FaultPlace } from './faults-place.ts';

const SECRET = 'what-no-message-may-hold';

/** Notes of which no two in all partitions have the same text. */
const Unique = defineEntity({
  name: 'notes',
  schema: z.object({ id: z.string(), owner: z.string(), text: z.string(), rank: z.number().optional() }),
  key: { partition: 'owner', id: 'id' },
  indexes: [{ fields: ['text'], unique: 'global' }, { fields: ['rank'] }],
});

describeWith('postgres')('a document', { timeout: 60_000 }, () => {
  const database = testDatabase();
  let place: FaultPlace | undefined;
  afterEach(() => place?.close());

  test('that one of the stores could not keep is refused before any write, in every phase', async () => {
    place = await FaultPlace.make(database.url);
    const process = await place.open('2');
    await process.reached('2');
    for (const phase of ['2', '6'] as const) {
      await process.wish(phase);
      await process.reached(phase);
      const write = (text: string, body: string) =>
        process.notes.upsert(Object.assign({ id: '1', owner: 'a', text }, { body: SECRET + body }));
      for (const [refused, message] of [
        [write('x', 'x'.repeat(2_000_000)), 'A value of notes is longer than 2000000 bytes'],
        [
          write('a\0b', ''),
          'text: text must not hold NUL or a lone surrogate, which PostgreSQL cannot store',
        ],
        [write('x', '\ud800'), 'body: text must not hold NUL or a lone surrogate'],
      ] as const) {
        await expect(refused).rejects.toMatchObject({
          code: 'invalid-data',
          message: expect.stringContaining(message),
        });
        await expect(refused).rejects.not.toThrow(SECRET);
      }
      await write('x', 'x'.repeat(1_999_000));
    }
    expect(await place.differences()).toEqual([]);
  });

  test('of another program that cannot be a row is a dead letter, which closes the gates until it is mended', async () => {
    place = await FaultPlace.make(database.url);
    const { items } = place.container;
    await items.create({ id: 'fit', owner: 'o', text: 'x' });
    await items.create({ id: 'nul', owner: 'o', text: 'a\0b' });
    await items.create({ id: 'surrogate', owner: 'o', text: 'x', body: '\ud800' });
    const process = await place.open('2');
    expect(await process.blocked('no dead letters')).toMatchObject({
      seen: '2',
      wanted: '0: read them with journal.list("notes"), and mend each document',
    });
    expect(process.hybrid.status('notes').phase).toBe('1');
    expect(await place.stores.postgres.journal.list('notes')).toMatchObject([
      { kind: 'dead-letter', issues: [{ path: ['text'], message: expect.stringContaining('NUL') }] },
      { kind: 'dead-letter', issues: [{ path: ['body'], message: expect.stringContaining('surrogate') }] },
    ]);
    for (const id of ['nul', 'surrogate']) await items.upsert({ id, owner: 'o', text: 'mended' });
    await process.reached('2');
    expect(await place.differences()).toEqual([]);
  });

  test('of another program that leaves no room for a stamp is a dead letter, and keeps no other from its place', async () => {
    place = await FaultPlace.make(database.url);
    const { items } = place.container;
    await items.create({ id: 'long', owner: 'o', text: 'x', body: 'x'.repeat(2_097_080) });
    await items.create({ id: 'fit', owner: 'o', text: 'x' });
    const process = await place.open('2');
    expect((await process.blocked('no dead letters')).seen).toBe('1');
    expect(await place.stores.postgres.journal.list('notes')).toMatchObject([
      {
        kind: 'dead-letter',
        key: '["o"] long',
        issues: [{ path: [], message: expect.stringContaining('longer than Cosmos DB accepts (2 MB)') }],
      },
    ]);
    expect(await place.stores.postgres.records(place.entity).count()).toBe(1);
    await items.upsert({ id: 'long', owner: 'o', text: 'mended' });
    await process.reached('2');
    expect(await place.differences()).toEqual([]);
  });

  test('that SQL makes longer than Cosmos DB accepts keeps no other from its place, and the way back waits for it', async () => {
    place = await FaultPlace.make(database.url);
    const process = await place.open('6');
    await process.reached('6');
    await process.notes.create({ id: '1', owner: 'a', text: 'x' });
    await place.pool.query(`begin;
      update notes set text = 'y';
      insert into notes (owner, id, text, hyb_rest)
        values ('a', 'long', 'x', jsonb_build_object('body', repeat('x', 2100000)));
      commit`);
    await vi.waitFor(() => expect(process.troubles.join()).toContain('(2 MB) (apply notes long)'), {
      timeout: 10_000,
    });
    const { postgres } = place.stores;
    await vi.waitFor(async () => expect((await postgres.dirtyKeys.lag('notes')).count).toBe(1), {
      timeout: 10_000,
    });
    await process.wish('2');
    expect(await process.blocked('Cosmos DB follows')).toMatchObject({
      seen: expect.stringContaining('1 keys to copy'),
      wanted: expect.stringContaining('the notices "trouble"'),
    });
    await place.pool.query("update notes set hyb_rest = '{}' where id = 'long'");
    await process.reached('2');
    expect(await place.differences()).toEqual([]);
  });

  test('with a unique value that another has keeps the authority from moving until one of them is mended', async () => {
    place = await FaultPlace.make(database.url, Unique);
    const process = await place.open('3');
    await process.reached('3');
    await process.notes.create({ id: '1', owner: 'a', text: 'same' });
    await process.notes.create({ id: '1', owner: 'b', text: 'same' });
    expect(await place.differences()).toEqual([]);
    await process.wish('6');
    expect(await process.blocked('postgres-unique')).toMatchObject({
      seen: '1 records share a unique value with another',
      wanted: expect.stringContaining('mend those that do'),
    });
    expect(process.hybrid.status('notes').phase).toBe('3');
    await process.notes.patch({ id: '1', owner: 'b' }, { text: 'another' });
    await process.reached('6');
    await expect(process.notes.create({ id: '1', owner: 'c', text: 'same' })).rejects.toMatchObject({
      code: 'already-exists',
      message: expect.stringContaining('Another record has the same unique value'),
    });
    expect(await place.differences()).toEqual([]);
  });
});
