import type { ControlRow, Phase, Wish } from '../control.ts';
import type { RelationalStore } from '../store.ts';
import { equal, ok, present, rejects } from './assert.ts';
import { type ContractCase, suite } from './contract.ts';
import { Task, task } from './entities.ts';
import { patch, put, write } from './intents.ts';

type Case = ContractCase<RelationalStore>;

const GROUP = 'contract';
const WISH: Wish = { phase: '0', flip: 'manual', revision: 3 };
const key = { partition: ['t1'], id: 'a' };

function row(phase: Phase, term: number): ControlRow {
  return { group: GROUP, epoch: 1, phase, term, wish: WISH };
}

const rows: readonly Case[] = [
  {
    name: 'a row is made once, and read as it was made',
    requires: [],
    run: async ({ store: { control } }) => {
      equal(await control.read(GROUP), undefined, 'none yet');
      equal(await control.create(row('0', 1)), row('0', 1), 'made');
      equal(await control.create(row('6', 9)), row('0', 1), 'the one that is there');
      equal(await control.read(GROUP), row('0', 1), 'read');
      equal(await control.read('another'), undefined, 'another group');
    },
  },
  {
    name: 'of creates at the same time one wins, and all learn which',
    requires: [],
    run: async ({ store: { control } }) => {
      const made = await Promise.all([1, 2, 3, 4].map((term) => control.create(row('0', term))));
      equal(new Set(made.map((it) => it.term)).size, 1, 'one row');
    },
  },
  {
    name: 'advance moves the row from the epoch that it is at, through every phase',
    requires: [],
    run: async ({ store: { control } }) => {
      await control.create(row('0', 1));
      const phases: readonly Phase[] = [
        '1',
        '2',
        '3',
        '4',
        '5',
        '6',
        "5'",
        '2',
        '3',
        '4',
        '5',
        '6',
        '7',
        '7r',
        '6',
      ];
      for (const [i, phase] of phases.entries()) {
        const exclusive = i % 2 === 0;
        const moved = await control.advance(GROUP, i + 1, { phase, term: i + 1 }, { exclusive });
        equal(moved, { ...row(phase, i + 1), epoch: i + 2 }, phase);
      }
    },
  },
  {
    name: 'advance from another epoch moves nothing',
    requires: [],
    run: async ({ store: { control } }) => {
      equal(await control.advance(GROUP, 1, { phase: '1', term: 1 }), undefined, 'no row');
      await control.create(row('0', 1));
      for (const exclusive of [false, true])
        equal(
          await control.advance(GROUP, 2, { phase: '1', term: 1 }, { exclusive }),
          undefined,
          'wrong epoch',
        );
      equal(await control.read(GROUP), row('0', 1), 'unchanged');
    },
  },
  {
    name: 'an advance that wants everything mended waits for the last dead letter, and for nothing else',
    requires: [],
    run: async ({ store: { control, journal } }) => {
      await control.create(row('5', 1));
      const entry = {
        entity: GROUP,
        key: 'k',
        reason: 'a test',
        issues: [],
        bodies: { theirs: undefined, ours: undefined },
      };
      await journal.append([
        { ...entry, kind: 'conflict' },
        { ...entry, kind: 'dead-letter', entity: 'another' },
        { ...entry, kind: 'dead-letter' },
      ]);
      const advance = (exclusive: boolean) =>
        control.advance(GROUP, 1, { phase: '6', term: 2 }, { exclusive, whenMended: true });
      for (const exclusive of [false, true]) equal(await advance(exclusive), undefined, 'open');
      equal(await control.read(GROUP), row('5', 1), 'unchanged');
      await journal.resolve(GROUP, ['k']);
      equal(present(await advance(true), 'mended').phase, '6', 'mended');
    },
  },
  {
    name: 'of advances from one epoch at the same time one succeeds',
    requires: [],
    run: async ({ store: { control } }) => {
      await control.create(row('0', 1));
      const steps = [0, 1, 2, 3, 4, 5].map((i) =>
        control.advance(GROUP, 1, { phase: '1', term: 1 }, { exclusive: i % 2 === 0 }),
      );
      equal((await Promise.all(steps)).filter((it) => it !== undefined).length, 1, 'winners');
    },
  },
  {
    name: 'an advance of several rows moves all or none',
    requires: [],
    run: async ({ store: { control, journal } }) => {
      const other = (phase: Phase, term: number) => ({ ...row(phase, term), group: 'another' });
      await control.create(row('5', 1));
      await control.create(other('5', 3));
      const step = { group: GROUP, epoch: 1, phase: '6', term: 2 } as const;
      const withOther = (epoch: number, group = 'another') => [step, { ...step, group, epoch, term: 4 }];
      for (const exclusive of [false, true]) {
        equal(await control.advanceAll(withOther(2), { exclusive }), undefined, 'wrong epoch');
        equal(await control.advanceAll(withOther(1, 'none'), { exclusive }), undefined, 'no such row');
      }
      const bodies = { theirs: undefined, ours: undefined };
      const letter = { entity: 'another', key: 'k', reason: 'a test', issues: [], bodies };
      await journal.append([{ ...letter, kind: 'dead-letter' }]);
      equal(
        await control.advanceAll(withOther(1), { exclusive: true, whenMended: true }),
        undefined,
        'one is not mended',
      );
      equal(await control.read(GROUP), row('5', 1), 'unchanged');
      await journal.resolve('another', ['k']);
      equal(
        await control.advanceAll(withOther(1), { exclusive: true, whenMended: true }),
        [
          { ...row('6', 2), epoch: 2 },
          { ...other('6', 4), epoch: 2 },
        ],
        'moved, in the order of the steps',
      );
      equal(await control.read('another'), { ...other('6', 4), epoch: 2 }, 'the other row');
    },
  },
  {
    name: 'an exclusive advance of several rows waits for what is in flight in each; of two at once one succeeds',
    requires: [],
    run: async ({ store }) => {
      await store.control.create(row('6', 2));
      await store.control.create({ ...row('6', 2), group: 'another' });
      const step = { group: GROUP, epoch: 1, phase: '7', term: 2 } as const;
      const steps = [step, { ...step, group: 'another' }];
      const order: string[] = [];
      let moved: Promise<readonly unknown[]> | undefined;
      await store.runUnit(
        async (unit) => {
          await unit.records(Task).write(put('create', Task, task('a')));
          moved = Promise.all(
            [steps, steps.toReversed()].map(async (some) => {
              const there = await store.control.advanceAll(some, { exclusive: true });
              order.push('step');
              return there;
            }),
          );
          await unit.records(Task).write(put('create', Task, task('b')));
          order.push('unit');
        },
        { operationId: 'unit', fenceOf: () => ({ term: 2, fence: 'another' }) },
      );
      const answers = (await moved) ?? [];
      equal(answers.filter((it) => it !== undefined).length, 1, 'one succeeds');
      equal(order, ['unit', 'step', 'step'], 'order');
    },
  },
  {
    name: 'a wish goes in with a higher revision, or again as it is; the epoch stays',
    requires: [],
    run: async ({ store: { control } }) => {
      await control.create(row('0', 1));
      const wish: Wish = { phase: '6', flip: 'auto', revision: 4 };
      equal(await control.submit(GROUP, wish), { ...row('0', 1), wish }, 'higher');
      equal(await control.submit(GROUP, wish), { ...row('0', 1), wish }, 'the same');
      await rejects(control.submit(GROUP, { ...wish, revision: 3 }), 'invalid-options', 'lower');
      await rejects(
        control.submit(GROUP, { ...wish, phase: '2' }),
        'invalid-options',
        'equal, another phase',
      );
      await rejects(
        control.submit(GROUP, { ...wish, flip: 'manual' }),
        'invalid-options',
        'equal, another flip',
      );
      const together = { ...wish, together: ['another', GROUP] };
      await rejects(control.submit(GROUP, together), 'invalid-options', 'equal, with others');
      equal(await control.read(GROUP), { ...row('0', 1), wish }, 'row');
      const later = { ...together, revision: 5 };
      equal((await control.submit(GROUP, later)).wish, later, 'with others');
      equal((await control.submit(GROUP, later)).wish, later, 'with others, the same');
      await rejects(control.submit(GROUP, { ...wish, revision: 5 }), 'invalid-options', 'equal, alone');
      equal((await control.submit(GROUP, { ...wish, revision: 6 })).wish, { ...wish, revision: 6 }, 'alone');
      const moved = await control.advance(GROUP, 1, { phase: '1', term: 1 });
      equal(moved?.wish, { ...wish, revision: 6 }, 'an advance keeps the wish');
    },
  },
];

const fences: readonly Case[] = [
  {
    name: 'a fenced write goes through only where the rows are the authority in its term',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const fenced = (rank: number, term: number) =>
        records.write(put('upsert', Task, task('a', { rank })), { term, fence: GROUP });
      await rejects(fenced(0, 1), 'fenced', 'no row');
      const phases: readonly (readonly [Phase, 'fenced' | 'sealed' | undefined])[] = [
        ['0', 'fenced'],
        ['1', 'fenced'],
        ['2', 'fenced'],
        ['3', 'fenced'],
        ['4', 'fenced'],
        ['5', 'fenced'],
        ['6', undefined],
        ["5'", 'sealed'],
        ['6', undefined],
        ['7', undefined],
        ['7r', undefined],
      ];
      await store.control.create(row('0', 2));
      for (const [i, [phase, code]] of phases.entries()) {
        present(await store.control.advance(GROUP, i + 1, { phase, term: 2 }, { exclusive: true }), phase);
        if (code) await rejects(fenced(i, 2), code, phase);
        else equal((await fenced(i, 2)).record.value, task('a', { rank: i }), phase);
        await rejects(fenced(99, 1), 'fenced', `${phase}, an earlier term`);
        await rejects(fenced(99, 3), 'fenced', `${phase}, a later term`);
      }
      equal(present(await records.read(key), 'record').value, task('a', { rank: 10 }), 'value');
    },
  },
  {
    name: 'what is written in phases 6 and 7r leaves a dirty key, in 7 and without a fence none',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      await store.control.create(row('6', 2));
      const phases: readonly Phase[] = ['6', '7', '7r'];
      for (const [i, phase] of phases.entries()) {
        await store.control.advance(GROUP, i + 1, { phase, term: 2 }, { exclusive: true });
        await records.write(put('create', Task, task(phase)), { term: 2, fence: GROUP });
      }
      await write(records, put('create', Task, task('unfenced')), 2);
      const claimed = await store.dirtyKeys.claim(Task.name, 10, 1_000);
      equal(claimed.map((it) => it.key.id).toSorted(), ['6', '7r'], 'dirty keys');
      for (const { key: dirty, version } of claimed)
        equal((await records.read(dirty))?.version, version, dirty.id);
    },
  },
  {
    name: 'an exclusive step and writes at the same time: a write is before it, or is refused',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      await store.control.create(row('6', 2));
      await records.write(put('create', Task, task('a', { marks: {} })), { term: 2, fence: GROUP });
      const writes: Promise<number>[] = [];
      const send = (i: number) =>
        records.write(patch(key, { marks: { [`m${i}`]: i } }), { term: 2, fence: GROUP }).then(() => i);
      for (let i = 0; i < 6; i += 1) writes.push(send(i));
      const sealed = store.control
        .advance(GROUP, 1, { phase: "5'", term: 2 }, { exclusive: true })
        .then(async (moved) => {
          ok(moved !== undefined, 'the seal');
          return present(await records.read(key), 'at the seal').value;
        });
      for (let i = 6; i < 12; i += 1) writes.push(send(i));
      const results = await Promise.allSettled(writes);
      const done = results.flatMap((it) => (it.status === 'fulfilled' ? [it.value] : []));
      const marks = Object.fromEntries(done.map((i) => [`m${i}`, i]));
      equal(
        await sealed,
        task('a', { marks }),
        'what was acknowledged was there at the seal, and nothing came after',
      );
      equal(present(await records.read(key), 'later').value, task('a', { marks }), 'later');
    },
  },
  {
    name: 'a unit of work is fenced, and captured, with all its writes',
    requires: [],
    run: async ({ store }) => {
      const runUnit = (id: string, term: number) =>
        store.runUnit(
          async (unit) => {
            await unit.records(Task).write(put('create', Task, task(`${id}1`)));
            await unit.records(Task).write(put('create', Task, task(`${id}2`)));
          },
          { operationId: id, fenceOf: () => ({ term, fence: GROUP }) },
        );
      await store.control.create(row('6', 2));
      await runUnit('a', 2);
      await rejects(runUnit('b', 1), 'fenced', 'earlier term');
      await store.control.advance(GROUP, 1, { phase: "5'", term: 2 }, { exclusive: true });
      await rejects(runUnit('c', 2), 'sealed', 'sealed');
      equal(await store.records(Task).count(), 2, 'records');
      const dirty = await store.dirtyKeys.claim(Task.name, 10, 1_000);
      equal(dirty.map((it) => it.key.id).toSorted(), ['a1', 'a2'], 'dirty keys');
    },
  },
  {
    name: 'an exclusive step waits for a unit of work that has written',
    requires: [],
    run: async ({ store }) => {
      await store.control.create(row('6', 2));
      const order: string[] = [];
      let step: Promise<unknown> | undefined;
      await store.runUnit(
        async (unit) => {
          await unit.records(Task).write(put('create', Task, task('a')));
          step = store.control
            .advance(GROUP, 1, { phase: '7', term: 2 }, { exclusive: true })
            .then(() => order.push('step'));
          await unit.records(Task).write(put('create', Task, task('b')));
          order.push('unit');
        },
        { operationId: 'unit', fenceOf: () => ({ term: 2, fence: GROUP }) },
      );
      await step;
      equal(order, ['unit', 'step'], 'order');
      equal((await store.dirtyKeys.lag(Task.name)).count, 2, 'both were captured before the step');
    },
  },
];

/** The control row, and the fence that it is. */
export const controlCases: readonly Case[] = suite('control', [...rows, ...fences]);
