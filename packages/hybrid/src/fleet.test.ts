import { isPolyphaseError, type JsonObject } from '@polyphase/core';
import { memoryCacheStore, memoryDocumentStore, memoryRelationalStore } from '@polyphase/core/memory';
import { manualClock } from '@polyphase/core/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { FaultPlan, faultyStores } from '../test/faulty-stores.ts';
import { Note, protocol } from '../test/virtual-world.ts';
import { createHybrid, type Hybrid, type HybridOptions, type HybridStores } from './index.ts';

type Opened = Hybrid<HybridStores, readonly [typeof Note]>;
type Roles = HybridOptions<HybridStores, readonly [typeof Note]>['roles'];

const key = (id: string) => ({ owner: 'a', id });

const configOf = (revision: number, policy: JsonObject) => ({
  loaded: { revision, entities: { notes: policy } },
});

/** Processes over the same stores in memory, each with a plan of what breaks, in time that passes only when somebody waits. */
class Fleet {
  readonly clock = manualClock();
  readonly cosmos = memoryDocumentStore({ clock: this.clock, ranges: 2 });
  readonly postgres = memoryRelationalStore({ clock: this.clock });
  readonly cache = memoryCacheStore({ clock: this.clock });
  readonly #opened: Opened[] = [];
  #revision = 1;

  /** A process that wants nothing new. */
  async join(
    roles: Roles,
    options: { plan?: FaultPlan; alone?: boolean; policy?: JsonObject } = {},
  ): Promise<Opened> {
    const { plan = new FaultPlan(), alone = false, policy = { policy: 'cosmos-only' } } = options;
    const { cosmos, postgres } = faultyStores(this, plan);
    const hybrid = await this.passing(
      createHybrid<HybridStores, readonly [typeof Note]>({
        stores: { cosmos, ...(!alone && { postgres }), cache: this.cache },
        entities: [Note],
        config: configOf(1, policy),
        protocol,
        clock: this.clock,
        ...(roles && { roles }),
      }),
    );
    this.#opened.push(hybrid);
    return hybrid;
  }

  /** Config changes, in one process. */
  async wish(hybrid: Opened, policy: JsonObject): Promise<void> {
    this.#revision += 1;
    await this.passing(hybrid.configure(configOf(this.#revision, policy)));
  }

  async passing<Result>(promise: Promise<Result>): Promise<Result> {
    const over = new AbortController();
    const settled = promise.finally(() => over.abort());
    settled.catch(() => undefined);
    for (let i = 0; !over.signal.aborted && i < 50_000; i += 1)
      await this.clock.advance(this.clock.nextMs ?? 1);
    return settled;
  }

  async until(what: string, holds: () => boolean, limitMs = 60_000): Promise<void> {
    const end = this.clock.monotonic() + limitMs;
    while (!holds()) {
      if (this.clock.monotonic() > end) throw new Error(`${what}: not within ${limitMs} ms`);
      await this.clock.advance(this.clock.nextMs ?? 1);
    }
  }

  reached(hybrid: Opened, phase: string): Promise<void> {
    return this.until(`phase ${phase}`, () => hybrid.status('notes').phase === phase);
  }

  async close(): Promise<void> {
    for (const hybrid of this.#opened) await this.passing(hybrid.close({ drainMs: 0 }));
  }
}

const open: Fleet[] = [];
function fleet(): Fleet {
  const made = new Fleet();
  open.push(made);
  return made;
}
afterEach(async () => {
  for (const made of open.splice(0)) await made.close();
});

const POSTGRES = { policy: 'postgres-primary', flip: 'auto' };
const DUAL = { policy: 'dual-write', flip: 'auto' };
const outcomeOf = (call: Promise<unknown>) =>
  call.then(
    () => 'done',
    (error: unknown) => (isPolyphaseError(error) ? error.code : String(error)),
  );

describe('roles', () => {
  it('serve alone walks nowhere and copies nothing; workers beside it do, and it goes along', async () => {
    const world = fleet();
    const service = await world.join(['serve']);
    const notes = service.repository(Note);
    await world.passing(notes.create({ ...key('1'), text: 'x' }));
    await world.wish(service, DUAL);
    await world.clock.advance(10_000);
    expect(service.status('notes').phase).toBe('0');

    const controller = await world.join(['controller']);
    await world.reached(service, '1');
    await world.clock.advance(10_000);
    expect(service.status('notes').phase).toBe('1');
    expect(controller.status('notes').blockedBy.map(({ name }) => name)).toEqual(['backfill done']);

    await world.join(['relay']);
    await world.reached(service, '2');
    await world.wish(service, POSTGRES);
    await world.reached(service, '6');
    await world.passing(notes.patch(key('1'), { text: 'y' }));
    await world.wish(service, DUAL);
    await world.reached(service, '2');
    expect((await world.passing(notes.get(key('1'))))?.value.text).toBe('y');
  });

  it('that nobody knows, or none, are refused', async () => {
    const world = fleet();
    await expect(world.join([])).rejects.toThrow('roles must be some of');
    const roles: readonly string[] = ['server'];
    await expect(world.join(roles as Roles)).rejects.toThrow('server');
  });

  it.each(['1', '3', '4', '5', '6', "5'"])(
    'a worker that dies in phase %s is replaced by the one that stands by',
    async (phase) => {
      const world = fleet();
      const plan = new FaultPlan();
      const service = await world.join(['serve']);
      const notes = service.repository(Note);
      await world.passing(notes.create({ ...key('1'), text: 'x' }));
      const worker = await world.join(['relay', 'controller'], { plan });
      const other = await world.join(['relay', 'controller']);
      // At once: a phase may be over before time passes.
      worker.on('phase', ({ to }) => {
        if (to === phase) plan.kill();
      });
      await world.wish(service, POSTGRES);
      if (phase === "5'") {
        await world.reached(service, '6');
        await world.wish(service, DUAL);
      }
      await world.until(phase, () => plan.isDead);
      await world.reached(other, phase === "5'" ? '2' : '6');
      await world.passing(notes.patch(key('1'), { text: 'y' }));
      await world.wish(service, DUAL);
      await world.reached(service, '2');
      expect((await world.passing(notes.get(key('1'))))?.value.text).toBe('y');
    },
  );
});

describe('what is in the way', () => {
  const namesIn = (hybrid: Opened) => hybrid.status('notes').blockedBy.map(({ name }) => name);

  it('is told by every process, as the one saw that walks, and no longer when it is out of the way', async () => {
    const world = fleet();
    const service = await world.join(['serve']);
    const standby = await world.join(['controller']);
    await world.join(['controller']);
    await world.wish(service, DUAL);
    await world.reached(service, '1');
    await world.until('told', () =>
      [service, standby].every((member) => namesIn(member)[0] === 'backfill done'),
    );
    const [answer] = service.status('notes').blockedBy;
    expect(answer).toMatchObject({ passed: false, seen: 'end of the feed not reached yet' });
    await world.join(['relay']);
    await world.reached(service, '2');
    await world.clock.advance(1_000);
    expect(namesIn(service)).toEqual([]);
    const noted = await world.postgres.checkpoints.read('blocked:notes');
    expect(JSON.parse(noted?.position ?? '')).toMatchObject({ answers: [] });
  });

  it('is what was seen lately: an age that rises is told anew', async () => {
    const world = fleet();
    const service = await world.join(['serve']);
    const worker = await world.join(['controller']);
    await world.wish(service, DUAL);
    await world.until('told', () => namesIn(service).length > 0);
    const before = await world.postgres.checkpoints.read('blocked:notes');
    await world.clock.advance(10_000);
    const after = await world.postgres.checkpoints.read('blocked:notes');
    const times = (after?.revision ?? 0) - (before?.revision ?? 0);
    expect(times).toBeGreaterThanOrEqual(4);
    expect(times).toBeLessThanOrEqual(6);
    expect(service.status('notes').blockedBy).toEqual(worker.status('notes').blockedBy);
  });

  it('is that nobody walks, where there is no controller', async () => {
    const world = fleet();
    const service = await world.join(['serve', 'relay']);
    await world.wish(service, DUAL);
    await world.clock.advance(1_500);
    expect(namesIn(service)).toEqual([]);
    await world.clock.advance(1_500);
    expect(service.status('notes').blockedBy).toMatchObject([
      { name: 'somebody walks', passed: false, wanted: expect.stringContaining('"controller"') },
    ]);
    await world.join(['controller']);
    await world.reached(service, '2');
    await world.clock.advance(100);
    expect(namesIn(service)).toEqual([]);
  });

  it('is told of the row as it is, and of no other epoch', async () => {
    const world = fleet();
    const service = await world.join(['serve']);
    const { checkpoints, leases, control } = world.postgres;
    await leases.acquire('controller:notes', 'another', 600_000);
    await world.wish(service, DUAL);
    const answers = [{ name: 'told', passed: false, seen: 'there', wanted: 'here' }];
    const tell = async (position: string) => {
      const expected = (await checkpoints.read('blocked:notes'))?.revision ?? 0;
      await checkpoints.advance({ name: 'blocked:notes', expected, position });
      await world.clock.advance(100);
      return namesIn(service);
    };
    const epoch = (await control.read('notes'))?.epoch ?? 0;
    expect(await tell(JSON.stringify({ epoch: epoch + 1, answers }))).toEqual([]);
    expect(await tell(JSON.stringify({ epoch, answers }))).toEqual(['told']);
    for (const strange of ['no JSON', '[]', JSON.stringify({ epoch, answers: [1, {}] })])
      expect(await tell(strange)).toEqual([]);
  });
});

describe('a process without PostgreSQL in a fleet', () => {
  it('may remove documents for good until its lease of phase 0 is over, so phase 1 lasts as long', async () => {
    const world = fleet();
    const full = await world.join(undefined);
    const closed = new Set<string>();
    full.on('blocked', ({ answers }) => {
      for (const { name } of answers) closed.add(name);
    });
    await world.wish(full, DUAL);
    await world.reached(full, '1');
    const since = world.clock.monotonic();
    await world.reached(full, '2');
    expect(world.clock.monotonic() - since).toBeGreaterThanOrEqual(protocol.lease * 1.1);
    expect(closed).toContain('every delete leaves a tombstone');
  });

  it('works in the phases of Cosmos DB, is told to wait in the others, and works again after the way back', async () => {
    const world = fleet();
    const alone = (await world.join(undefined, { alone: true })).repository(Note);
    await world.passing(alone.create({ ...key('1'), text: 'x' }));
    const full = await world.join(undefined);
    const notes = full.repository(Note);
    await world.wish(full, DUAL);
    await world.reached(full, '2');
    await world.passing(alone.patch(key('1'), { text: 'alone' }));
    await world.wish(full, POSTGRES);
    await world.reached(full, '6');
    expect((await world.passing(notes.get(key('1'))))?.value.text).toBe('alone');
    expect(await world.passing(outcomeOf(alone.patch(key('1'), { text: 'late' })))).toBe('sealed');
    await world.passing(notes.patch(key('1'), { text: 'full' }));
    await world.wish(full, DUAL);
    await world.reached(full, '2');
    expect((await world.passing(alone.get(key('1'))))?.value.text).toBe('full');
    await world.passing(alone.patch(key('1'), { text: 'again' }));
    await world.until('copied', () => full.status('notes').copied.read > 0);
    expect((await world.passing(notes.get(key('1'))))?.value.text).toBe('again');
  });

  it('tells nothing that a unit of work read once the authority has moved on', async () => {
    const world = fleet();
    const alone = await world.join(undefined, { alone: true });
    await world.passing(alone.repository(Note).create({ ...key('1'), text: 'x' }));
    const full = await world.join(undefined);
    const begun = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const unit = alone.transaction(async (inside) => {
      await inside.repository(Note).get(key('1'));
      begun.resolve();
      await goOn.promise;
      return inside.repository(Note).get(key('1'));
    });
    await begun.promise;
    await world.wish(full, { policy: 'postgres-primary', reverseSync: false, flip: 'auto' });
    await world.reached(full, '7');
    await world.passing(full.repository(Note).patch(key('1'), { text: 'later' }));
    goOn.resolve();
    expect(await world.passing(outcomeOf(unit))).toBe('sealed');
  });

  it('answers no read from Cosmos DB while it cannot ask the permit: the authority may have moved', async () => {
    const world = fleet();
    let isThrottled = false;
    const plan = new FaultPlan({
      faultAt: (_, name) => (isThrottled && name.includes('permits') ? 'error before' : undefined),
    });
    const alone = (await world.join(undefined, { plan, alone: true })).repository(Note);
    await world.passing(alone.create({ ...key('1'), text: 'x' }));
    const full = await world.join(undefined);
    isThrottled = true;
    await world.wish(full, { policy: 'postgres-primary', reverseSync: false, flip: 'auto' });
    await world.reached(full, '7');
    await world.passing(full.repository(Note).patch(key('1'), { text: 'later' }));
    expect(await world.passing(outcomeOf(alone.get(key('1'))))).toBe('connection');
    const page = alone.query({ where: { owner: 'a' } });
    expect(await world.passing(outcomeOf(page))).toBe('connection');
    isThrottled = false;
    expect(await world.passing(outcomeOf(alone.get(key('1'))))).toBe('sealed');
  });

  it('shares its cache with the others after the way back, though it heard of no term but from the permit', async () => {
    const world = fleet();
    const cached = (over: JsonObject) => ({ policy: 'cached', ttl: '1h', over });
    const policy = cached({ policy: 'cosmos-only' });
    const alone = (await world.join(undefined, { alone: true, policy })).repository(Note);
    const full = await world.join(undefined, { policy });
    const notes = full.repository(Note);
    await world.passing(notes.create({ ...key('1'), text: 'x' }));
    await world.wish(full, cached(POSTGRES));
    await world.reached(full, '6');
    await world.wish(full, cached(DUAL));
    await world.reached(full, '2');
    // The first read takes a lease, and so hears of the term; the second fills the cache; the third is answered by it.
    for (const _ of ['lease', 'fill', 'hit'])
      expect((await world.passing(alone.get(key('1'))))?.value.text).toBe('x');
    await world.passing(notes.patch(key('1'), { text: 'y' }));
    expect((await world.passing(alone.get(key('1'))))?.value.text).toBe('y');
  });
});

describe('the first read after the way back', () => {
  it('comes after a marker in each range, so that its session covers what relays wrote in theirs', async () => {
    const world = fleet();
    const plan = new FaultPlan();
    const marks = () => plan.calls.filter((name) => name === 'cosmos.changes.mark').length;
    const worker = await world.join(undefined);
    const reader = await world.join(['serve'], { plan });
    const notes = reader.repository(Note);
    await world.wish(worker, POSTGRES);
    await world.reached(reader, '6');
    await world.passing(notes.create({ ...key('1'), text: 'x' }));
    await world.wish(worker, DUAL);
    await world.reached(reader, '2');
    expect(marks()).toBe(0);
    const read = () => world.passing(notes.get(key('1')));
    expect((await Promise.all([read(), read()])).map((found) => found?.value.text)).toEqual(['x', 'x']);
    expect(marks()).toBe(2);
    await read();
    await world.passing((await world.join(['serve'], { plan })).repository(Note).get(key('1')));
    expect(marks()).toBe(2);
  });
});

describe('a flip back', () => {
  it('is not missed by a process whose look at the row is answered late', async () => {
    const world = fleet();
    let lateMs = 0;
    const plan = new FaultPlan({
      faultAt: (_, name) => (lateMs > 0 && name.includes('members.beat') ? 'pause after' : undefined),
      pause: () => world.clock.sleep(lateMs),
    });
    const late = await world.join(['serve'], { plan });
    const full = await world.join(undefined);
    await world.wish(full, POSTGRES);
    await world.reached(full, '6');
    await world.passing(late.repository(Note).create({ ...key('1'), text: 'x' }));
    lateMs = 30_000;
    await world.clock.advance(10_000);
    const read = late
      .repository(Note)
      .get(key('1'))
      .then((found) => found?.value.text, String);
    await world.wish(full, { policy: 'cosmos-only', flip: 'auto' });
    await world.reached(full, '0');
    await world.passing(full.repository(Note).patch(key('1'), { text: 'later' }));
    const told = await world.passing(read);
    lateMs = 0;
    expect(['later', expect.stringContaining('Sealed')]).toContainEqual(told);
  });

  it('waits for a member that answers reads, as long as its membership runs', async () => {
    const world = fleet();
    const pause = { ms: 0 };
    const plan = new FaultPlan({
      faultAt: (_, name) => (pause.ms > 0 && name === 'postgres.records.read' ? 'pause before' : undefined),
      pause: () => world.clock.sleep(pause.ms),
    });
    const worker = await world.join(undefined);
    const reader = await world.join(['serve'], { plan });
    await world.passing(worker.repository(Note).create({ ...key('1'), text: 'x' }));
    await world.wish(worker, POSTGRES);
    await world.reached(reader, '6');
    pause.ms = 700;
    const read = reader.repository(Note).get(key('1'));
    await world.clock.advance(1);
    await world.wish(worker, DUAL);
    await world.reached(worker, "5'");
    const sealedAt = world.clock.monotonic();
    await world.clock.advance(400);
    expect(worker.status('notes').phase).toBe("5'");
    await world.passing(read);
    await world.reached(worker, '2');
    expect(world.clock.monotonic() - sealedAt).toBeLessThan(1_000);
  });
});

describe('the change feed of a fleet', () => {
  const write = (world: Fleet, count: number) =>
    Promise.all(
      Array.from({ length: count }, (_, i) => {
        const value = { id: `${i}`, owner: `${i}`, text: 'x' };
        const made = { key: { partition: [`${i}`], id: `${i}` }, value, operationId: `${i}` };
        return world.cosmos.records(Note).write({ kind: 'create', ...made }, { term: 1 });
      }),
    );

  it('is copied by all relays together, through flips, whichever of them dies', async () => {
    const world = fleet();
    const plan = new FaultPlan();
    const service = await world.join(['serve']);
    const controller = await world.join(['controller']);
    const relays = [await world.join(['relay'], { plan }), await world.join(['relay'])];
    await world.wish(service, DUAL);
    await world.reached(service, '2');
    await world.clock.advance(protocol.lease * 5);
    await write(world, 40);
    const readBy = () => relays.map((relay) => relay.status('notes').copied.read);
    await world.until('copied', () => readBy().reduce((a, b) => a + b) === 40);
    expect(Math.min(...readBy())).toBeGreaterThan(0);
    // At the moment of the seal, so that the drain finds its ranges held by nobody who is alive.
    controller.on('phase', ({ to }) => {
      if (to === '5') plan.kill();
    });
    await world.wish(service, POSTGRES);
    await world.reached(service, '6');
    expect(plan.isDead).toBe(true);
    expect(await world.passing(world.postgres.records(Note).count())).toBe(40);
  });

  it('tells every process how far it is while history is read', async () => {
    const world = fleet();
    const plan = new FaultPlan({
      faultAt: (_, name) => (name === 'cosmos.changes.read' ? 'pause after' : undefined),
      pause: () => world.clock.sleep(3_000),
    });
    const service = await world.join(['serve']);
    await world.join(['controller']);
    await write(world, 1_200);
    await world.join(['relay'], { plan });
    await world.wish(service, DUAL);
    await world.until('under way', () => (service.status('notes').backfill?.records ?? 0) >= 500);
    const { backfill, lagChanges, copied } = service.status('notes');
    expect(backfill?.left).toBe(1_200 - (backfill?.records ?? 0));
    expect(backfill?.recordsPerSecond).toBeGreaterThan(50);
    expect(backfill?.secondsLeft).toBeGreaterThan(0);
    expect(lagChanges).toBeGreaterThan(100);
    expect(copied).toEqual({ read: 0, historyRead: false, requestUnits: 0 });
    await world.reached(service, '2');
    await world.until('at its end', () => service.status('notes').backfill === undefined);
    expect(service.status('notes').copied.historyRead).toBe(true);
  });

  it('tells every process when it stands still, and by how much it is behind', async () => {
    const world = fleet();
    const plan = new FaultPlan();
    const [service, controller] = [await world.join(['serve']), await world.join(['controller'])];
    await world.join(['relay'], { plan });
    await world.wish(service, DUAL);
    await world.reached(service, '2');
    const told: unknown[] = [];
    for (const process of [service, controller]) process.on('stalled', (notice) => told.push(notice));
    plan.kill();
    await write(world, 30);
    const has = (count: number) => () => service.status('notes').stalled.length === count;
    await world.until('stalled', has(2), 90_000);
    expect(told).toMatchObject([
      { entity: 'notes', range: 'range-0', holder: undefined },
      { entity: 'notes', range: 'range-1', holder: undefined },
    ]);
    expect(service.status('notes').lagMs).toBeGreaterThan(60_000);
    await world.join(['relay']);
    await world.until('well', has(0));
    await world.until('copied', () => service.status('notes').lagChanges === 0);
    expect(service.status('notes').lagMs).toBeLessThan(5_000);
    expect(told.length).toBe(2);
  });
});
