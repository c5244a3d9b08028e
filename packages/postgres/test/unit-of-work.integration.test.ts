import type { UnitOfWork } from '@polyphase/core';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { postgresStore } from '../src/index.ts';
import { controlRow, keyOf, Login, Note, upsert } from './support.ts';

describeWith('postgres')('units of work', () => {
  const database = testDatabase();
  const pool = new Pool({ connectionString: database.url, max: 4 });
  const store = postgresStore({ pool });
  beforeAll(() => store.prepare([Note, Login]));
  beforeEach(() => pool.query('truncate notes, logins, polyphase.dirty_key'));
  afterAll(() => pool.end());
  const run = <Result>(work: (unit: UnitOfWork) => Promise<Result>, fence?: string) =>
    store.runUnit(work, { operationId: crypto.randomUUID(), fenceOf: () => ({ term: 2, fence }) });

  it('a refusal that the work swallows still keeps the unit from committing', async () => {
    await store.records(Login).write(upsert('taken', { email: 'x' }), { term: 2 });
    const ran = run(async (unit) => {
      await unit.records(Note).write(upsert('n'));
      const refused = unit.records(Login).write(upsert('other', { email: 'x' }));
      await expect(refused).rejects.toMatchObject({ code: 'already-exists', entity: 'logins', key: 'other' });
    });
    await expect(ran).rejects.toMatchObject({ code: 'already-exists' });
    expect(await store.records(Note).read(keyOf('n'))).toBeUndefined();
  });

  it('another’s change between read and write is a conflict', async () => {
    await store.records(Note).write(upsert('shared'), { term: 2 });
    const ran = run(async (unit) => {
      await unit.records(Note).read(keyOf('shared'));
      await store.records(Note).write(upsert('shared', { n: 1 }), { term: 2 });
      await unit.records(Note).write(upsert('shared', { n: 2 }));
    });
    await expect(ran).rejects.toMatchObject({ code: 'transaction-conflict' });
    expect((await store.records(Note).read(keyOf('shared')))?.value).toMatchObject({ n: 1 });
  });

  it('is fenced, and captures each key with the version that it ends at', async () => {
    await store.control.create(controlRow('unit', '6'));
    await expect(run((unit) => unit.records(Note).write(upsert('a')), 'elsewhere')).rejects.toMatchObject({
      code: 'fenced',
    });
    const { written } = await run(async (unit) => {
      await Promise.all([unit.records(Note).write(upsert('a')), unit.records(Note).write(upsert('b'))]);
      await unit.records(Note).write(upsert('a', { n: 1 }));
    }, 'unit');
    const dirty = await store.dirtyKeys.claim('notes', 10, 1_000);
    expect(dirty.map(({ key }) => key.id).toSorted()).toEqual(['a', 'b']);
    expect(dirty.find(({ key }) => key.id === 'a')?.version).toEqual(written[2]?.result.record.version);
  });

  it('a call that outlives the work is refused', async () => {
    let late: UnitOfWork | undefined;
    await run(async (unit) => {
      late = unit;
      await unit.records(Note).read(keyOf('x'));
    });
    await expect(late?.records(Note).write(upsert('late'))).rejects.toMatchObject({
      code: 'invalid-options',
    });
  });

  it('units that lock records in opposite orders: one is told to run again', async () => {
    const both = (first: string, second: string) =>
      run(async (unit) => {
        await unit.records(Note).write(upsert(first));
        await meet();
        await unit.records(Note).write(upsert(second));
      });
    let arrived = 0;
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const meet = async (): Promise<void> => {
      arrived += 1;
      if (arrived === 2) open();
      await gate;
    };
    const ends = await Promise.allSettled([both('p', 'q'), both('q', 'p')]);
    expect(ends.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    const failed = ends.find((end) => end.status === 'rejected');
    expect(failed?.reason).toMatchObject({ code: 'transaction-conflict' });
  });
});
