import type { NotedTallies, ShadowTally } from '../shadow-tallies.ts';
import type { RelationalStore } from '../store.ts';
import { equal } from './assert.ts';
import { type ContractCase, pass, suite } from './contract.ts';

type Host = Pick<RelationalStore, 'shadowTallies'>;

const GROUP = 'contract';
const LONG_MS = 60_000;
const SHORT_MS = 100;
const AFTER_SHORT_MS = 300;

const tally = (shape: string, agreed: number): ShadowTally => ({
  shape,
  agreed,
  lagged: 1,
  moved: 2,
  records: 3,
  answers: 4,
  noise: { agreed: 5, answers: 6 },
});
const noted = (holder: string, fields: Partial<NotedTallies> = {}): NotedTallies => ({
  group: GROUP,
  holder,
  epoch: 4,
  tallies: [tally('get', 1)],
  ...fields,
});
const byCount = (found: readonly ShadowTally[]) => found.toSorted((a, b) => a.agreed - b.agreed);

/** Shadow tallies: what the processes of a group found. */
export const shadowTallyCases: readonly ContractCase<Host>[] = suite<Host>('shadow tallies', [
  {
    name: 'what each process noted last is told, whole and once',
    requires: [],
    run: async ({ store: { shadowTallies } }) => {
      equal(await shadowTallies.list(GROUP, 4, LONG_MS), [], 'nothing yet');
      await shadowTallies.note(noted('a'));
      const query = 'query text startsWith · by "rank" desc …';
      await shadowTallies.note(noted('a', { tallies: [tally('get', 7), tally(query, 9)] }));
      await shadowTallies.note(noted('b', { tallies: [tally('get', 8)] }));
      await shadowTallies.note(noted('a', { group: 'another', tallies: [tally('get', 99)] }));
      const found = await shadowTallies.list(GROUP, 4, LONG_MS);
      equal(byCount(found), [tally('get', 7), tally('get', 8), tally(query, 9)], 'of both');
    },
  },
  {
    name: 'what was found under another epoch is not told, and cannot come back',
    requires: [],
    run: async ({ store: { shadowTallies } }) => {
      await shadowTallies.note(noted('a', { epoch: 6, tallies: [tally('get', 1)] }));
      await shadowTallies.note(noted('a', { epoch: 4, tallies: [tally('get', 2)] }));
      equal(await shadowTallies.list(GROUP, 4, LONG_MS), [], 'the earlier');
      equal(await shadowTallies.list(GROUP, 6, LONG_MS), [tally('get', 1)], 'the later');
    },
  },
  {
    name: 'what was noted longer ago than is asked for is not told',
    requires: [],
    run: async (subject) => {
      const { shadowTallies } = subject.store;
      await shadowTallies.note(noted('a'));
      await pass(subject, AFTER_SHORT_MS);
      equal(await shadowTallies.list(GROUP, 4, SHORT_MS), [], 'old');
      equal(await shadowTallies.list(GROUP, 4, LONG_MS), [tally('get', 1)], 'not so old');
    },
  },
]);
