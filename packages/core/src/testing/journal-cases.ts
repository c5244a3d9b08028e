import type { Journaled } from '../journal.ts';
import type { RelationalStore } from '../store.ts';
import { equal } from './assert.ts';
import { type ContractCase, suite } from './contract.ts';

type Host = Pick<RelationalStore, 'journal'>;

const ENTITY = 'contract_tasks';

function entry(kind: Journaled['kind'], key: string, theirs = '{"a":"é\'🦜"}', ours?: string): Journaled {
  return {
    kind,
    entity: ENTITY,
    key,
    reason: 'why',
    issues: [{ path: ['a', 0], message: 'wrong' }],
    bodies: { theirs, ours },
  };
}

/** The journal of what was set aside. */
export const journalCases: readonly ContractCase<Host>[] = suite<Host>('journal', [
  {
    name: 'entries are listed oldest first, whole, by entity',
    requires: [],
    run: async ({ store: { journal } }) => {
      const entries = [
        entry('dead-letter', 'b'),
        entry('conflict', 'a', '1', '2'),
        { ...entry('conflict', 'c'), bodies: { theirs: undefined, ours: '{}' } },
      ];
      for (const one of entries) await journal.append([one]);
      equal(await journal.list(ENTITY), entries, 'list');
      equal(await journal.count(ENTITY), { deadLetters: 1, conflicts: 2 }, 'count');
      equal(await journal.list('other'), [], 'another entity');
      equal(await journal.count('other'), { deadLetters: 0, conflicts: 0 }, 'count of another entity');
    },
  },
  {
    name: 'appending the same entry again changes nothing; another body is another entry',
    requires: [],
    run: async ({ store: { journal } }) => {
      await journal.append([entry('dead-letter', 'a'), entry('dead-letter', 'a')]);
      await Promise.all([1, 2, 3].map(() => journal.append([entry('dead-letter', 'a')])));
      equal((await journal.list(ENTITY)).length, 1, 'once');
      await journal.append([entry('dead-letter', 'b')]);
      await journal.append([entry('dead-letter', 'a')]);
      equal(
        (await journal.list(ENTITY)).map((it) => it.key),
        ['a', 'b'],
        'order',
      );
      await journal.resolve(ENTITY, ['b']);
      await journal.append([entry('dead-letter', 'a', '"other"'), entry('conflict', 'a')]);
      equal(await journal.count(ENTITY), { deadLetters: 2, conflicts: 1 }, 'others');
      await journal.append([]);
    },
  },
  {
    name: 'resolve closes the dead letters of its keys, and no conflict',
    requires: [],
    run: async ({ store: { journal } }) => {
      await journal.append([
        entry('dead-letter', 'a', '1'),
        entry('dead-letter', 'a', '2'),
        entry('dead-letter', 'b'),
        entry('conflict', 'a'),
      ]);
      await journal.resolve(ENTITY, ['a', 'none']);
      equal(
        (await journal.list(ENTITY)).map((it) => [it.kind, it.key]),
        [
          ['dead-letter', 'b'],
          ['conflict', 'a'],
        ],
        'open',
      );
      await journal.resolve(ENTITY, []);
      await journal.resolve('other', ['b']);
      equal(await journal.count(ENTITY), { deadLetters: 1, conflicts: 1 }, 'count');
    },
  },
  {
    name: 'resolve closes conflicts where it is told to, and no dead letter',
    requires: [],
    run: async ({ store: { journal } }) => {
      await journal.append([entry('dead-letter', 'a'), entry('conflict', 'a'), entry('conflict', 'b')]);
      await journal.resolve(ENTITY, ['a'], { kind: 'conflict' });
      equal(await journal.count(ENTITY), { deadLetters: 1, conflicts: 1 }, 'open');
      await journal.append([entry('conflict', 'a')]);
      equal((await journal.count(ENTITY)).conflicts, 2, 'open again');
    },
  },
  {
    name: 'a dead letter that comes back after it was closed is open again',
    requires: [],
    run: async ({ store: { journal } }) => {
      await journal.append([entry('dead-letter', 'a')]);
      await journal.resolve(ENTITY, ['a']);
      equal(await journal.count(ENTITY), { deadLetters: 0, conflicts: 0 }, 'closed');
      await journal.append([entry('dead-letter', 'a')]);
      equal(await journal.count(ENTITY), { deadLetters: 1, conflicts: 0 }, 'open again');
    },
  },
  {
    name: 'at most 1,000 entries are listed, and all are counted',
    requires: [],
    run: async ({ store: { journal } }) => {
      await journal.append(Array.from({ length: 1_100 }, (_, i) => entry('conflict', `k${i}`)));
      equal((await journal.list(ENTITY)).length, 1_000, 'listed');
      equal((await journal.count(ENTITY)).conflicts, 1_100, 'counted');
    },
  },
]);
