import {
  type ChangeFeed,
  type ControlRow,
  type DocumentStore,
  type Entity,
  keyOfValue,
  StoreError,
} from '@polyphase/core';
import { type MemoryDocumentStore, memoryDocumentStore, memoryRelationalStore } from '@polyphase/core/memory';
import { manualClock } from '@polyphase/core/testing';
import { describe, expect, it } from 'vitest';
import { FaultPlan, faultyStores } from '../../test/faulty-stores.ts';
import { Note, Other } from '../../test/virtual-world.ts';
import { type BackfillOptions, type BackfillProgress, createBackfill } from '../index.ts';

type Given = Partial<Omit<BackfillOptions<readonly [typeof Note, typeof Other]>, 'clock'>>;

class World {
  readonly clock = manualClock();
  readonly cosmos: MemoryDocumentStore;
  readonly postgres = memoryRelationalStore({ clock: this.clock });

  constructor({ ranges = 3 } = {}) {
    this.cosmos = memoryDocumentStore({ clock: this.clock, ranges });
  }

  backfill(
    options: Given = {},
    stores: BackfillOptions<readonly []>['stores'] = { cosmos: this.cosmos, postgres: this.postgres },
  ) {
    const backfill = createBackfill({
      stores,
      entities: [Note, Other],
      poll: 20,
      lease: '1s',
      clock: this.clock,
      ...options,
    });
    const notices: string[] = [];
    let last = '';
    backfill.on('progress', ({ entity, state }) => {
      if (`${entity} ${state}` !== last) notices.push(`${entity} ${state}`);
      last = `${entity} ${state}`;
    });
    backfill.on('trouble', ({ entity, error }) => notices.push(`${entity} ${String(error)}`));
    return { backfill, notices };
  }

  async fill(entity: Entity, count: number, from = 0): Promise<void> {
    for (let n = from; n < from + count; n += 1) await this.write(entity, n, 'first');
  }

  async write(entity: Entity, n: number, text: string): Promise<void> {
    const value = { id: `${n}`, owner: `o${n % 7}`, text };
    const key = keyOfValue(entity, value);
    await this.cosmos
      .records(entity)
      .write({ kind: 'upsert', key, operationId: crypto.randomUUID(), value }, { term: 1 });
  }

  async rows(entity: Entity): Promise<number> {
    return this.postgres.records(entity).count();
  }

  /** Lets time pass until a promise is settled. */
  async passing<Result>(promise: Promise<Result>): Promise<Result> {
    const over = new AbortController();
    const noted = promise.finally(() => over.abort());
    noted.catch(() => undefined);
    for (let i = 0; !over.signal.aborted && i < 100_000; i += 1)
      await this.clock.advance(this.clock.nextMs ?? 1);
    return noted;
  }

  /** Lets time pass until it is so. */
  async until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    for (let i = 0; i < 20_000; i += 1) {
      if (await holds()) return;
      await this.clock.advance(this.clock.nextMs ?? 1);
    }
    throw new Error(`${what}: never`);
  }
}

const row = (phase: ControlRow['phase'], term: number): ControlRow => ({
  group: 'notes',
  epoch: 1,
  phase,
  term,
  wish: { phase: '2', flip: 'auto', revision: 1 },
});

describe('a backfill', () => {
  it('copies history in the order that was given, one entity at a time, and leaves what is not named', async () => {
    const world = new World();
    await world.fill(Note, 900);
    await world.fill(Other, 40);
    const { backfill, notices } = world.backfill({ order: ['others', 'notes'] });
    const progress = await world.passing(backfill.run());
    expect(notices).toEqual(['others copying', 'others done', 'notes copying', 'notes done']);
    expect([await world.rows(Note), await world.rows(Other)]).toEqual([900, 40]);
    expect(
      progress.map(({ entity, records, applied, total, setAside, secondsLeft }) => [
        entity,
        records,
        applied,
        total,
        setAside,
        secondsLeft,
      ]),
    ).toEqual([
      ['others', 40, 40, 40, 0, 0],
      ['notes', 900, 900, 900, 0, 0],
    ]);

    const other = new World();
    await other.fill(Note, 3);
    await other.fill(Other, 3);
    await other.passing(other.backfill({ order: ['notes'] }).backfill.run());
    expect([await other.rows(Note), await other.rows(Other)]).toEqual([3, 0]);
  });

  it('copies several entities at a time when told to', async () => {
    const world = new World();
    await world.fill(Note, 30);
    await world.fill(Other, 30);
    const { backfill, notices } = world.backfill({ atOnce: 2 });
    await world.passing(backfill.run());
    expect(notices.slice(0, 2).toSorted()).toEqual(['notes copying', 'others copying']);
  });

  it('repeats nothing when it is run again', async () => {
    const world = new World();
    await world.fill(Note, 50);
    await world.passing(world.backfill({ order: ['notes'] }).backfill.run());
    await world.fill(Note, 5, 50);
    const [again] = await world.passing(world.backfill({ order: ['notes'] }).backfill.run());
    expect(again).toMatchObject({ records: 55, applied: 55, state: 'done' });
    expect(await world.rows(Note)).toBe(55);
  });

  it('shares the ranges of an entity with other processes, each page by one of them', async () => {
    const world = new World();
    await world.fill(Note, 4_000);
    const each = [world, world, world].map(() => world.backfill({ order: ['notes'], rangesAtOnce: 1 }));
    const all = await world.passing(Promise.all(each.map(({ backfill }) => backfill.run())));
    expect(await world.rows(Note)).toBe(4_000);
    const counts = all.flat().map(({ records }) => records);
    expect(Math.max(...counts)).toBe(4_000);
    const states = new Set(['notes copying', 'notes done']);
    expect(each.flatMap(({ notices }) => notices).filter((notice) => !states.has(notice))).toEqual([]);
  });

  it('goes on from where it was when ranges are split under it', async () => {
    const world = new World();
    await world.fill(Note, 5_000);
    const { backfill } = world.backfill(
      { order: ['notes'], requestUnitsPerSecond: 200, rangesAtOnce: 3 },
      { cosmos: charging(world.cosmos, 50), postgres: world.postgres },
    );
    const run = backfill.run();
    const split = async () => {
      for (const { id } of await world.cosmos.changes(Note).ranges()) world.cosmos.split(Note, id);
    };
    await world.until('some', () => backfill.status('notes').records >= 1_000);
    await split();
    await world.until('more', () => backfill.status('notes').records >= 3_000);
    await world.passing(backfill.close());
    expect((await run).map(({ state }) => state)).toEqual(['stopped']);
    await split();
    const [progress] = await world.passing(world.backfill({ order: ['notes'] }).backfill.run());
    expect(progress?.state).toBe('done');
    expect(await world.rows(Note)).toBe(5_000);
    // A page of each range at most is read by the whole, and again by its parts.
    expect(progress?.records).toBeLessThanOrEqual(5_000 + 3 * 500);
  });

  it('goes on with what changes, when it is to follow, until it is stopped', async () => {
    const world = new World();
    await world.fill(Note, 20);
    const { backfill, notices } = world.backfill({ follow: true });
    const run = backfill.run();
    await world.until('history', () => backfill.status('notes').state === 'following');
    await world.until('history', () => backfill.status('others').state === 'following');
    await world.write(Note, 3, 'second');
    await world.fill(Note, 1, 20);
    await world.until('the new record', async () => (await world.rows(Note)) === 21);
    const key = keyOfValue(Note, { id: '3', owner: 'o3', text: '' });
    await world.until(
      'the change',
      async () => (await world.postgres.records(Note).read(key))?.value?.['text'] === 'second',
    );
    await world.passing(backfill.close());
    expect((await run).map(({ state }) => state)).toEqual(['stopped', 'stopped']);
    expect(notices).toContain('notes following');
  });

  it('stamps what has no stamp, and sets aside what cannot be stored', async () => {
    const world = new World();
    await world.fill(Note, 2);
    await world.cosmos.foreign.put(Note, { id: 'x', owner: 'o', text: 'theirs' });
    await world.cosmos.foreign.put(Note, { id: 'y', owner: 'o', text: 7 });
    const [progress] = await world.passing(world.backfill({ order: ['notes'] }).backfill.run());
    expect(progress).toMatchObject({ applied: 3, stamped: 1, setAside: 1 });
    expect(await world.postgres.journal.count('notes')).toEqual({ deadLetters: 1, conflicts: 0 });
  });

  it('is not done before it has copied what moved in the feed as it was stamped', async () => {
    const world = new World({ ranges: 1 });
    for (let n = 0; n < 1_600; n += 1)
      await world.cosmos.foreign.put(Note, { id: `${n}`, owner: 'o', text: 'theirs' });
    let failures = 0;
    const plan = new FaultPlan({
      faultAt: (_, name) => {
        if (failures === 3 || name !== 'postgres.records.apply') return undefined;
        failures += 1;
        return 'error before';
      },
    });
    const { cosmos, postgres } = faultyStores(world, plan);
    const stores = { cosmos: charging(cosmos, 50), postgres };
    const { backfill } = world.backfill({ order: ['notes'], requestUnitsPerSecond: 50 }, stores);
    expect(await world.passing(backfill.run())).toMatchObject([{ state: 'done' }]);
    expect(failures).toBe(3);
    expect(await world.rows(Note)).toBe(1_600);
  });

  it('leaves an entity whose authority is PostgreSQL', async () => {
    const world = new World();
    await world.fill(Note, 2);
    await world.postgres.control.create(row('6', 2));
    const { backfill } = world.backfill({ order: ['notes'] });
    expect(await world.passing(backfill.run())).toMatchObject([{ state: 'left', applied: 0 }]);
    expect(await world.postgres.checkpoints.list('feed:')).toEqual(new Map());
  });

  it('refuses options that cannot be used, with every problem', () => {
    const world = new World();
    expect(() =>
      world.backfill({ atOnce: 0, rangesAtOnce: 1.5, requestUnitsPerSecond: 1, lease: 5 }),
    ).toThrow(/atOnce[\s\S]*rangesAtOnce[\s\S]*requestUnitsPerSecond[\s\S]*lease/);
  });
});

describe('pause, resume and cancel', () => {
  it('are obeyed by every process, and by one that starts later', async () => {
    const world = new World();
    await world.fill(Note, 20);
    const first = world.backfill({ order: ['notes'], follow: true });
    const second = world.backfill({ order: ['notes'], follow: true });
    const runs = [first.backfill.run(), second.backfill.run()];
    await world.until('both follow', () =>
      [first, second].every(({ backfill }) => backfill.status('notes').state === 'following'),
    );
    await world.passing(second.backfill.pause('notes'));
    await world.until('both pause', () =>
      [first, second].every(({ backfill }) => backfill.status('notes').state === 'paused'),
    );
    await world.fill(Note, 5, 20);
    await world.clock.advance(5_000);
    const third = world.backfill({ order: ['notes'] });
    const late = third.backfill.run();
    await world.until('the third pauses', () => third.backfill.status('notes').state === 'paused');
    expect(await world.rows(Note)).toBe(20);

    await world.passing(third.backfill.resume('notes'));
    await world.passing(late);
    expect(await world.rows(Note)).toBe(25);

    await world.passing(first.backfill.cancel('notes'));
    const ended = await world.passing(Promise.all(runs));
    expect(ended.flat().map(({ state }) => state)).toEqual(['cancelled', 'cancelled']);
    expect(await world.rows(Note)).toBe(25);
  });

  it('starting over begins from the beginning, and writes nothing twice', async () => {
    const world = new World();
    await world.fill(Note, 20);
    await world.passing(world.backfill({ order: ['notes'] }).backfill.run());
    const { backfill } = world.backfill({ order: ['notes'] });
    await world.passing(backfill.startOver('notes'));
    expect(await world.passing(backfill.run())).toMatchObject([{ records: 20, applied: 0 }]);
  });
});

describe('progress', () => {
  it('comes as a stream, with totals and time left, and ends with the run', async () => {
    const world = new World();
    await world.fill(Note, 3_000);
    const { backfill } = world.backfill(
      { order: ['notes'], requestUnitsPerSecond: 100 },
      {
        cosmos: charging(world.cosmos, 50),
        postgres: world.postgres,
      },
    );
    const seen: (BackfillProgress & { readonly at: number })[] = [];
    const reading = (async () => {
      for await (const progress of backfill.progress())
        seen.push({ ...progress, at: world.clock.monotonic() });
    })();
    await world.passing(backfill.run());
    await world.passing(reading);
    expect(seen.at(-1)).toMatchObject({ state: 'done', records: 3_000, total: 3_000, secondsLeft: 0 });
    const between = seen.filter(({ records }) => records > 0 && records < 3_000);
    expect(between.length).toBeGreaterThan(3);
    expect(between.every(({ requestUnitsPerSecond }) => requestUnitsPerSecond === 100)).toBe(true);
    // Once the burst at the beginning is behind it, it foresees the end.
    const end = seen.at(-1)?.at ?? 0;
    const late = between.filter(({ records }) => records >= 2_000);
    for (const { at, secondsLeft } of late)
      expect(Math.abs(at + (secondsLeft ?? 0) * 1_000 - end)).toBeLessThan(2_000);
    expect(late.length).toBeGreaterThan(0);
    expect(seen.at(-1)?.bytes).toBeGreaterThan(3_000 * 30);
    // Nine pages and more of 50 units at 100 units a second.
    expect(seen.at(-1)?.requestUnits).toBeGreaterThanOrEqual(450);
    expect(world.clock.monotonic()).toBeGreaterThan(4_000);
  });

  it('tells what all processes did', async () => {
    const world = new World();
    await world.fill(Note, 20);
    await world.passing(world.backfill({ order: ['notes'] }).backfill.run());
    const { backfill } = world.backfill({ order: ['notes'], follow: true });
    const run = backfill.run();
    await world.until('it follows', () => backfill.status('notes').state === 'following');
    expect(backfill.status('notes')).toMatchObject({ records: 20, applied: 20 });
    await world.passing(backfill.close());
    await run;
  });
});

describe('a dry run', () => {
  it('tells what a copy would meet and cost, and writes nothing', async () => {
    const world = new World();
    await world.fill(Note, 600);
    await world.cosmos.foreign.put(Note, { id: 'x', owner: 'o', text: 'theirs' });
    await world.cosmos.foreign.put(Note, { id: 'y', owner: 'o', text: 7 });
    const stores = { cosmos: charging(world.cosmos, 50), postgres: world.postgres };
    const before = await world.cosmos.records(Note).read({ partition: ['o'], id: 'x' });
    const plan = world.backfill({ order: ['notes'], requestUnitsPerSecond: 10 }, stores).backfill.plan();
    const [estimate] = await world.passing(plan);
    expect(estimate).toMatchObject({ entity: 'notes', records: 602, unstamped: 1, unmappable: 1 });
    expect(estimate?.examples).toMatchObject([{ issues: [{ path: ['text'] }] }]);
    expect(estimate?.requestUnits.reading).toBe(300);
    expect(estimate?.requestUnits.stamping).toBe(10);
    expect(estimate?.secondsAtLeast).toBeGreaterThanOrEqual(31);
    expect(await world.cosmos.records(Note).read({ partition: ['o'], id: 'x' })).toEqual(before);
    expect(await world.postgres.checkpoints.list('')).toEqual(new Map());
    expect(await world.rows(Note)).toBe(0);
  });
});

describe('a backfill that fails', () => {
  it('is over for the entity that a person must mend, after the others are done', async () => {
    const world = new World();
    await world.fill(Note, 5);
    await world.fill(Other, 5);
    const recreated = new StoreError({ message: 'The container was deleted and created again' });
    const { backfill } = world.backfill(
      {},
      {
        cosmos: refusing(world.cosmos, Note, recreated),
        postgres: world.postgres,
      },
    );
    await expect(world.passing(backfill.run())).rejects.toBe(recreated);
    expect(backfill.status('notes')).toMatchObject({ state: 'failed', error: recreated });
    expect(backfill.status('others').state).toBe('done');
    expect(await world.rows(Other)).toBe(5);
  });

  it('loses nothing when its process dies at any call of a store, and the next goes on', async () => {
    let died = 0;
    for (let at = 1; at <= 60; at += 1)
      for (const when of ['before', 'after'] as const) {
        const world = new World();
        await world.fill(Note, 40);
        await world.cosmos.foreign.put(Note, { id: 'x', owner: 'o', text: 'theirs' });
        const plan = new FaultPlan({
          faultAt: (call) => (call === at ? `crash ${when}` : undefined),
        });
        const dying = world.backfill({ order: ['notes'] }, faultyStores(world, plan));
        const run = dying.backfill.run();
        run.catch(() => undefined);
        await world.until('its end', () => plan.isDead || dying.backfill.status('notes').state === 'done');
        if (!plan.isDead) {
          await world.passing(run);
          continue;
        }
        died += 1;
        await world.passing(dying.backfill.close());
        const [progress] = await world.passing(world.backfill({ order: ['notes'] }).backfill.run());
        expect(progress?.state).toBe('done');
        expect(await world.rows(Note)).toBe(41);
      }
    expect(died).toBeGreaterThan(60);
  }, 30_000);
});

type Read = ChangeFeed['read'];

/** A store whose feeds are read in another way. */
function withRead(cosmos: DocumentStore, around: (read: Read, entity: Entity) => Read): DocumentStore {
  const { kind, permits, checkpoints, leases, runUnit } = cosmos;
  return {
    kind,
    permits,
    checkpoints,
    leases,
    runUnit,
    records: (entity) => cosmos.records(entity),
    prepare: (entities, options) => cosmos.prepare(entities, options),
    verify: (entity, options) => cosmos.verify(entity, options),
    changes: (entity) => {
      const feed = cosmos.changes(entity);
      return {
        ranges: (options) => feed.ranges(options),
        mark: (range, options) => feed.mark(range, options),
        positionOf: (range, known) => feed.positionOf(range, known),
        passed: (position, marker) => feed.passed(position, marker),
        behind: (position, marker) => feed.behind(position, marker),
        read: around((range, position, options) => feed.read(range, position, options), entity),
      };
    },
  };
}

/** A store that charges so many request units for each page of a feed. */
function charging(cosmos: DocumentStore, requestUnits: number): DocumentStore {
  return withRead(cosmos, (read) => (range, position, options) => {
    options?.meter?.({ requestUnits, throttled: 0 });
    return read(range, position, options);
  });
}

/** A store whose feed of one entity always fails. */
function refusing(cosmos: DocumentStore, entity: Entity, error: unknown): DocumentStore {
  return withRead(cosmos, (read, of) => (of === entity ? () => Promise.reject(error) : read));
}
