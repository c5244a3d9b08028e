import { type ChangeFeed, type ControlRow, HeldLease, type Phase } from '@polyphase/core';
import { memoryDocumentStore, memoryRelationalStore } from '@polyphase/core/memory';
import { manualClock } from '@polyphase/core/testing';
import { describe, expect, it } from 'vitest';
import { Note } from '../../test/virtual-world.ts';
import { Pace } from '../backfill/pace.ts';
import { Group } from '../phases/group.ts';
import { protocolLimits } from '../protocol-limits.ts';
import { FeedRelay } from './feed-relay.ts';
import { FeedWatch } from './feed-watch.ts';

const wish = { phase: '2', flip: 'auto', revision: 1 } as const;
const rowIn = (phase: Phase, term: number): ControlRow => ({ group: 'notes', epoch: 1, phase, term, wish });
const value = { id: '1', owner: 'a', text: 'ours' };
const key = { partition: ['a'], id: '1' };

/** A relay in phase 5', to which something happens each time that it has read a page. */
async function relaying(
  afterPage: (stores: { readonly advance: () => Promise<unknown> }) => Promise<unknown>,
  phase: Phase = "5'",
) {
  const clock = manualClock();
  const cosmos = memoryDocumentStore({ clock });
  const postgres = memoryRelationalStore({ clock });
  const group = new Group({
    entity: Note,
    stores: { cosmos, postgres },
    clock,
    limits: protocolLimits({}),
    holder: 'me',
    isMember: () => true,
    onPhase: () => undefined,
  });
  group.observe(await postgres.control.create(rowIn(phase, 2)));
  const advance = () => postgres.control.advance('notes', 1, { phase: '2', term: 3 }, { exclusive: true });
  const feed = cosmos.changes(Note);
  const replica = { lags: false, requestUnits: 0 };
  const busy: ChangeFeed = {
    ranges: (options) => feed.ranges(options),
    mark: (range, options) => feed.mark(range, options),
    positionOf: (range, known) => feed.positionOf(range, known),
    passed: (position, marker) => feed.passed(position, marker),
    read: async (range, position, options) => {
      const page = await feed.read(range, position, replica.lags ? { ...options, limit: 0 } : options);
      await afterPage({ advance });
      options?.meter?.({ requestUnits: replica.requestUnits, throttled: 0 });
      return page;
    },
  };
  const lease = new HeldLease({
    leases: postgres.leases,
    name: 'relay:notes',
    holder: 'me',
    durationMs: 60_000,
    clock,
  });
  await lease.take();
  const relay = new FeedRelay({
    group,
    feed: busy,
    lease,
    pace: new Pace({ clock, mostPerSecond: 100 }),
    onFresh: async (asOf) => group.noteFresh(asOf),
  });
  const watch = new FeedWatch({ group, feed, checkpoints: postgres.checkpoints });
  return { replica, clock, cosmos, postgres, group, relay, watch, signal: new AbortController().signal };
}

describe('FeedRelay', () => {
  it('judges a page anew when the authority has moved since it was read', async () => {
    const { cosmos, postgres, group, relay, signal } = await relaying(({ advance }) => advance());
    const write = { kind: 'create', key, operationId: 'o', value } as const;
    const { record } = await postgres.records(Note).write(write, { term: 2 });
    await cosmos.records(Note).apply([{ record }]);
    // Another program changes the body under our stamp at the moment of the way back.
    await cosmos.foreign.put(Note, { ...value, text: 'theirs' }, { keepStamp: true });
    await expect(relay.round(signal)).rejects.toMatchObject({ code: 'transaction-conflict' });
    expect(await postgres.checkpoints.list('feed:')).toEqual(new Map());
    expect((await postgres.records(Note).read(key))?.value).toEqual(value);

    const row = await postgres.control.read('notes');
    if (row) group.observe(row);
    await relay.round(signal);
    const both = [await cosmos.records(Note).read(key), await postgres.records(Note).read(key)];
    expect(both.map((stored) => stored?.value)).toEqual([
      { ...value, text: 'theirs' },
      { ...value, text: 'theirs' },
    ]);
    expect(both.map((stored) => stored?.version.term)).toEqual([3, 3]);
    expect(await postgres.journal.count('notes')).toEqual({ deadLetters: 0, conflicts: 0 });
  });

  it('goes on where it was when its range is split, and whoever waits for a marker sees it pass', async () => {
    const { clock, cosmos, relay, watch, signal } = await relaying(async () => undefined);
    const put = (id: string) => cosmos.foreign.put(Note, { id, owner: id, text: 'x' });
    for (let i = 0; i < 20; i += 1) await put(`before ${i}`);
    await relay.round(signal);
    expect(relay.progress.read).toBe(20);
    await put('between');
    const drained = watch.drain(signal);
    await clock.advance(1);
    cosmos.split(Note);
    // As after a restart: the ranges are looked up anew, and have no checkpoints of their own yet.
    relay.forget();
    await relay.round(signal);
    await clock.advance(100);
    await relay.round(signal);
    await clock.advance(100);
    await drained;
    expect(relay.progress.read).toBe(21);
    await put('after');
    relay.forget();
    await relay.round(signal);
    expect(relay.progress.read).toBe(22);
  });

  it('takes no empty page for proof where reads count on it: what it is read from may lag', async () => {
    const { replica, clock, cosmos, group, relay, signal } = await relaying(async () => undefined, '3');
    const rounds = async (): Promise<void> => {
      for (let i = 0; i < 3; i += 1) {
        await clock.advance(200);
        await relay.round(signal);
      }
    };
    await rounds();
    expect(group.stalenessMs).toBeLessThan(500);
    replica.lags = true;
    await cosmos.foreign.put(Note, { id: '1', owner: 'a', text: 'x' });
    await rounds();
    expect(group.stalenessMs).toBeGreaterThan(500);
    replica.lags = false;
    await rounds();
    expect(group.stalenessMs).toBeLessThan(500);
  });

  it('reads history within the budget, and what comes after it at once', async () => {
    const { replica, clock, cosmos, relay, signal } = await relaying(async () => undefined, '1');
    const put = (from: number, to: number) =>
      Promise.all(
        Array.from({ length: to - from }, (_, i) =>
          cosmos.foreign.put(Note, { id: `${from + i}`, owner: 'a', text: 'x' }),
        ),
      );
    await put(0, 1_600);
    replica.requestUnits = 50;
    const over = new AbortController();
    const reading = (async () => {
      while (!relay.progress.historyRead) await relay.round(signal);
    })().finally(() => over.abort());
    while (!over.signal.aborted) await clock.advance(clock.nextMs ?? 1);
    await reading;
    const pages = relay.progress.requestUnits / 50;
    expect(pages).toBeGreaterThanOrEqual(4);
    expect(clock.monotonic()).toBeGreaterThanOrEqual((pages - 2) * 500);
    const before = clock.monotonic();
    await put(1_600, 3_000);
    for (let round = 0; round < 8; round += 1) await relay.round(signal);
    expect([relay.progress.read >= 3_000, clock.monotonic()]).toEqual([true, before]);
  });
});
