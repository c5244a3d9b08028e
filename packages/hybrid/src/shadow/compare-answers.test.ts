import {
  planQuery,
  type RecordKey,
  type RecordStore,
  recordDigest,
  type StoredRecord,
  TOMBSTONE_DIGEST,
} from '@polyphase/core';
import { memoryDocumentStore, memoryRelationalStore } from '@polyphase/core/memory';
import { manualClock } from '@polyphase/core/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { Note } from '../../test/virtual-world.ts';
import { getManyOf, queryOf, type RoutedRead, readOf } from '../routed-read.ts';
import { compareAnswers, type ShadowedRead } from './compare-answers.ts';

const PAUSE_MS = 500;
const keyOf = (id: string): RecordKey => ({ partition: ['a'], id });
const plan = planQuery(Note, { where: { owner: 'a' }, orderBy: [['text', 'asc']] }).plan;

type Ask = ShadowedRead['ask'];
const asking =
  <Answer>(read: RoutedRead<Answer>): Ask =>
  async (records, signal) =>
    read.listed(await read.ask(records, signal));
const get = (id: string) => asking(readOf(keyOf(id)));
const getMany = (...ids: readonly string[]) => asking(getManyOf(ids.map(keyOf)));
const query = asking(queryOf(plan));

function recordOf(id: string, counter: number, text: string | undefined, expiresAtMs?: number): StoredRecord {
  const value = text === undefined ? undefined : { id, owner: 'a', text };
  const digest = value ? recordDigest(value) : TOMBSTONE_DIGEST;
  return { key: keyOf(id), version: { term: 1, counter }, value, digest, operations: [], expiresAtMs };
}

/** Answers of the two stores, and what happens while the comparison pauses. */
function world() {
  const clock = manualClock();
  const stores = { cosmos: memoryDocumentStore({ clock }), postgres: memoryRelationalStore({ clock }) };
  const [authority, other] = [stores.cosmos.records(Note), stores.postgres.records(Note)];
  let followed = Number.NEGATIVE_INFINITY;
  const put = (records: RecordStore, ...all: StoredRecord[]) =>
    records.apply(all.map((record) => ({ record })));
  return {
    clock,
    authority,
    other,
    put,
    both: (...all: StoredRecord[]) => Promise.all([put(authority, ...all), put(other, ...all)]),
    follow: () => {
      followed = clock.monotonic();
    },
    compare: async (
      ask: Ask,
      { whilePaused, against = other }: { whilePaused?: () => Promise<unknown>; against?: RecordStore } = {},
    ) => {
      const signal = new AbortController().signal;
      const verdict = compareAnswers(
        { answer: await ask(authority, signal), ask },
        { authority, other: against, clock, pauseMs: PAUSE_MS, follows: (at) => followed > at, signal },
      );
      for (let i = 0; i < 200 && clock.nextMs === undefined; i += 1) await Promise.resolve();
      await clock.advance(PAUSE_MS / 2);
      await whilePaused?.();
      await clock.advance(PAUSE_MS);
      return verdict;
    },
  };
}

let at: ReturnType<typeof world>;
beforeEach(() => {
  at = world();
});

describe('compareAnswers', () => {
  it.each([
    ['one record', get('1')],
    ['a record that was never there', get('ghost')],
    ['a deleted one', get('3')],
    ['many', getMany('2', 'ghost', '1')],
    ['a query', query],
  ])('is content with equal answers: %s', async (_, read) => {
    await at.both(recordOf('1', 1, 'x'), recordOf('2', 1, 'y'), recordOf('3', 2, undefined));
    expect(await at.compare(read)).toEqual({ kind: 'agrees' });
  });

  it('calls an older copy lag, whatever its body, and a missing one too', async () => {
    await at.put(at.authority, recordOf('1', 2, 'new'), recordOf('2', 1, 'created'));
    await at.put(at.other, recordOf('1', 1, 'old'));
    for (const read of [get('1'), get('2')]) expect(await at.compare(read)).toEqual({ kind: 'lags' });
    expect(await at.compare(query)).toEqual({ kind: 'lags' });
  });

  it('calls lag what another page of a query comes from', async () => {
    const page = { ...plan, limit: 1 };
    await at.both(recordOf('1', 1, 'b'), recordOf('2', 1, 'c'));
    await at.put(at.authority, recordOf('1', 2, 'z'));
    expect(await at.compare(asking(queryOf(page)))).toEqual({ kind: 'lags' });
  });

  it('calls lag what the copy has caught up with in the meantime', async () => {
    await at.put(at.authority, recordOf('1', 2, 'new'));
    const whilePaused = () => at.put(at.other, recordOf('1', 2, 'new'));
    expect(await at.compare(get('1'), { whilePaused })).toEqual({ kind: 'lags' });
  });

  it('calls it no lag when the other store is known to have caught up, and yet has not the record', async () => {
    await at.put(at.authority, recordOf('1', 2, 'new'));
    const whilePaused = async () => at.follow();
    expect(await at.compare(get('1'), { whilePaused })).toEqual({
      kind: 'record',
      keys: [keyOf('1')],
    });
  });

  it('lets a record lag that is written all the time', async () => {
    await at.put(at.authority, recordOf('1', 2, 'new'));
    const whilePaused = async () => {
      await at.put(at.other, recordOf('1', 2, 'new'));
      at.follow();
      await at.put(at.authority, recordOf('1', 3, 'newer'));
    };
    expect(await at.compare(get('1'), { whilePaused })).toEqual({ kind: 'lags' });
  });

  it('finds another body under the same version', async () => {
    await at.put(at.authority, recordOf('1', 1, 'x'));
    await at.put(at.other, recordOf('1', 1, 'y'));
    for (const read of [get('1'), getMany('1'), query])
      expect(await at.compare(read)).toEqual({ kind: 'record', keys: [keyOf('1')] });
  });

  it('finds another body under the same version and the same digest', async () => {
    const record = recordOf('1', 1, 'x');
    await at.put(at.authority, record);
    await at.put(at.other, { ...recordOf('1', 1, 'y'), digest: record.digest });
    expect(await at.compare(get('1'))).toEqual({ kind: 'record', keys: [keyOf('1')] });
  });

  it('does not take for a difference what the caller did to its answer', async () => {
    await at.both(recordOf('1', 1, 'x'), recordOf('2', 1, 'y'));
    for (const ask of [get('1'), query]) {
      const changing: Ask = async (records, signal) => {
        const answer = await ask(records, signal);
        return records === at.authority ? answer.map((record) => record && { ...record, value: {} }) : answer;
      };
      expect(await at.compare(changing)).toEqual({ kind: 'agrees' });
    }
  });

  it.each([
    ['a record that the authority never had', undefined],
    ['one that it has deleted', recordOf('1', 1, undefined)],
    ['one that it has in an older version', recordOf('1', 1, 'old')],
  ])('finds %s', async (_, there) => {
    if (there) await at.put(at.authority, there);
    await at.put(at.other, recordOf('1', 2, 'x'));
    expect(await at.compare(get('1'))).toEqual({ kind: 'record', keys: [keyOf('1')] });
    expect(await at.compare(query)).toEqual({ kind: 'record', keys: [keyOf('1')] });
  });

  it('gives no verdict from one pair of reads', async () => {
    await at.put(at.other, recordOf('1', 2, 'x'));
    // A replica of the authority that lagged is where the copy is by now.
    const whilePaused = () => at.put(at.authority, recordOf('1', 2, 'x'));
    expect(await at.compare(get('1'), { whilePaused })).toEqual({ kind: 'moved' });
  });

  it('gives none from two that show different things', async () => {
    await at.put(at.authority, recordOf('1', 2, 'x'));
    const whilePaused = () => at.put(at.other, recordOf('1', 3, 'y'));
    expect(await at.compare(get('1'), { whilePaused })).toEqual({ kind: 'lags' });
  });

  it('says nothing of a record that is written while it looks', async () => {
    await at.both(recordOf('1', 1, 'x'));
    let written = 1;
    const moving: Ask = async (records, signal) => {
      if (records === at.other) await at.both(recordOf('1', (written += 1), `x${written}`));
      return get('1')(records, signal);
    };
    expect(await at.compare(moving)).toEqual({ kind: 'moved' });
  });

  it('finds another order of the same records', async () => {
    await at.both(recordOf('1', 1, 'a'), recordOf('2', 1, 'b'));
    const backward: Ask = async (records, signal) => {
      const found = await query(records, signal);
      return records === at.other ? found.toReversed() : found;
    };
    expect(await at.compare(backward)).toMatchObject({ kind: 'answer' });
  });

  it('finds a record that one store alone takes for a match', async () => {
    await at.both(recordOf('1', 1, 'a'), recordOf('2', 1, 'b'));
    const short: Ask = async (records, signal) =>
      (await query(records, signal)).slice(0, records === at.other ? 1 : 2);
    expect(await at.compare(short)).toEqual({ kind: 'answer', keys: [keyOf('2')] });
  });

  it('calls an authority that disagrees with itself by its name', async () => {
    await at.both(recordOf('1', 1, 'a'), recordOf('2', 1, 'b'));
    let asked = 0;
    const restless: Ask = async (records, signal) => {
      asked += 1;
      const found = await query(records, signal);
      return asked % 2 === 0 ? found.toReversed() : found;
    };
    expect(await at.compare(restless, { against: at.authority })).toMatchObject({ kind: 'answer' });
  });

  it('leaves a record alone that one store forgets a moment before the other', async () => {
    const expiring = recordOf('1', 1, 'x', at.clock.now() + 60_000);
    await at.put(at.other, expiring);
    expect(await at.compare(get('1'))).toEqual({ kind: 'moved' });
  });
});
