import type { RecordHost } from '../store.ts';
import { equal, ok, rejects } from './assert.ts';
import { type ContractCase, pass, suite } from './contract.ts';

type Host = Pick<RecordHost, 'checkpoints' | 'leases'>;

/** Checkpoints: compare-and-set, fenced by the lease. */
export const checkpointCases: readonly ContractCase<Host>[] = suite<Host>('checkpoint', [
  {
    name: 'a checkpoint moves from the revision that it is at',
    requires: [],
    run: async ({ store: { checkpoints } }) => {
      equal(await checkpoints.read('feed'), undefined, 'none yet');
      equal(
        await checkpoints.advance({ name: 'feed', expected: 0, position: 'one' }),
        { position: 'one', revision: 1 },
        'first',
      );
      equal(
        await checkpoints.advance({ name: 'feed', expected: 1, position: 'two' }),
        { position: 'two', revision: 2 },
        'second',
      );
      equal(await checkpoints.read('feed'), { position: 'two', revision: 2 }, 'read');
    },
  },
  {
    name: 'an advance from another revision is fenced and changes nothing',
    requires: [],
    run: async ({ store: { checkpoints } }) => {
      await rejects(
        checkpoints.advance({ name: 'feed', expected: 1, position: 'x' }),
        'fenced',
        'none there',
      );
      await checkpoints.advance({ name: 'feed', expected: 0, position: 'one' });
      await rejects(checkpoints.advance({ name: 'feed', expected: 0, position: 'x' }), 'fenced', 'behind');
      await rejects(checkpoints.advance({ name: 'feed', expected: 2, position: 'x' }), 'fenced', 'ahead');
      equal(await checkpoints.read('feed'), { position: 'one', revision: 1 }, 'unchanged');
    },
  },
  {
    name: 'of advances from one revision at the same time one succeeds',
    requires: [],
    run: async ({ store: { checkpoints } }) => {
      for (const expected of [0, 1]) {
        const steps = ['a', 'b', 'c', 'd'].map((position) =>
          checkpoints.advance({ name: 'feed', expected, position }),
        );
        const results = await Promise.allSettled(steps);
        equal(results.filter((it) => it.status === 'fulfilled').length, 1, `from ${expected}`);
      }
    },
  },
  {
    name: 'positions are opaque: every text comes back unchanged',
    requires: [],
    run: async ({ store: { checkpoints } }) => {
      const positions = ['', '"quoted"', "'; --", '{"a":[1]}', '🦜\uffff', 'x'.repeat(20_000), 'line\nbreak'];
      for (const [expected, position] of positions.entries()) {
        await checkpoints.advance({ name: "o'feed/🦜?#", expected, position });
        ok((await checkpoints.read("o'feed/🦜?#"))?.position === position, `position ${expected}`);
      }
    },
  },
  {
    name: 'list tells the checkpoints of a prefix, and no others',
    requires: [],
    run: async ({ store: { checkpoints } }) => {
      for (const name of ['feed/a', 'feed/b', 'feed%', 'food/a', 'Feed/a', 'feed'])
        await checkpoints.advance({ name, expected: 0, position: name });
      equal([...(await checkpoints.list('feed/')).keys()].toSorted(), ['feed/a', 'feed/b'], 'prefix');
      equal([...(await checkpoints.list('feed%')).keys()], ['feed%'], 'no pattern');
      equal(
        (await checkpoints.list('feed/')).get('feed/a'),
        { position: 'feed/a', revision: 1 },
        'checkpoint',
      );
      equal((await checkpoints.list('none')).size, 0, 'none');
    },
  },
  {
    name: 'remove forgets a checkpoint; removing nothing is no error',
    requires: [],
    run: async ({ store: { checkpoints } }) => {
      await checkpoints.remove('feed');
      await checkpoints.advance({ name: 'feed', expected: 0, position: 'one' });
      await checkpoints.remove('feed');
      equal(await checkpoints.read('feed'), undefined, 'gone');
      equal(
        (await checkpoints.advance({ name: 'feed', expected: 0, position: 'one' })).revision,
        1,
        'starts over',
      );
    },
  },
  {
    name: 'an advance under a lease that was lost is fenced',
    requires: [],
    run: async (subject) => {
      const { checkpoints, leases } = subject.store;
      const first = await leases.acquire('worker', 'a', 100);
      ok(first.kind === 'acquired', 'a has it');
      const lease = { name: 'worker', token: first.lease.token };
      await checkpoints.advance({ name: 'feed', expected: 0, position: 'a1', lease });
      await pass(subject, 300);
      const second = await leases.acquire('worker', 'b', 60_000);
      ok(second.kind === 'acquired', 'b has it');
      await rejects(
        checkpoints.advance({ name: 'feed', expected: 1, position: 'a2', lease }),
        'fenced',
        'the zombie',
      );
      const current = { name: 'worker', token: second.lease.token };
      await checkpoints.advance({ name: 'feed', expected: 1, position: 'b2', lease: current });
      equal((await checkpoints.read('feed'))?.position, 'b2', 'position');
      const unknown = { name: 'nobody', token: 1 };
      await rejects(
        checkpoints.advance({ name: 'feed', expected: 2, position: 'x', lease: unknown }),
        'fenced',
        'no lease',
      );
    },
  },
]);
