import { type ControlRow, isPolyphaseError, type JsonObject, type Phase } from '@polyphase/core';
import { memoryDocumentStore, memoryRelationalStore } from '@polyphase/core/memory';
import { manualClock } from '@polyphase/core/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { type Fault, FaultPlan, faultyStores } from '../test/faulty-stores.ts';
import { Note, Other, protocol } from '../test/virtual-world.ts';
import { createHybrid, type Hybrid, type HybridStores } from './index.ts';

type Opened = Hybrid<HybridStores, readonly [typeof Note, typeof Other]>;

const NAMES = ['notes', 'others'] as const;
const POSTGRES = { policy: 'postgres-primary', flip: 'auto' };
const DUAL = { policy: 'dual-write', flip: 'auto' };
const LETTER = {
  kind: 'dead-letter',
  entity: 'others',
  key: 'k',
  reason: 'a test',
  issues: [],
  bodies: { theirs: undefined, ours: undefined },
} as const;

/** Two entities that a unit of work changes together, over stores in memory, in time that passes only when somebody waits. */
class Pair {
  readonly clock = manualClock();
  readonly cosmos = memoryDocumentStore({ clock: this.clock });
  readonly postgres = memoryRelationalStore({ clock: this.clock });
  readonly #opened: Opened[] = [];
  groups: { readonly pair: readonly string[] } | undefined = { pair: ['others', 'notes'] };
  #revision = 0;
  #config = this.#configOf({ notes: { policy: 'cosmos-only' }, others: { policy: 'cosmos-only' } });
  #wrote = 0;

  async start(plan = new FaultPlan()): Promise<Opened> {
    const hybrid = await this.passing(
      createHybrid<HybridStores, readonly [typeof Note, typeof Other]>({
        stores: faultyStores(this, plan),
        entities: [Note, Other],
        config: { loaded: this.#config },
        protocol,
        clock: this.clock,
      }),
    );
    this.#opened.push(hybrid);
    return hybrid;
  }

  async wish(hybrid: Opened, policies: { readonly notes: JsonObject; readonly others: JsonObject }) {
    this.#config = this.#configOf(policies);
    await this.passing(hybrid.configure({ loaded: this.#config }));
  }

  /** One unit that writes the same text to both entities, repeated until it is acknowledged. */
  async write(hybrid: Opened): Promise<string> {
    this.#wrote += 1;
    const text = `${this.#wrote}`;
    const value = { id: 'both', owner: 'a', text };
    for (;;) {
      try {
        await hybrid.transaction(
          async (unit) => {
            // In either order: none of them is the first.
            const both = [unit.repository(Note), unit.repository(Other)];
            for (const repository of this.#wrote % 2 === 0 ? both : both.toReversed())
              await repository.upsert(value);
          },
          { operationId: text },
        );
        return text;
      } catch (error) {
        if (!isPolyphaseError(error) || !error.retryable) throw error;
      }
      await this.clock.sleep(5);
    }
  }

  async rows(): Promise<readonly (ControlRow | undefined)[]> {
    return Promise.all(NAMES.map((name) => this.postgres.control.read(name)));
  }

  /** Lets time pass until it holds. Between any two moments, both rows have one term. */
  async until(
    what: string,
    holds: () => boolean,
    { limitMs = 60_000, mayDiffer = false } = {},
  ): Promise<void> {
    const end = this.clock.monotonic() + limitMs;
    while (!holds()) {
      if (this.clock.monotonic() > end) throw new Error(`${what}: not within ${limitMs} ms`);
      await this.clock.advance(this.clock.nextMs ?? 1);
      const [note, other] = await this.rows();
      if (!mayDiffer && note?.term !== other?.term)
        throw new Error(`${what}: terms ${note?.term} and ${other?.term}`);
    }
  }

  reached(hybrid: Opened, phase: Phase): Promise<void> {
    return this.until(`phase ${phase}`, () => NAMES.every((name) => hybrid.status(name).phase === phase));
  }

  async passing<Result>(promise: Promise<Result>): Promise<Result> {
    const over = new AbortController();
    const settled = promise.finally(() => over.abort());
    settled.catch(() => undefined);
    for (let i = 0; !over.signal.aborted && i < 50_000; i += 1)
      await this.clock.advance(this.clock.nextMs ?? 1);
    return settled;
  }

  async close(): Promise<void> {
    for (const hybrid of this.#opened) await this.passing(hybrid.close({ drainMs: 0 }));
  }

  #configOf(entities: JsonObject) {
    this.#revision += 1;
    return { revision: this.#revision, entities, ...(this.groups && { groups: this.groups }) };
  }
}

const open: Pair[] = [];
afterEach(async () => {
  for (const made of open.splice(0)) await made.close();
});
function pair(): Pair {
  const made = new Pair();
  open.push(made);
  return made;
}

const blocks = (hybrid: Opened, name: (typeof NAMES)[number]) =>
  hybrid.status(name).blockedBy.map((answer) => `${answer.name}: ${answer.seen}`);

describe('entities of one group', () => {
  it('move there and back in one step, under units that never find them on two sides', async () => {
    const world = pair();
    const hybrid = await world.start();
    let text = await world.passing(world.write(hybrid));
    const over = new AbortController();
    const writing = (async () => {
      while (!over.signal.aborted) {
        text = await world.write(hybrid);
        await world.clock.sleep(7);
      }
    })();
    for (const [policy, phase] of [
      [POSTGRES, '6'],
      [DUAL, '2'],
    ] as const) {
      await world.wish(hybrid, { notes: policy, others: policy });
      await world.reached(hybrid, phase);
    }
    over.abort();
    await world.passing(writing);
    for (const entity of [Note, Other]) {
      const found = await world.passing(hybrid.repository(entity).get({ owner: 'a', id: 'both' }));
      expect(found?.value.text).toBe(text);
    }
    expect((await world.rows()).map((row) => [row?.phase, row?.term])).toEqual([
      ['2', 3],
      ['2', 3],
    ]);
  });

  it('wait for the one that is not ready, and say for which', async () => {
    const world = pair();
    const hybrid = await world.start();
    await world.wish(hybrid, { notes: POSTGRES, others: { ...POSTGRES, flip: 'manual' } });
    await world.until('waiting', () =>
      blocks(hybrid, 'notes').some((text) => text.startsWith('moves together')),
    );
    await world.clock.advance(5_000);
    expect(blocks(hybrid, 'notes')).toEqual([
      'moves together: "others" is in phase 4, wished to 6 with flip: "manual"',
    ]);
    expect(blocks(hybrid, 'others')).toEqual(['flip allowed: flip: "manual" in config revision 2']);

    await world.postgres.journal.append([LETTER]);
    await world.wish(hybrid, { notes: POSTGRES, others: POSTGRES });
    await world.clock.advance(5_000);
    expect(blocks(hybrid, 'notes')).toEqual(['no dead letters: 1']);
    expect(blocks(hybrid, 'others')).toEqual(['moves together: "notes" leads']);
    await world.postgres.journal.resolve('others', ['k']);
    await world.reached(hybrid, '6');
  });

  it('stay where they are, with what they have, when one of them cannot be cut', async () => {
    const world = pair();
    const hybrid = await world.start();
    await world.passing(world.write(hybrid));
    await world.wish(hybrid, { notes: POSTGRES, others: POSTGRES });
    const seen: string[] = [];
    for (const name of NAMES)
      hybrid.on('phase', ({ entity, from, to, term }) => {
        if (entity !== name) return;
        seen.push(`${name} ${from} ${to} ${term}`);
        // A dead letter that appears under the seal, once.
        if (
          name === 'others' &&
          to === '5' &&
          seen.filter((text) => text.startsWith('others 4 5')).length === 1
        )
          void world.postgres.journal.append([LETTER]);
      });
    await world.until('given up', () => seen.includes('notes 5 4 1') && seen.includes('others 5 4 1'));
    await world.postgres.journal.resolve('others', ['k']);
    await world.reached(hybrid, '6');
    expect(seen.filter((text) => text.includes(' 6 '))).toEqual(['notes 5 6 2', 'others 5 6 2']);
  });

  it('go back, and forward again, beside one that came to the group later', async () => {
    const world = pair();
    world.groups = undefined;
    const hybrid = await world.start();
    await world.wish(hybrid, { notes: POSTGRES, others: { policy: 'dual-write', flip: 'auto' } });
    const at = (notes: Phase, others: Phase) =>
      world.until(
        `${notes} and ${others}`,
        () => hybrid.status('notes').phase === notes && hybrid.status('others').phase === others,
        { mayDiffer: true },
      );
    await at('6', '2');
    world.groups = { pair: ['others', 'notes'] };
    await world.wish(hybrid, { notes: POSTGRES, others: POSTGRES });
    await at('6', '6');
    await world.wish(hybrid, { notes: DUAL, others: DUAL });
    await at('2', '2');
    const moved: string[] = [];
    hybrid.on('phase', ({ entity, from, to }) => moved.push(`${entity} ${from} ${to}`));
    await world.wish(hybrid, { notes: POSTGRES, others: POSTGRES });
    await at('6', '6');
    expect(moved.slice(-4)).toEqual(['notes 4 5', 'others 4 5', 'notes 5 6', 'others 5 6']);
  });

  it('go back while one of them is still on its way to them', async () => {
    const world = pair();
    world.groups = undefined;
    const hybrid = await world.start();
    await world.wish(hybrid, { notes: POSTGRES, others: DUAL });
    await world.until(
      'one of them',
      () => hybrid.status('notes').phase === '6' && hybrid.status('others').phase === '2',
      { mayDiffer: true },
    );
    world.groups = { pair: ['others', 'notes'] };
    await world.postgres.journal.append([LETTER]);
    await world.wish(hybrid, { notes: POSTGRES, others: POSTGRES });
    await world.wish(hybrid, { notes: DUAL, others: DUAL });
    await world.until('both back', () => allIn(hybrid, '2'), { mayDiffer: true });
    expect((await world.rows()).map((row) => row?.term)).toEqual([3, 1]);
  });

  it('let a unit that is under way come to its end, in both of them, though they are sealed meanwhile', async () => {
    const world = pair();
    const hybrid = await world.start();
    await world.wish(hybrid, { notes: POSTGRES, others: { ...POSTGRES, flip: 'manual' } });
    await world.until('waiting', () =>
      blocks(hybrid, 'notes').some((text) => text.startsWith('moves together')),
    );
    const value = { id: '1', owner: 'a', text: 'under way' };
    const seals: string[] = [];
    hybrid.on('phase', ({ entity, to }) => seals.push(`${entity} ${to}`));
    const sealed = Promise.withResolvers<void>();
    hybrid.on('phase', ({ entity, to }) => entity === 'others' && to === '5' && sealed.resolve());
    const unit = hybrid.transaction(async (inside) => {
      await inside.repository(Note).create(value);
      await sealed.promise;
      await inside.repository(Other).create(value);
    });
    await world.wish(hybrid, { notes: POSTGRES, others: POSTGRES });
    await world.reached(hybrid, '6');
    await unit;
    expect(seals).toEqual(['notes 5', 'others 5', 'notes 6', 'others 6']);
    for (const entity of [Note, Other])
      expect((await hybrid.repository(entity).get({ owner: 'a', id: '1' }))?.value).toEqual(value);
  });

  it.each(['control.advance', 'control.advanceAll', 'permits.project'])(
    'are brought together by the next process when one dies at %s, before or after its effect',
    async (port) => {
      let deaths = 0;
      for (const fault of ['crash before', 'crash after'] as const satisfies readonly Fault[])
        for (const [policies, phase] of [
          [POSTGRES, '6'],
          [DUAL, '2'],
        ] as const) {
          const world = pair();
          const first = await world.start();
          await world.passing(world.write(first));
          if (phase === '2') {
            await world.wish(first, { notes: POSTGRES, others: POSTGRES });
            await world.reached(first, '6');
          }
          await world.passing(first.close({ drainMs: 0 }));
          // Dies at each call of that port in turn.
          for (let nth = 1; nth <= 6; nth += 1) {
            let met = 0;
            const plan = new FaultPlan({
              faultAt: (_, name) => (name.endsWith(port) && ++met === nth ? fault : undefined),
            });
            const dying = await world.start(plan);
            await world.wish(dying, { notes: policies, others: policies });
            await world.until('dead, or there', () => plan.isDead || allIn(dying, phase));
            await world.passing(dying.close({ drainMs: 0 }));
            if (plan.isDead) deaths += 1;
          }
          const next = await world.start();
          await world.reached(next, phase);
          const text = await world.passing(world.write(next));
          const found = await world.passing(next.repository(Other).get({ owner: 'a', id: 'both' }));
          expect(found?.value.text).toBe(text);
          await world.passing(next.close({ drainMs: 0 }));
        }
      // There and back, before and after: the port was met each time.
      expect(deaths).toBeGreaterThanOrEqual(4);
    },
  );
});

function allIn(hybrid: Opened, phase: Phase): boolean {
  return NAMES.every((name) => hybrid.status(name).phase === phase);
}
