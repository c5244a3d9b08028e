import { FencedError, HeldLease } from '@polyphase/core';
import { afterEach, describe, expect, it } from 'vitest';
import { RelayFleet } from '../../test/relay-fleet.ts';
import { Note } from '../../test/virtual-world.ts';
import { PageCopier } from './page-copier.ts';

const key = { partition: ['1'], id: '1' };
const value = { id: '1', owner: '1', text: 'ours' };
const names = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `n${from + i}`);

const open: RelayFleet[] = [];
async function fleet(...options: Parameters<typeof RelayFleet.in>): Promise<RelayFleet> {
  const made = await RelayFleet.in(...options);
  open.push(made);
  return made;
}
afterEach(async () => {
  for (const made of open.splice(0)) await made.close();
});

describe('a page', () => {
  it('is judged anew when the authority has moved since it was read', async () => {
    const world = await fleet("5'", { term: 2 });
    const write = { kind: 'create', key, operationId: 'o', value } as const;
    const { record } = await world.postgres.records(Note).write(write, { term: 2 });
    await world.cosmos.records(Note).apply([{ record }]);
    // Another program changes the body under our stamp at the moment of the way back.
    await world.cosmos.foreign.put(Note, { ...value, text: 'theirs' }, { keepStamp: true });
    const advance = () =>
      world.postgres.control.advance('notes', 1, { phase: '2', term: 3 }, { exclusive: true });
    const copier = world.join({ afterPage: advance }, { watches: false });
    await world.until('refused', () => copier.troubles.length > 0);
    expect(copier.troubles[0]).toMatchObject({ code: 'transaction-conflict' });
    expect(await world.revisions()).toEqual(new Map());
    expect((await world.postgres.records(Note).read(key))?.value).toEqual(value);

    const row = await world.postgres.control.read('notes');
    if (row) copier.group.observe(row);
    await world.until('copied', async () => (await world.revisions()).size > 0);
    const both = [await world.cosmos.records(Note).read(key), await world.postgres.records(Note).read(key)];
    expect(both.map((stored) => [stored?.value, stored?.version.term])).toEqual([
      [{ ...value, text: 'theirs' }, 3],
      [{ ...value, text: 'theirs' }, 3],
    ]);
    expect(await world.postgres.journal.count('notes')).toEqual({ deadLetters: 0, conflicts: 0 });
  });

  it('of history is read within the budget, and what comes after it at once', async () => {
    const world = await fleet('1');
    await world.put(...names(0, 1_600));
    const copier = world.join({ requestUnits: () => 50 });
    await world.until('history read', () => copier.relay.progress.historyRead);
    const pages = copier.relay.progress.requestUnits / 50;
    expect(pages).toBeGreaterThanOrEqual(4);
    expect(world.clock.monotonic()).toBeGreaterThanOrEqual((pages - 6) * 500);
    const before = world.clock.monotonic();
    await world.put(...names(1_600, 3_000));
    await world.until('all read', async () => (await world.copied('n2999')).length > 0);
    // A page may wait within the budget when history ends; the others do not.
    expect(world.clock.monotonic() - before).toBeLessThan(1_000);
  });

  it('gathers what is written while others are copied', async () => {
    const world = await fleet('2');
    const copier = world.join({ afterPage: () => world.clock.sleep(10) });
    await world.until('history read', () => copier.relay.progress.historyRead);
    const pages = async () => (await world.revisions()).get('range-0') ?? 0;
    const before = await pages();
    for (let i = 0; i < 200; i += 1) {
      await world.put(`n${i}`);
      await world.pass(5);
    }
    await world.until('copied', async () => (await world.copied('n199')).length === 1, 100);
    expect((await pages()) - before).toBeLessThan(25);
  });
});

describe('the ranges of a feed', () => {
  it('are shared among the processes, and those of one that dies go to the others', async () => {
    const world = await fleet('1', { ranges: 4 });
    const a = world.join();
    await world.until('held', async () => (await world.holders()).size === 4);
    const b = world.join();
    await world.until(
      'shared',
      async () => {
        const has = [...(await world.holders()).values()];
        return has.length === 4 && has.filter((holder) => holder === 'process 1').length === 2;
      },
      5_000,
    );
    await world.put(...names(0, 40));
    await world.until('copied', async () => (await world.copied(...names(0, 40))).length === 40);
    expect(Math.min(a.relay.progress.read, b.relay.progress.read)).toBeGreaterThan(0);
    expect(a.relay.progress.read + b.relay.progress.read).toBe(40);
    a.kill();
    await world.put(...names(40, 80));
    await world.until('copied', async () => (await world.copied(...names(40, 80))).length === 40, 20_000);
    expect(new Set((await world.holders()).values())).toEqual(new Set(['process 2']));
    expect(b.troubles).toEqual([]);
  });

  it('are kept and copied while Cosmos DB does not tell which there are', async () => {
    const world = await fleet('2', { ranges: 2 });
    let isAway = false;
    const silence = Promise.withResolvers<void>();
    const copier = world.join(
      { beforeRanges: () => (isAway ? silence.promise : Promise.resolve()) },
      { watches: false },
    );
    await world.until('held', async () => (await world.holders()).size === 2);
    isAway = true;
    await world.pass(60_000);
    await world.put('n1');
    await world.until('copied', async () => (await world.copied('n1')).length === 1, 1_000);
    expect((await world.holders()).size).toBe(2);
    expect(copier.troubles).toEqual([]);
    silence.resolve();
  });

  it('are given up where the feed is not to be copied any more', async () => {
    const world = await fleet('2', { ranges: 3 });
    const copier = world.join();
    await world.until('held', async () => (await world.holders()).size === 3);
    copier.group.observe({
      group: 'notes',
      epoch: 2,
      phase: '0',
      term: 1,
      wish: { phase: '0', flip: 'auto', revision: 2 },
    });
    await world.put('n1');
    await world.until('left', async () => (await world.holders()).size === 0, 3_000);
    await world.pass(10_000);
    expect(await world.copied('n1')).toEqual([]);
  });

  it('go on where they were when one is split: nothing is left out, nothing read twice', async () => {
    const world = await fleet('1');
    const copier = world.join();
    await world.put(...names(0, 20));
    await world.until('copied', () => copier.relay.progress.read === 20);
    world.cosmos.split(Note);
    await world.put('between');
    await world.until('halves', async () => (await world.holders()).size === 2);
    await world.put('after');
    await world.until('copied', async () => (await world.copied('between', 'after')).length === 2);
    expect([...(await world.holders()).keys()].toSorted()).toEqual(['range-0.0', 'range-0.1']);
    expect(copier.relay.progress.read).toBe(22);
    expect(copier.troubles).toEqual([]);
  });

  it('are not copied by whoever lost one, however late the page comes', async () => {
    const world = await fleet('1');
    const paused = Promise.withResolvers<void>();
    let isPaused = false;
    const late = world.join(
      { afterPage: () => (isPaused ? paused.promise : Promise.resolve()) },
      { watches: false },
    );
    await world.until('held', async () => (await world.holders()).size === 1);
    await world.pass(1_000);
    isPaused = true;
    await world.put('n1');
    await world.pass(1_000);
    // It stands still, so that nobody renews its lease; and whoever has the range then does not move the checkpoint.
    const { leases } = world.postgres;
    const lease = await leases.acquire('feed:notes:range:range-0', 'process 1', 1);
    expect(lease.kind).toBe('acquired');
    await world.pass(1);
    expect((await leases.acquire('feed:notes:range:range-0', 'another', 60_000)).kind).toBe('acquired');
    paused.resolve();
    isPaused = false;
    await world.pass(20_000);
    expect(await world.copied('n1')).toEqual([]);
    expect(late.troubles).toEqual([]);
  });

  it('may be copied by a process of before, under its own lease, at the same time: each page takes effect once', async () => {
    const world = await fleet('1', { ranges: 2 });
    const now = world.join();
    // As releases before this one do: every range, one after the other, under one lease.
    const { leases, checkpoints } = world.postgres;
    const lease = new HeldLease({
      leases,
      name: 'relay:notes',
      holder: 'before',
      durationMs: 60_000,
      clock: world.clock,
    });
    await lease.take();
    const copier = new PageCopier(now.group);
    const feed = world.cosmos.changes(Note);
    const committed = new Map<string, number>();
    let refused = 0;
    const round = async (): Promise<void> => {
      const known = await checkpoints.list('feed:notes:');
      for (const range of await feed.ranges()) {
        const name = `feed:notes:${range.id}`;
        const at = known.get(name);
        const page = await feed.read(range, at?.position, { limit: 7 });
        if (page.position === at?.position) continue;
        const step = { name, expected: at?.revision ?? 0, position: page.position, lease: lease.proof() };
        // Time in which the other may commit.
        await Promise.all([
          world.clock.sleep(30),
          world.put(`between ${world.clock.monotonic()} ${range.id}`),
        ]);
        try {
          await copier.copy({ page, row: now.group.row }, step, world.signal);
          committed.set(range.id, (committed.get(range.id) ?? 0) + 1);
        } catch (error) {
          if (!FencedError.isInstance(error)) throw error;
          refused += 1;
        }
      }
    };
    const ids = names(0, 60);
    await world.put(...ids);
    let isOver = false;
    const before = (async () => {
      for (let i = 0; i < 40; i += 1) {
        await round();
        await world.clock.sleep(i % 2 === 0 ? 1 : 130);
      }
    })().finally(() => (isOver = true));
    await world.until('before is over', () => isOver);
    await before;
    await world.until('copied', async () => (await world.copied(...ids)).length === ids.length);
    expect(refused).toBeGreaterThan(0);
    expect(Math.min(...committed.values())).toBeGreaterThan(0);
    // Neither has lost a step of the other.
    for (const [range, revision] of await world.revisions())
      expect(revision).toBeGreaterThan(committed.get(range) ?? 0);
    expect(now.troubles).toEqual([]);
  });
});
