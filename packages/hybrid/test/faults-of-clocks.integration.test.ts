import { systemClock } from '@polyphase/core';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FaultPlace, Writers } from './faults-place.ts';

const HOUR_MS = 3_600_000;

describeWith('postgres')('a clock that is set back by an hour', { timeout: 60_000 }, () => {
  const database = testDatabase();
  let place: FaultPlace;
  beforeEach(async () => {
    place = await FaultPlace.make(database.url);
  });
  afterEach(() => place.close());

  test('of a process changes nothing', async () => {
    let offsetMs = 0;
    const clock = { ...systemClock, now: () => Date.now() - offsetMs };
    const process = await place.open('2', { clock });
    const other = await place.open('2');
    const writers = new Writers([process, other]);
    await process.reached('2');
    offsetMs = HOUR_MS;
    await process.wish('6');
    await process.reached('6');
    offsetMs = 0;
    await writers.goOn();
    offsetMs = HOUR_MS;
    await process.wish('2');
    await process.reached('2');
    expect(await writers.end()).toEqual([]);
    expect(await place.differences()).toEqual([]);
  });

  test('of Cosmos DB changes nothing: versions rise, and no write is dated before the last comparison unseen', async () => {
    const process = await place.open('2');
    const writers = new Writers([process]);
    await process.reached('2');
    const key = { owner: 'b', id: '1' };
    await process.notes.create({ ...key, text: 'before' });
    const { resource: before } = await place.container.item('1', 'b').read<{ _ts: number }>();
    place.emulator.clock.advance(-HOUR_MS);
    await process.notes.patch(key, { text: 'after' });
    const { resource: after } = await place.container.item('1', 'b').read<{ _ts: number }>();
    expect(after?._ts).toBeLessThan(Number(before?._ts));
    await process.wish('6');
    await process.reached('6');
    expect((await process.notes.get(key))?.value.text).toBe('after');
    await process.wish('2');
    await process.reached('2');
    expect(await writers.end()).toEqual([]);
    expect(await place.differences()).toEqual([]);
  });

  // The server's clock is the machine's. What it noted before is an hour ahead then, which is all that can be seen of it: so that is noted.
  test('of PostgreSQL: leases and holds of a process that died before are waited for by nobody; a member is named until it is removed', async () => {
    const before = await place.open('6');
    await before.reached('6');
    await before.notes.create({ id: '1', owner: 'a', text: 'x' });
    expect(await place.differences()).toEqual([]);
    await before.hybrid.close();
    await place.pool.query(`
      update polyphase.lease set holder = 'dead', ends_at = clock_timestamp() + interval '1 hour';
      insert into polyphase.dirty_key (entity, hyb_pk, id, term, counter, held_until)
        select 'notes', hyb_pk, id, hyb_term, hyb_counter, clock_timestamp() + interval '1 hour' from notes;
      insert into polyphase.member (group_name, holder, epoch, version, ends_at, supports)
        values ('notes', 'dead', 1, '0.1.0', clock_timestamp() + interval '1 hour', '0 1 2 3 4 5 6 5'' 7 7r')`);
    const process = await place.open('2');
    expect((await process.blocked('flip')).seen).toContain(
      'dead did not obey the seal in time; end what stands still, and remove what is gone from polyphase.member',
    );
    expect((await process.notes.get({ owner: 'a', id: '1' }))?.value.text).toBe('x');
    expect(process.hybrid.status('notes')).toMatchObject({ term: 2, authority: 'postgres' });
    await place.pool.query("delete from polyphase.member where holder = 'dead'");
    await process.reached('2');
    expect(await place.differences()).toEqual([]);
  });
});
