import { type ChangeFeed, ConnectionError } from '@polyphase/core';
import { afterEach, describe, expect, it } from 'vitest';
import { RelayFleet } from '../../test/relay-fleet.ts';
import { Note } from '../../test/virtual-world.ts';
import { FeedWatch } from './feed-watch.ts';

const open: RelayFleet[] = [];
async function fleet(...options: Parameters<typeof RelayFleet.in>): Promise<RelayFleet> {
  const made = await RelayFleet.in(...options);
  open.push(made);
  return made;
}
afterEach(async () => {
  for (const made of open.splice(0)) await made.close();
});

/**
 * A copier that stamps a document and then cannot copy it, so that the document moves in the feed: behind markers that were sent
 * before, and behind what else was written since, which fills the page that passes them. There it waits until it is told to go on.
 */
async function stampsAndFails(world: RelayFleet) {
  const goOn = Promise.withResolvers<void>();
  let pages = 0;
  let isSpoiled = false;
  await world.putForeign('moved');
  await world.put('a', 'b');
  return {
    goOn: goOn.resolve,
    join: async () => {
      await world.put('c', 'd');
      world.join(
        {
          limit: () => 3,
          afterPage: () => (++pages > 2 ? goOn.promise : Promise.resolve()),
          faultAt: (_, name) => {
            if (isSpoiled || name !== 'postgres.records.apply') return undefined;
            isSpoiled = true;
            return 'error before';
          },
        },
        { watches: false },
      );
      await world.until('the page behind the marker', () => pages > 2);
    },
  };
}

describe('FeedWatch', () => {
  it('drains what was there, also what was stamped meanwhile and not copied', async () => {
    const world = await fleet('2');
    const copier = await stampsAndFails(world);
    const { clock, postgres, cosmos } = world;
    const group = { entity: Note, clock };
    const feed = cosmos.changes(Note);
    const watch = new FeedWatch({ group, feed, checkpoints: postgres.checkpoints });
    let found: readonly string[] | undefined;
    const drained = watch.drain(world.signal).then(async () => (found = await world.copied('moved')));
    await world.pass(20);
    await copier.join();
    expect(await world.copied('a', 'b', 'c', 'moved')).toEqual(['a', 'b', 'c']);
    await world.pass(1_000);
    expect(found).toBeUndefined();
    copier.goOn();
    await world.until('drained', () => found !== undefined);
    expect(await drained).toEqual(['moved']);
  });

  it('tells the date from where the ranges have been copied to, after a split, too', async () => {
    const world = await fleet('2');
    const copier = world.join({}, { watches: false });
    await world.put('a', 'b', 'c');
    await world.until('copied', () => copier.relay.progress.read === 3);
    world.cosmos.split(Note);
    await copier.stop();
    let read = 0;
    const feed = world.cosmos.changes(Note);
    const counting: ChangeFeed = {
      ranges: (options) => feed.ranges(options),
      positionOf: (range, known) => feed.positionOf(range, known),
      passed: (position, marker) => feed.passed(position, marker),
      behind: (position, marker) => feed.behind(position, marker),
      mark: (range, options) => feed.mark(range, options),
      read: async (range, position, options) => {
        const page = await feed.read(range, position, options);
        read += page.changes.length;
        return page;
      },
    };
    const { clock, postgres } = world;
    const group = { entity: Note, clock };
    const watch = new FeedWatch({ group, feed: counting, checkpoints: postgres.checkpoints });
    expect(await watch.serverNowMs(world.signal)).toBe(clock.now());
    expect(read).toBe(0);
  });

  it('asks for the ranges seldom while it waits, and sees a split all the same', async () => {
    const world = await fleet('2');
    await world.put('a', 'b', 'c');
    let asked = 0;
    const feed = world.cosmos.changes(Note);
    const counting: ChangeFeed = {
      ranges: (options) => {
        asked += 1;
        return feed.ranges(options);
      },
      positionOf: (range, known) => feed.positionOf(range, known),
      passed: (position, marker) => feed.passed(position, marker),
      behind: (position, marker) => feed.behind(position, marker),
      mark: (range, options) => feed.mark(range, options),
      read: (range, position, options) => feed.read(range, position, options),
    };
    const { clock, postgres } = world;
    const group = { entity: Note, clock };
    const watch = new FeedWatch({ group, feed: counting, checkpoints: postgres.checkpoints });
    let isDrained = false;
    const drained = watch.drain(world.signal).then(() => (isDrained = true));
    await world.pass(5_000);
    expect(asked).toBeLessThanOrEqual(6);
    world.cosmos.split(Note);
    const copier = world.join();
    await world.until('drained', () => isDrained);
    await drained;
    expect(copier.relay.progress.read).toBe(3);
  });
});

describe('FeedPulse', () => {
  it('takes PostgreSQL for fresh only once what was stamped on the way is there, too', async () => {
    const world = await fleet('3');
    const copier = await stampsAndFails(world);
    const watcher = world.join({}, { copies: false });
    await world.pass(20);
    await copier.join();
    expect(await world.copied('moved')).toEqual([]);
    await world.pass(1_000);
    expect(watcher.group.stalenessMs).toBe(Number.POSITIVE_INFINITY);
    copier.goOn();
    await world.until('fresh', () => watcher.group.stalenessMs < 1_000);
    expect(await world.copied('moved')).toEqual(['moved']);
  });

  it('takes no empty page for proof: what it is read from may lag', async () => {
    const world = await fleet('3');
    let lags = false;
    const copier = world.join({ limit: () => (lags ? 0 : undefined) });
    await world.until('fresh', () => copier.group.stalenessMs < 500);
    lags = true;
    await world.put('1');
    await world.pass(2_000);
    expect(copier.group.stalenessMs).toBeGreaterThan(1_500);
    lags = false;
    await world.until('fresh', () => copier.group.stalenessMs < 500);
  });

  it('is kept by one process for all, and taken over from one that dies', async () => {
    const world = await fleet('3', { ranges: 2 });
    const a = world.join();
    let marks = 0;
    const b = world.join({ beforeMark: async () => (marks += 1) });
    await world.until('fresh', () => b.group.stalenessMs < 500);
    expect(marks).toBe(0);
    a.kill();
    await world.put('1');
    await world.until('stale', () => b.group.stalenessMs > 5_000);
    await world.until('fresh', () => b.group.stalenessMs < 500);
    expect(await world.copied('1')).toEqual(['1']);
  });

  it.each(['2', '6'] as const)('beats in phase %s, too, where no read counts on it', async (phase) => {
    const world = await fleet(phase, { term: phase === '6' ? 2 : 1 });
    const copier = world.join();
    await world.pass(5_000);
    for (let i = 0; i < 20; i += 1) {
      await world.pass(250);
      expect(copier.group.stalenessMs).toBeLessThan(3_000);
    }
  });
});

describe('a feed that stands still', () => {
  it('is told once, with the range, since when and who has it, and no longer when its marker has come', async () => {
    const world = await fleet('2', { ranges: 2 });
    const goOn = Promise.withResolvers<void>();
    let stops = false;
    const still = world.join(
      { afterPage: () => (stops ? goOn.promise : Promise.resolve()) },
      { watches: false },
    );
    await world.until('held', async () => (await world.holders()).size === 2);
    const watcher = world.join({}, { copies: false });
    await world.pass(5_000);
    stops = true;
    const since = world.clock.now();
    // It holds its leases all the while, since nothing keeps it from that.
    await world.pass(59_000);
    expect(watcher.stalls).toEqual([]);
    await world.pass(120_000);
    expect(watcher.stalls.map(({ range, holder }) => `${range} ${holder}`).toSorted()).toEqual([
      'range-0 process 1',
      'range-1 process 1',
    ]);
    expect(watcher.stalls[0]?.advice).toContain('process 1');
    expect(Math.abs((watcher.stalls[0]?.sinceMs ?? 0) - since)).toBeLessThan(2_000);
    expect(watcher.pulse.stalled).toEqual(watcher.stalls);
    stops = false;
    goOn.resolve();
    await world.pass(5_000);
    expect([watcher.pulse.stalled, watcher.stalls.length]).toEqual([[], 2]);
    expect(still.troubles).toEqual([]);
  });

  it('is told where nobody copies at all', async () => {
    const world = await fleet('2');
    const watcher = world.join({}, { copies: false });
    await world.put('1');
    await world.pass(65_000);
    expect(watcher.stalls).toMatchObject([{ range: 'range-0', holder: undefined }]);
    expect(watcher.stalls[0]?.advice).toContain('start one with the role "relay"');
  });

  it('is told where no marker can be written, because of a failure or because nothing answers', async () => {
    for (const answer of [
      () => Promise.reject(new ConnectionError({ message: 'away' })),
      () => Promise.withResolvers<void>().promise,
    ]) {
      const world = await fleet('2');
      let isAway = true;
      const watcher = world.join({ beforeMark: () => (isAway ? answer() : Promise.resolve()) });
      await world.pass(70_000);
      expect(watcher.stalls).toMatchObject([{ range: undefined, holder: undefined }]);
      isAway = false;
      await world.until('well again', () => watcher.pulse.stalled.length === 0, 120_000);
    }
  });

  it('is not one that is far behind and moves', async () => {
    const world = await fleet('1');
    await world.put(...Array.from({ length: 40 }, (_, i) => `n${i}`));
    const copier = world.join({ limit: () => 1, afterPage: () => world.clock.sleep(5_000) });
    await world.pass(150_000);
    expect(copier.relay.progress.read).toBeLessThan(40);
    expect(copier.stalls).toEqual([]);
  });
});
