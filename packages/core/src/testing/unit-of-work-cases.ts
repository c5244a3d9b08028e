// size: the cases of one contract are read together
import type { Entity } from '../entity.ts';
import { TransactionConflictError } from '../errors.ts';
import { planQuery } from '../query-plan.ts';
import type { RecordHost } from '../store.ts';
import type { UnitOfWork } from '../unit-of-work.ts';
import { equal, ok, present, rejects } from './assert.ts';
import { type ContractCase, suite } from './contract.ts';
import { Member, Task, task } from './entities.ts';
import { patch, put, remove, versionOf, write } from './intents.ts';

type Case = ContractCase<RecordHost>;

const TERM = 1;
const keyOf = (id: string, tenantId = 't1') => ({ partition: [tenantId], id });

/** Runs a unit that is fenced by nothing. */
function run<Result>(
  store: RecordHost,
  work: (unit: UnitOfWork) => Promise<Result>,
  operationId: string = crypto.randomUUID(),
) {
  return store.runUnit(work, { operationId, fenceOf: () => ({ term: TERM }) });
}

class Stop extends Error {
  override readonly name = 'Stop';
}

const together: readonly Case[] = [
  {
    name: 'writes become true together, and are told in order',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      await write(records, put('create', Task, task('b', { rank: 1 })));
      await write(records, put('create', Task, task('c')));
      const { result, written } = await run(store, async (unit) => {
        const tasks = unit.records(Task);
        await tasks.write(put('create', Task, task('a')));
        await tasks.write(patch(keyOf('b'), { rank: 2 }));
        await tasks.write(remove(keyOf('c')));
        equal(await records.read(keyOf('a')), undefined, 'nothing before the commit');
        return 'done';
      });
      equal(result, 'done', 'result');
      equal(
        written.map((it) => [it.entity.name, it.result.record.key.id]),
        [
          [Task.name, 'a'],
          [Task.name, 'b'],
          [Task.name, 'c'],
        ],
        'written',
      );
      const stored = await records.readMany(['a', 'b', 'c'].map((id) => keyOf(id)));
      equal(
        stored.map((it) => it?.value ?? null),
        [task('a'), task('b', { rank: 2 }), null],
        'values',
      );
      equal(
        written.map((it) => it.result.record.version),
        stored.map((it) => it?.version),
        'versions',
      );
    },
  },
  {
    name: 'work that throws writes nothing',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      await write(records, put('create', Task, task('b', { rank: 1 })));
      let thrown: unknown;
      try {
        await run(store, async (unit) => {
          await unit.records(Task).write(put('create', Task, task('a')));
          await unit.records(Task).write(patch(keyOf('b'), { rank: 2 }));
          throw new Stop('enough');
        });
      } catch (error) {
        thrown = error;
      }
      ok(thrown instanceof Stop, 'the error of the work is passed on');
      equal(await records.read(keyOf('a')), undefined, 'not created');
      equal(present(await records.read(keyOf('b')), 'record').value, task('b', { rank: 1 }), 'not patched');
    },
  },
  {
    name: 'a refused write inside leaves nothing behind when the work gives up',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      await write(records, put('create', Task, task('b')));
      const work = async (unit: UnitOfWork) => {
        await unit.records(Task).write(put('create', Task, task('a')));
        await unit.records(Task).write(put('create', Task, task('b')));
      };
      await rejects(run(store, work), 'already-exists', 'unit');
      equal(await records.read(keyOf('a')), undefined, 'nothing written');
    },
  },
  {
    name: "reads inside see the unit's own writes, queries too; reads outside do not",
    requires: [],
    run: async ({ store }) => {
      const outside = store.records(Task);
      await write(outside, put('create', Task, task('b', { rank: 1 })));
      await write(outside, put('create', Task, task('c', { rank: 1 })));
      await run(store, async (unit) => {
        const tasks = unit.records(Task);
        await tasks.write(put('create', Task, task('a', { rank: 1 })));
        await tasks.write(patch(keyOf('b'), { rank: 5 }));
        await tasks.write(remove(keyOf('c')));
        equal(present(await tasks.read(keyOf('a')), 'created').value, task('a', { rank: 1 }), 'read');
        const many = await tasks.getMany([keyOf('b'), keyOf('c'), keyOf('d')]);
        equal(
          many.map((it) => it?.value?.['rank'] ?? null),
          [5, null, null],
          'getMany',
        );
        const { plan } = planQuery(Task, { where: { tenantId: 't1', rank: { gte: 1 } } });
        equal(
          (await tasks.query(plan)).map((it) => it.key.id),
          ['a', 'b'],
          'query',
        );
        equal((await outside.read(keyOf('b')))?.value, task('b', { rank: 1 }), 'outside');
      });
    },
  },
  {
    name: 'several writes of one record in a unit build on each other, under one operation id too',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const options = { operationId: 'unit' };
      await run(
        store,
        async (unit) => {
          const tasks = unit.records(Task);
          await tasks.write(put('create', Task, task('a', { rank: 1 }), options));
          await tasks.write(patch(keyOf('a'), { title: 'two' }, options));
          await tasks.write(put('create', Task, task('b'), options));
          await tasks.write(remove(keyOf('b'), options));
        },
        'unit',
      );
      equal(present(await records.read(keyOf('a')), 'a').value, task('a', { rank: 1, title: 'two' }), 'a');
      equal(present(await records.read(keyOf('b')), 'b').value, undefined, 'b');
    },
  },
  {
    name: 'a unit that is run again under its operation id takes effect once',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const again = () =>
        run(
          store,
          async (unit) => {
            await unit.records(Task).write(put('create', Task, task('a'), { operationId: 'unit' }));
            await unit
              .records(Task)
              .write(put('upsert', Task, task('b', { rank: 1 }), { operationId: 'unit' }));
          },
          'unit',
        );
      await again();
      await write(records, patch(keyOf('b'), { rank: 2 }));
      const second = await again();
      equal(
        second.written.map((it) => it.result.repeated),
        [true, true],
        'repeated',
      );
      equal(present(await records.read(keyOf('b')), 'b').value, task('b', { rank: 2 }), 'b');
    },
  },
  {
    name: 'a unit of reads alone is no error',
    requires: [],
    run: async ({ store }) => {
      const { result, written } = await run(store, async (unit) => unit.records(Task).read(keyOf('a')));
      equal([result ?? null, written], [null, []], 'nothing');
    },
  },
];

const conflicts: readonly Case[] = [
  {
    name: 'ifVersion inside a unit is checked',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const { record } = await write(records, put('create', Task, task('a')));
      await write(records, patch(keyOf('a'), { rank: 1 }));
      const ifVersion = versionOf(record);
      const work = (unit: UnitOfWork) =>
        unit.records(Task).write(patch(keyOf('a'), { rank: 2 }, { ifVersion }));
      await rejects(run(store, work), 'conflict', 'stale');
    },
  },
  {
    name: 'units and writes of one record at the same time lose nothing: each is there, or says that it is not',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      await write(records, put('create', Task, task('a', { marks: {} })));
      const numbers = [0, 1, 2, 3, 4, 5];
      const units = await Promise.allSettled(
        numbers.map((i) =>
          run(store, async (unit) => {
            const tasks = unit.records(Task);
            await tasks.read(keyOf('a'));
            await tasks.write(patch(keyOf('a'), { marks: { [`u${i}`]: i } }));
            await tasks.write(put('create', Task, task(`of-${i}`)));
          }),
        ),
      );
      await Promise.all(numbers.map((i) => write(records, patch(keyOf('a'), { marks: { [`w${i}`]: i } }))));
      const marks: Record<string, number> = Object.fromEntries(numbers.map((i) => [`w${i}`, i]));
      for (const [i, unit] of units.entries()) {
        if (unit.status === 'fulfilled') marks[`u${i}`] = i;
        else ok(TransactionConflictError.isInstance(unit.reason), `a unit got ${String(unit.reason)}`);
        const other = await records.read(keyOf(`of-${i}`));
        equal(other !== undefined, unit.status === 'fulfilled', `the other write of unit ${i}`);
      }
      ok(
        units.some((it) => it.status === 'fulfilled'),
        'at least one unit commits',
      );
      equal(present(await records.read(keyOf('a')), 'record').value, task('a', { marks }), 'value');
    },
  },
];

async function inTwo(store: RecordHost, second: Entity, value: ReturnType<typeof task>): Promise<void> {
  await run(store, async (unit) => {
    await unit.records(Task).write(put('create', Task, task('a')));
    await unit.records(second).write(put('create', second, value));
  });
}

const limits: readonly Case[] = [
  {
    name: 'a unit spans partitions and entities',
    requires: ['multi-partition'],
    run: async ({ store }) => {
      await inTwo(store, Task, { id: 'b', tenantId: 't2' });
      equal(await store.records(Task).count(), 2, 'partitions');
      const work = (unit: UnitOfWork) =>
        Promise.all([
          unit.records(Task).write(put('create', Task, task('c'))),
          unit.records(Member).write(put('create', Member, { id: 'm', tenantId: 't3', email: 'e' })),
        ]);
      await run(store, work);
      equal([await store.records(Task).count(), await store.records(Member).count()], [3, 1], 'entities');
      await rejects(
        run(store, async (unit) => {
          await work(unit);
        }),
        'already-exists',
        'again',
      );
      equal(await store.records(Member).count(), 1, 'nothing of the refused unit');
    },
  },
  {
    name: 'a second partition is refused when it is added, and nothing is written',
    requires: ['single-partition'],
    run: async ({ store }) => {
      await rejects(inTwo(store, Task, { id: 'b', tenantId: 't2' }), 'unsupported', 'second partition');
      equal(await store.records(Task).count(), 0, 'nothing written');
    },
  },
  {
    name: 'a hundred writes fit, one more is refused when it is added',
    requires: ['single-partition'],
    run: async ({ store }) => {
      const many = (count: number) =>
        run(store, async (unit) => {
          for (let i = 0; i < count; i += 1)
            await unit.records(Task).write(put('create', Task, task(`n${i}`)));
        });
      await rejects(many(101), 'unsupported', '101 writes');
      equal(await store.records(Task).count(), 0, 'nothing written');
      await many(100);
      equal(await store.records(Task).count(), 100, '100 writes');
    },
  },
];

/** Units of work: all or nothing, with reads that see what was written inside. */
export const unitOfWorkCases: readonly Case[] = suite('unit of work', [...together, ...conflicts, ...limits]);
