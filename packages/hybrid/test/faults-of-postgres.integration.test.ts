import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createDatabase, type Engine, type EngineProcess, startPostgres } from '@polyphase/test-support';
import { describeWith } from '@polyphase/test-support/vitest';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { FaultPlace, Writers } from './faults-place.ts';

// What a file is linked to that has no room: each write to it fails as on a disk that is full (ENOSPC).
const FULL = '/dev/full';

describeWith('postgres')('a PostgreSQL', { timeout: 60_000 }, () => {
  let engine: Engine | undefined;
  let place: FaultPlace;
  // One of its own: it is killed, and its files are exchanged.
  beforeAll(async () => {
    engine = await startPostgres({ onlyInstalled: true });
  });
  afterAll(() => engine?.stop());
  beforeEach(async () => {
    if (!engine) throw new Error('no engine');
    place = await FaultPlace.make((await createDatabase(engine.url)).url);
  });
  afterEach(() => place.close());

  const server = (skip: (why: string) => never): EngineProcess =>
    engine?.process ?? skip('the server is not ours to break');

  test('that is killed in phase 3 and started again: no call fails', async ({ skip }) => {
    const ours = server(skip);
    const process = await place.open('3');
    await process.reached('3');
    const writers = new Writers([process]);
    await writers.goOn();
    await ours.kill();
    await process.wish('6');
    await writers.goOn(50);
    expect(await process.blocked('control row')).toMatchObject({ wanted: expect.stringContaining('phase') });
    await ours.restart();
    await process.reached('6');
    expect(writers.codes).toEqual(new Set());
    expect(await writers.end()).toEqual([]);
    expect(await place.differences()).toEqual([]);
  });

  test('that is killed in phase 6 and started again: calls are held, end as retryable, and go on', async ({
    skip,
  }) => {
    const ours = server(skip);
    const process = await place.open('6', { protocol: { hold: '300ms' } });
    await process.reached('6');
    const writers = new Writers([process]);
    await writers.goOn();
    await ours.kill();
    await vi.waitFor(() => expect(writers.codes).toContain('connection'), { timeout: 10_000 });
    const lost = process.notes.create({ id: 'lost', owner: 'a', text: 'x' });
    await expect(lost).rejects.toThrow('PostgreSQL cannot be reached; nothing was written, try again');
    expect(await process.blocked('control row')).toMatchObject({ seen: 'PostgreSQL cannot be reached' });
    await ours.restart();
    await writers.goOn();
    await process.wish('2');
    await process.reached('2');
    expect(await writers.end()).toEqual([]);
    expect(await place.differences()).toEqual([]);
  });

  test('whose disk is full: what Cosmos DB answers goes on, what needs room says so, and all is made good', async ({
    skip,
  }) => {
    server(skip);
    if (!existsSync(FULL)) skip(`${FULL} is of Linux`);
    const process = await place.open('0', { protocol: { hold: '300ms' } });
    const writers = new Writers([process]);
    await writers.goOn();
    const table = await fill(place, "'notes'::regclass");
    await process.wish('2');
    expect(await process.blocked('backfill done')).toMatchObject({ seen: 'end of the feed not reached yet' });
    await vi.waitFor(() => expect(process.troubles.join()).toContain('The disk of PostgreSQL is full'), {
      timeout: 10_000,
    });
    await writers.goOn();
    expect(process.hybrid.status('notes').phase).toBe('1');
    expect(writers.codes).toEqual(new Set());
    expect(await place.stores.postgres.journal.count('notes')).toEqual({ deadLetters: 0, conflicts: 0 });
    await table.makeRoom();
    await process.wish('6');
    await process.reached('6');

    const large = { id: 'large', owner: 'ada', text: 'large', body: randomBytes(20_000).toString('hex') };
    const values = await fill(place, "(select reltoastrelid from pg_class where relname = 'notes')");
    const refused = process.notes.create(large, { operationId: 'large' });
    await expect(refused).rejects.toMatchObject({
      code: 'throttled',
      message: expect.stringContaining('make room and try again'),
    });
    expect(await process.notes.get({ owner: 'ada', id: 'large' })).toBeUndefined();
    await writers.goOn();
    await values.makeRoom();
    await process.notes.create(large, { operationId: 'large' });
    expect(await writers.end()).toEqual([]);
    expect(await place.differences()).toEqual([]);
  });
});

/** Leaves the file of an empty relation no room to grow. */
async function fill({ pool }: FaultPlace, relation: string): Promise<{ makeRoom(): Promise<void> }> {
  const { rows } = await pool.query<{ readonly folder: string; readonly file: string }>(
    `select current_setting('data_directory') as folder, pg_relation_filepath(${relation}) as file`,
  );
  const path = join(rows[0]?.folder ?? '', rows[0]?.file ?? '');
  const { size, uid, gid } = statSync(path);
  expect(size).toBe(0);
  // A backend that has the file open would go on with what it has.
  const reopen = `select pg_terminate_backend(pid) from pg_stat_activity
    where pid <> pg_backend_pid() and backend_type = 'client backend'`;
  rmSync(path);
  symlinkSync(FULL, path);
  await pool.query(reopen);
  return {
    makeRoom: async () => {
      rmSync(path);
      writeFileSync(path, '', { mode: 0o600 });
      chownSync(path, uid, gid);
      await pool.query(reopen);
    },
  };
}
