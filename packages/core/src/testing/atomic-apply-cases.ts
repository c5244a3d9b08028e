import type { Journaled } from '../journal.ts';
import { canonicalJson } from '../json.ts';
import { keyText } from '../key.ts';
import type { RelationalStore } from '../store.ts';
import { equal, ok, present, rejects } from './assert.ts';
import { type ContractCase, pass, suite } from './contract.ts';
import { Task, task } from './entities.ts';
import { copyOf, patch, write } from './intents.ts';

type Case = ContractCase<RelationalStore>;

const key = { partition: ['t1'], id: 'a' };
const at = (rank: number, term: number, counter: number) =>
  copyOf(Task, task('a', { rank }), { term, counter });

const letter: Journaled = {
  kind: 'dead-letter',
  entity: Task.name,
  key: 'odd',
  reason: 'does not fit',
  issues: [{ path: ['rank'], message: 'must be a number' }],
  bodies: { theirs: '{"rank":"high"}', ours: undefined },
};

/** Copies, checkpoint and journal in one transaction. */
export const atomicApplyCases: readonly Case[] = suite<RelationalStore>('atomic apply', [
  {
    name: 'copies, checkpoint and journal entries become true together',
    requires: ['atomic-apply'],
    run: async ({ store }) => {
      const checkpoint = { name: 'feed', expected: 0, position: 'p1' };
      const records = store.records(Task);
      await records.apply([{ record: at(1, 1, 1) }], { checkpoint, journal: [letter] });
      equal(await store.checkpoints.read('feed'), { position: 'p1', revision: 1 }, 'checkpoint');
      equal(await store.journal.list(Task.name), [letter], 'journal');
      ok((await records.read(key)) !== undefined, 'record');
      await records.apply([], { checkpoint: { name: 'feed', expected: 1, position: 'p2' } });
      equal((await store.checkpoints.read('feed'))?.position, 'p2', 'a checkpoint alone');
    },
  },
  {
    name: 'a checkpoint that moved rolls everything back',
    requires: ['atomic-apply'],
    run: async ({ store }) => {
      const records = store.records(Task);
      const checkpoint = { name: 'feed', expected: 4, position: 'p' };
      const apply = records.apply([{ record: at(1, 1, 1) }], { checkpoint, journal: [letter] });
      await rejects(apply, 'fenced', 'apply');
      equal(await records.read(key), undefined, 'no record');
      equal(await store.checkpoints.read('feed'), undefined, 'no checkpoint');
      equal(await store.journal.list(Task.name), [], 'no entry');
    },
  },
  {
    name: 'copies that were judged in another term roll back, and may be judged anew',
    requires: ['atomic-apply'],
    run: async ({ store }) => {
      const records = store.records(Task);
      const wish = { phase: '0', flip: 'manual', revision: 1 } as const;
      const checkpoint = { name: 'feed', expected: 0, position: 'p' };
      const page = (term: number) =>
        records.apply([{ record: at(1, 1, 1) }], {
          checkpoint,
          journal: [letter],
          judgedIn: { group: 'judged', term },
        });
      await rejects(page(2), 'transaction-conflict', 'no row');
      await store.control.create({ group: 'judged', epoch: 1, phase: '6', term: 2, wish });
      await rejects(page(1), 'transaction-conflict', 'an earlier term');
      equal(await records.read(key), undefined, 'no record');
      equal(await store.checkpoints.read('feed'), undefined, 'no checkpoint');
      equal(await store.journal.list(Task.name), [], 'no entry');
      await page(2);
      ok((await records.read(key)) !== undefined, 'record');
    },
  },
  {
    name: 'a zombie, whose lease went to another, rolls back',
    requires: ['atomic-apply'],
    run: async (subject) => {
      const { leases, checkpoints } = subject.store;
      const records = subject.store.records(Task);
      const first = await leases.acquire('worker', 'a', 100);
      ok(first.kind === 'acquired', 'a');
      const step = (expected: number, token: number) => ({
        name: 'feed',
        expected,
        position: `p${expected}`,
        lease: { name: 'worker', token },
      });
      await records.apply([{ record: at(1, 1, 1) }], { checkpoint: step(0, first.lease.token) });
      await pass(subject, 300);
      const second = await leases.acquire('worker', 'b', 60_000);
      ok(second.kind === 'acquired', 'b');
      const zombie = records.apply([{ record: at(2, 1, 2) }], { checkpoint: step(1, first.lease.token) });
      await rejects(zombie, 'fenced', 'zombie');
      equal(present(await records.read(key), 'record').version, { term: 1, counter: 1 }, 'record');
      await records.apply([{ record: at(2, 1, 2) }], { checkpoint: step(1, second.lease.token) });
      equal((await checkpoints.read('feed'))?.revision, 2, 'checkpoint');
    },
  },
  {
    name: 'one page applied by two at the same time counts once',
    requires: ['atomic-apply'],
    run: async ({ store }) => {
      const records = store.records(Task);
      const checkpoint = { name: 'feed', expected: 0, position: 'p' };
      const both = await Promise.allSettled(
        [1, 2].map(() => records.apply([{ record: at(1, 1, 1) }], { checkpoint, journal: [letter] })),
      );
      equal(both.filter((it) => it.status === 'fulfilled').length, 1, 'winners');
      equal((await store.checkpoints.read('feed'))?.revision, 1, 'checkpoint');
      equal((await store.journal.list(Task.name)).length, 1, 'entries');
    },
  },
  {
    name: 'stragglers and diverged copies go to the journal in the same step, with both bodies',
    requires: ['atomic-apply', 'base'],
    run: async ({ store }) => {
      const records = store.records(Task);
      await records.apply([{ record: at(1, 1, 10) }]);
      await records.apply([
        { record: at(2, 1, 10) },
        { record: copyOf(Task, task('b'), { term: 1, counter: 1 }) },
      ]);
      await write(records, patch(key, { rank: 50 }), 2);
      await records.apply([{ record: at(3, 1, 11) }, { record: at(1, 1, 10) }]);
      await records.apply([{ record: at(3, 1, 11) }]);
      const entries = await store.journal.list(Task.name);
      const body = (rank: number) => canonicalJson(task('a', { rank }));
      equal(
        entries.map((it) => [
          it.kind,
          it.key,
          JSON.parse(it.bodies.theirs ?? 'null'),
          JSON.parse(it.bodies.ours ?? 'null'),
        ]),
        [
          ['conflict', keyText(key), JSON.parse(body(2)), JSON.parse(body(1))],
          ['conflict', keyText(key), JSON.parse(body(3)), JSON.parse(body(50))],
        ],
        'entries',
      );
      ok(
        entries.every((it) => !it.reason.includes('50')),
        'no values in reasons',
      );
      equal(await store.journal.count(Task.name), { deadLetters: 0, conflicts: 2 }, 'count');
    },
  },
  {
    name: 'applied copies leave no dirty keys: they came from the other store',
    requires: ['atomic-apply'],
    run: async ({ store }) => {
      await store.records(Task).apply([{ record: at(1, 1, 1) }]);
      equal((await store.dirtyKeys.lag(Task.name)).count, 0, 'dirty keys');
    },
  },
]);
