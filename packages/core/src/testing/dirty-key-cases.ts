import type { DirtyKey } from '../dirty-keys.ts';
import type { WriteIntent } from '../record-write.ts';
import type { RelationalStore } from '../store.ts';
import { equal, ok } from './assert.ts';
import { type ContractCase, pass, suite } from './contract.ts';
import { Member, Task, task } from './entities.ts';
import { patch, put, remove } from './intents.ts';

type Case = ContractCase<RelationalStore>;

const GROUP = 'contract';
const LONG_MS = 60_000;
const wish = { phase: '6', flip: 'manual', revision: 1 } as const;

async function authority(store: RelationalStore): Promise<(intent: WriteIntent) => Promise<void>> {
  await store.control.create({ group: GROUP, epoch: 1, phase: '6', term: 2, wish });
  return async (intent) => {
    await store.records(Task).write(intent, { term: 2, fence: GROUP });
  };
}

const idsOf = (keys: readonly DirtyKey[]) => keys.map((it) => it.key.id);

/** Dirty keys: what the reverse relay has still to copy. */
export const dirtyKeyCases: readonly Case[] = suite<RelationalStore>('dirty keys', [
  {
    name: 'each change leaves one entry for its key, with the newest version',
    requires: [],
    run: async ({ store }) => {
      const send = await authority(store);
      for (const id of ['a', 'b', 'c']) await send(put('create', Task, task(id)));
      await send(patch({ partition: ['t1'], id: 'b' }, { rank: 1 }));
      await send(remove({ partition: ['t1'], id: 'c' }));
      equal((await store.dirtyKeys.lag(Task.name)).count, 3, 'lag');
      const claimed = await store.dirtyKeys.claim(Task.name, 10, LONG_MS);
      equal(idsOf(claimed).toSorted(), ['a', 'b', 'c'], 'keys');
      for (const { key, version } of claimed)
        equal((await store.records(Task).read(key))?.version, version, key.id);
      equal(await store.dirtyKeys.claim(Member.name, 10, LONG_MS), [], 'another entity');
    },
  },
  {
    name: 'a repeated or refused write leaves no entry',
    requires: [],
    run: async ({ store }) => {
      const send = await authority(store);
      const create = put('create', Task, task('a'), { operationId: 'op' });
      await send(create);
      await store.dirtyKeys.settle(Task.name, await store.dirtyKeys.claim(Task.name, 10, LONG_MS));
      await send(create);
      await send(put('create', Task, task('a'))).catch(() => undefined);
      equal((await store.dirtyKeys.lag(Task.name)).count, 0, 'lag');
    },
  },
  {
    name: 'what one claims no other gets, until it is let go or its time is over',
    requires: [],
    run: async (subject) => {
      const { store } = subject;
      const send = await authority(store);
      for (const id of ['a', 'b', 'c', 'd']) await send(put('create', Task, task(id)));
      const claims = await Promise.all([1, 2, 3].map(() => store.dirtyKeys.claim(Task.name, 2, 100)));
      const all = claims.flatMap(idsOf);
      equal(all.toSorted(), ['a', 'b', 'c', 'd'], 'each once');
      equal(await store.dirtyKeys.claim(Task.name, 10, 100), [], 'none left');
      await pass(subject, 300);
      equal(
        idsOf(await store.dirtyKeys.claim(Task.name, 10, LONG_MS)).toSorted(),
        ['a', 'b', 'c', 'd'],
        'again',
      );
    },
  },
  {
    name: 'the oldest are claimed first',
    requires: [],
    run: async ({ store }) => {
      const send = await authority(store);
      for (const id of ['c', 'a', 'b']) await send(put('create', Task, task(id)));
      equal(idsOf(await store.dirtyKeys.claim(Task.name, 2, LONG_MS)), ['c', 'a'], 'first two');
    },
  },
  {
    name: 'settle removes what was copied and lets go of what changed since',
    requires: [],
    run: async ({ store }) => {
      const send = await authority(store);
      for (const id of ['a', 'b']) await send(put('create', Task, task(id)));
      const claimed = await store.dirtyKeys.claim(Task.name, 10, LONG_MS);
      await send(patch({ partition: ['t1'], id: 'b' }, { rank: 1 }));
      equal(idsOf(await store.dirtyKeys.claim(Task.name, 10, LONG_MS)), [], 'still held while it is copied');
      await store.dirtyKeys.settle(Task.name, claimed);
      const left = await store.dirtyKeys.claim(Task.name, 10, LONG_MS);
      equal(idsOf(left), ['b'], 'what changed');
      await store.dirtyKeys.settle(Task.name, left);
      await store.dirtyKeys.settle(Task.name, left);
      equal(await store.dirtyKeys.lag(Task.name), { count: 0, oldestMs: 0 }, 'empty');
    },
  },
  {
    name: 'lag tells how many there are and how old the oldest is',
    requires: [],
    run: async (subject) => {
      const { store } = subject;
      equal(await store.dirtyKeys.lag(Task.name), { count: 0, oldestMs: 0 }, 'nothing');
      const send = await authority(store);
      await send(put('create', Task, task('a')));
      await pass(subject, 50);
      await send(put('create', Task, task('b')));
      const { count, oldestMs } = await store.dirtyKeys.lag(Task.name);
      equal(count, 2, 'count');
      ok(oldestMs >= 40 && oldestMs < LONG_MS, `age ${oldestMs}`);
    },
  },
  {
    name: 'markAll makes an entry for every record, tombstones included, whatever was dirty before',
    requires: [],
    run: async ({ store }) => {
      const send = await authority(store);
      for (const id of ['a', 'b', 'c']) await send(put('create', Task, task(id)));
      await store.dirtyKeys.settle(Task.name, await store.dirtyKeys.claim(Task.name, 2, LONG_MS));
      await send(remove({ partition: ['t1'], id: 'a' }));
      await store.dirtyKeys.markAll(Task.name);
      const claimed = await store.dirtyKeys.claim(Task.name, 10, LONG_MS);
      equal(idsOf(claimed).toSorted(), ['a', 'b', 'c'], 'keys');
      for (const { key, version } of claimed)
        equal((await store.records(Task).read(key))?.version, version, key.id);
    },
  },
]);
