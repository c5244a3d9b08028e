import { type Clock, isPolyphaseError, type JsonObject, keyText } from '@polyphase/core';
import { memoryCacheStore, memoryDocumentStore, memoryRelationalStore } from '@polyphase/core/memory';
import { manualClock } from '@polyphase/core/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { type Fault, FaultPlan, faultyStores } from '../test/faulty-stores.ts';
import { Note, protocol } from '../test/virtual-world.ts';
import { createHybrid, type Hybrid, type HybridStores } from './index.ts';

type Opened = Hybrid<HybridStores, readonly [typeof Note]>;
const MINUTE = 60_000;
const key = (id: string) => ({ owner: 'a', id });

/** Two processes over the same stores in memory. The first one can be stopped in its tracks: its calls and its timers alike. */
class TwoProcesses {
  readonly clock = manualClock();
  readonly cosmos = memoryDocumentStore({ clock: this.clock, ranges: 3 });
  readonly postgres = memoryRelationalStore({ clock: this.clock });
  readonly cache = memoryCacheStore({ clock: this.clock });
  readonly #opened: Opened[] = [];
  /** While it is so, the first process cannot learn that its right to work on the row is lost. */
  isRenewalLost = false;
  #thaw: (() => void) | undefined;
  #thawed: Promise<void> = Promise.resolve();
  #fault: Fault | undefined;
  /** While it is so, nothing is copied from the authority to the other store. */
  isCopyHeld = false;

  /** A process that stops where {@link freeze} finds it. */
  first(policy: JsonObject): Promise<Opened> {
    const plan = new FaultPlan({
      faultAt: (_, name) =>
        this.#fault ?? (this.isRenewalLost && name.endsWith('.members.beat') ? 'error before' : undefined),
      pause: () => this.#thawed,
    });
    const clock: Clock = {
      now: () => this.clock.now(),
      monotonic: () => this.clock.monotonic(),
      sleep: async (ms, signal) => {
        await this.clock.sleep(ms, signal);
        await this.#thawed;
      },
    };
    return this.#open(faultyStores(this, plan), { policy, revision: 1, clock });
  }

  /** A process that was given Cosmos DB alone. */
  withoutPostgres(policy: JsonObject): Promise<Opened> {
    return this.#open({ cosmos: this.cosmos }, { policy, revision: 1, clock: this.clock });
  }

  /** The process that takes over. */
  second(policy: JsonObject): Promise<Opened> {
    const plan = new FaultPlan({
      faultAt: (_, name) => (this.isCopyHeld && name.endsWith('.records.apply') ? 'error before' : undefined),
    });
    return this.#open(faultyStores(this, plan), { policy, revision: 2, clock: this.clock });
  }

  /** Stops the first process: what it sends from now on is sent late, or its answers come late. */
  freeze(fault: 'pause before' | 'pause after'): void {
    this.#fault = fault;
    this.#thawed = new Promise((resolve) => {
      this.#thaw = resolve;
    });
  }

  /** Lets the first process go on. */
  thaw(): void {
    this.#fault = undefined;
    this.#thaw?.();
  }

  /** Lets time pass until a promise is settled. */
  async passing<Result>(promise: Promise<Result>): Promise<Result> {
    const over = new AbortController();
    const settled = promise.finally(() => over.abort());
    settled.catch(() => undefined);
    for (let i = 0; !over.signal.aborted && i < 10_000; i += 1)
      await this.clock.advance(this.clock.nextMs ?? 1);
    return settled;
  }

  async until(holds: () => boolean | Promise<boolean>): Promise<void> {
    for (let i = 0; !(await holds()); i += 1) {
      if (i > 10_000) throw new Error('it never came to that');
      await this.clock.advance(this.clock.nextMs ?? 1);
    }
  }

  /** Whether both stores hold the same live records. */
  async isSame(): Promise<boolean> {
    const [cosmos, postgres] = await Promise.all([this.#live('cosmos'), this.#live('postgres')]);
    return JSON.stringify(cosmos) === JSON.stringify(postgres);
  }

  async close(): Promise<void> {
    this.thaw();
    for (const hybrid of this.#opened) await this.passing(hybrid.close({ drainMs: 0 }));
  }

  async #live(store: 'cosmos' | 'postgres'): Promise<readonly string[]> {
    const live: string[] = [];
    for await (const page of this[store].records(Note).scan())
      for (const { key: of, version, digest } of page)
        live.push(`${keyText(of)} ${version.term}.${version.counter} ${digest}`);
    return live.toSorted();
  }

  async #open(
    stores: HybridStores,
    { policy, revision, clock }: { policy: JsonObject; revision: number; clock: Clock },
  ): Promise<Opened> {
    const opening = createHybrid<HybridStores, readonly [typeof Note]>({
      stores: { ...stores, cache: this.cache },
      entities: [Note],
      config: { loaded: { revision, entities: { notes: policy } } },
      protocol,
      clock,
    });
    const hybrid = await this.passing(opening);
    this.#opened.push(hybrid);
    return hybrid;
  }
}

const open: TwoProcesses[] = [];
afterEach(async () => {
  for (const world of open.splice(0)) await world.close();
});

const DUAL = { policy: 'dual-write', flip: 'auto' } as const;
const POSTGRES = { policy: 'postgres-primary', flip: 'auto' } as const;
const cached = (over: JsonObject) => ({ policy: 'cached', ttl: '1h', over });

const outcomeOf = (call: Promise<unknown>) =>
  call.then(
    () => 'acknowledged',
    (error: unknown) => (isPolyphaseError(error) ? error.code : String(error)),
  );

type Pause = 'pause before' | 'pause after';
const MOVES = {
  forward: [DUAL, '2', POSTGRES, '6'],
  back: [POSTGRES, '6', DUAL, '2'],
  'forward, through a cache': [cached(DUAL), '2', cached(POSTGRES), '6'],
  'back, through a cache': [cached(POSTGRES), '6', cached(DUAL), '2'],
} as const;
const cases = Object.keys(MOVES).flatMap((move) =>
  (['pause before', 'pause after'] as const).map((pause) => [move as keyof typeof MOVES, pause] as const),
);

/** What a read is refused with in a process that cannot learn where the authority is by now. */
const BLIND = { forward: 'sealed', back: 'connection' } as const;

/** The first process stands still with a write under way; the second takes over, moves the authority and writes; the first wakes. */
async function takeOver(move: keyof typeof MOVES, pause: Pause) {
  const [before, from, after, to] = MOVES[move];
  const world = new TwoProcesses();
  open.push(world);
  const first = await world.first(before);
  const old = first.repository(Note);
  for (const id of ['1', '2', '3']) await world.passing(old.create({ ...key(id), text: 'x' }));
  await world.until(() => first.status('notes').phase === from);
  expect((await world.passing(old.get(key('3'))))?.value.text).toBe('x');

  world.freeze(pause);
  const late = outcomeOf(old.patch(key('1'), { text: 'late' }, { operationId: 'late' }));
  await world.clock.advance(1);
  const second = await world.second(after);
  const notes = second.repository(Note);
  await world.until(() => second.status('notes').phase === to);
  await world.passing(notes.patch(key('2'), { text: 'new' }));
  await world.clock.advance(MINUTE);
  world.isCopyHeld = true;
  world.isRenewalLost = true;
  await world.passing(notes.patch(key('3'), { text: 'newest' }));
  world.thaw();
  return { world, first, old, late, second, notes, authority: to === '6' ? world.postgres : world.cosmos };
}

describe('a process that stands still while another takes over', () => {
  it.each(cases)(
    'and goes %s (%s): tells nothing that is not so, and works on beside it',
    async (move, pause) => {
      const { world, first, old, late, second, notes, authority } = await takeOver(move, pause);
      expect(await world.passing(outcomeOf(old.get(key('3'))))).toBe(
        BLIND[authority === world.cosmos ? 'back' : 'forward'],
      );
      world.isRenewalLost = false;
      expect((await world.passing(old.get(key('3'))))?.value.text).toBe('newest');
      world.isCopyHeld = false;
      const outcome = await world.passing(late);
      expect(['acknowledged', 'unknown-outcome', 'fenced', 'sealed']).toContain(outcome);
      const text = (await world.passing(notes.get(key('1'))))?.value.text;
      expect(outcome === 'acknowledged' ? ['late'] : ['late', 'x']).toContain(text);
      await world.passing(notes.patch(key('1'), { text: 'late' }, { operationId: 'late' }));

      await world.until(() => first.status('notes').phase === second.status('notes').phase);
      await world.passing(old.patch(key('2'), { text: 'together' }));
      expect((await world.passing(notes.get(key('2'))))?.value.text).toBe('together');
      await world.until(() => world.isSame());
      for (const [id, last] of Object.entries({ 1: 'late', 2: 'together', 3: 'newest' })) {
        const record = await authority.records(Note).read({ partition: ['a'], id });
        expect(record?.value).toEqual({ ...key(id), text: last });
        const ids = record?.operations.map((operation) => operation.id) ?? [];
        expect(new Set(ids).size).toBe(ids.length);
      }
      expect(second.status('notes').blockedBy).toEqual([]);
    },
  );

  it.each(cases)('and goes %s (%s): its units of work read nothing old', async (move, pause) => {
    const { world, first } = await takeOver(move, pause);
    const unit = first.transaction(async (own) => (await own.repository(Note).get(key('3')))?.value.text);
    const seen = await world.passing(unit.catch((error: unknown) => isPolyphaseError(error) && error.code));
    expect(seen).toBe(BLIND[move.startsWith('forward') ? 'forward' : 'back']);
  });
});

describe('a read that was under way when the authority moved', () => {
  it.each([
    ['forward', DUAL, '2', POSTGRES, '6'],
    ['back', POSTGRES, '6', DUAL, '2'],
  ] as const)('tells nothing of what came too late for the move %s', async (_, before, from, after, to) => {
    const world = new TwoProcesses();
    open.push(world);
    const first = await world.first(before);
    const old = first.repository(Note);
    await world.passing(old.create({ ...key('1'), text: 'x' }));
    await world.until(() => first.status('notes').phase === from);
    const left = from === '2' ? world.cosmos : world.postgres;
    world.freeze('pause before');
    const late = old.get(key('1'));
    await world.clock.advance(1);
    const second = await world.second(after);
    await world.until(() => second.status('notes').phase === to);
    world.isCopyHeld = true;
    // A write that was long on its way, which nobody was told of, and which no later one descends from.
    const there = await left.records(Note).read({ partition: ['a'], id: '1' });
    if (!there) throw new Error('nothing there');
    const version = { term: there.version.term, counter: there.version.counter + 1 };
    const value = { ...key('1'), text: 'straggler' };
    await left.records(Note).apply([{ record: { ...there, value, version, digest: 'of another body' } }]);
    world.thaw();
    expect((await world.passing(late))?.value.text).toBe('x');
  });
});

describe('a process without PostgreSQL', () => {
  it.each([
    ['', { policy: 'cosmos-only' }],
    [', through a cache', cached({ policy: 'cosmos-only' })],
  ] as const)('is refused once another has moved the entity on%s', async (_, policy) => {
    const world = new TwoProcesses();
    open.push(world);
    const alone = (await world.withoutPostgres(policy)).repository(Note);
    await world.passing(alone.create({ ...key('1'), text: 'x' }));
    await world.clock.advance(MINUTE);
    expect((await world.passing(alone.get(key('1'))))?.value.text).toBe('x');
    const second = await world.second(POSTGRES);
    await world.until(() => second.status('notes').phase === '6');
    world.isCopyHeld = true;
    await world.passing(second.repository(Note).patch(key('1'), { text: 'new' }));
    expect(await world.passing(outcomeOf(alone.get(key('1'))))).toBe('sealed');
    expect(await world.passing(outcomeOf(alone.patch(key('1'), { text: 'y' })))).toBe('sealed');
  });
});
