import type { ControlRow, Phase, Wish } from '../control.ts';
import type { Beat } from '../members.ts';
import type { RelationalStore } from '../store.ts';
import { equal, ok, present } from './assert.ts';
import { type ContractCase, pass, suite } from './contract.ts';
import { Task, task } from './entities.ts';
import { put } from './intents.ts';

type Host = Pick<RelationalStore, 'members' | 'control' | 'runUnit' | 'records'>;

const GROUP = 'contract';
const WISH: Wish = { phase: '0', flip: 'manual', revision: 3 };
const LONG_MS = 60_000;
const SHORT_MS = 100;
const AFTER_SHORT_MS = 300;

const row = (phase: Phase, term = 2): ControlRow => ({ group: GROUP, epoch: 1, phase, term, wish: WISH });
const beat = (holder: string, fields: Partial<Beat> = {}): Beat => ({
  group: GROUP,
  holder,
  epoch: 1,
  version: '1.2.3',
  supports: ['0', "5'", '7r'],
  durationMs: LONG_MS,
  ...fields,
});

/** Members: the processes that serve a group. */
export const memberCases: readonly ContractCase<Host>[] = suite<Host>('members', [
  {
    name: 'a beat tells where the group is, and is noted only where there is a control row',
    requires: [],
    run: async ({ store: { members, control } }) => {
      equal((await members.beat(beat('a'))).row, undefined, 'no row');
      equal(await members.list(GROUP), [], 'nobody');
      await control.create(row('6'));
      equal((await members.beat(beat('a'))).row, row('6'), 'the row');
      const [member] = await members.list(GROUP);
      const { remainingMs, ...said } = present(member, 'a member');
      const { holder, epoch, version, supports } = beat('a');
      equal(said, { holder, epoch, version, supports }, 'what it said');
      ok(remainingMs > LONG_MS / 2 && remainingMs <= LONG_MS, `time left: ${remainingMs}`);
      equal(await members.list('another'), [], 'another group');
    },
  },
  {
    name: 'a member beats again with another epoch, and is one member',
    requires: [],
    run: async ({ store: { members, control } }) => {
      await control.create(row('6'));
      await Promise.all([members.beat(beat('a')), members.beat(beat('b'))]);
      await members.beat(beat('a', { epoch: 7, version: '1.2.4', supports: ['0', '1'] }));
      const found = await members.list(GROUP);
      equal(found.find(({ holder }) => holder === 'a')?.supports, ['0', '1'], 'what it said last');
      equal(
        found
          .map(({ holder, epoch }) => [holder, epoch])
          .toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
        [
          ['a', 7],
          ['b', 1],
        ],
        'two members',
      );
    },
  },
  {
    name: 'who stops beating is gone when its time is over, who leaves is gone at once',
    requires: [],
    run: async (subject) => {
      const { members, control } = subject.store;
      await control.create(row('6'));
      await members.beat(beat('a', { durationMs: SHORT_MS }));
      await members.beat(beat('b'));
      await members.beat(beat('c'));
      await members.leave(GROUP, 'c');
      await members.leave(GROUP, 'nobody');
      equal((await members.list(GROUP)).map(({ holder }) => holder).toSorted(), ['a', 'b'], 'without c');
      await pass(subject, AFTER_SHORT_MS);
      equal(
        (await members.list(GROUP)).map(({ holder }) => holder),
        ['b'],
        'without a',
      );
      await members.beat(beat('a'));
      equal((await members.list(GROUP)).length, 2, 'back again');
    },
  },
  {
    name: 'of each beat either a later list tells, or its answer has what the exclusive step made',
    requires: [],
    run: async ({ store }) => {
      const { members, control } = store;
      await control.create(row('6'));
      const holders = Array.from({ length: 8 }, (_, i) => `holder ${i}`);
      let beats: Promise<readonly (ControlRow | undefined)[]> = Promise.resolve([]);
      let step: Promise<unknown> = Promise.resolve();
      // A unit that is under way holds the step up, so that beats come in before it and behind it.
      await store.runUnit(
        async (unit) => {
          await unit.records(Task).write(put('create', Task, task('a')));
          await members.beat(beat('early'));
          step = control.advance(GROUP, 1, { phase: "5'", term: 2 }, { exclusive: true });
          beats = Promise.all(holders.map(async (holder) => (await members.beat(beat(holder))).row));
        },
        { operationId: 'unit', fenceOf: () => ({ term: 2, fence: GROUP }) },
      );
      await step;
      const listed = new Set((await members.list(GROUP)).map(({ holder }) => holder));
      ok(listed.has('early'), 'the early one is listed');
      const seen = await beats;
      for (const [i, holder] of holders.entries())
        ok(listed.has(holder) || seen[i]?.phase === "5'", `${holder} is neither listed nor told`);
    },
  },
  {
    name: 'freshness is told to every member, by the date of the store',
    requires: [],
    run: async ({ store: { members, control } }) => {
      await control.create(row('3'));
      const first = await members.beat(beat('a'));
      equal(first.freshAtMs, undefined, 'not known yet');
      await members.noteFresh(GROUP, first.nowMs - 5_000);
      const second = await members.beat(beat('b'));
      equal(second.freshAtMs, first.nowMs - 5_000, 'as it was noted');
      ok(second.nowMs >= first.nowMs, 'a later date');
      await members.noteFresh(GROUP, first.nowMs - 60_000);
      equal((await members.beat(beat('a'))).freshAtMs, first.nowMs - 60_000, 'the last note');
    },
  },
]);
