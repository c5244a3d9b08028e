// size: the cases of one contract are read together
import type { CacheService } from '../cache.ts';
import type { CacheStore } from '../store.ts';
import { equal, ok } from './assert.ts';
import { type ContractCase, pass, suite } from './contract.ts';

type Case = ContractCase<CacheStore>;

const TTL_MS = 60_000;
const version = (counter: number, term = 1) => ({ term, counter });
const entry = (counter: number, payload: string | undefined = `value ${counter}`) => ({
  version: version(counter),
  payload,
});

async function leased(cache: CacheService, key = 'k'): Promise<string> {
  const miss = await cache.lease(key);
  ok(miss.kind === 'leased', `expected the lease, got ${miss.kind}`);
  return miss.token;
}

async function filled(cache: CacheService, counter: number): Promise<void> {
  ok(await cache.fill('k', await leased(cache), entry(counter), TTL_MS), 'the fill was refused');
}

const fills: readonly Case[] = [
  {
    name: 'a miss, a lease, a fill, and then a hit',
    requires: [],
    run: async ({ store }) => {
      const cache = store.cache('c:');
      equal(await cache.get('k'), undefined, 'miss');
      await filled(cache, 1);
      equal(await cache.get('k'), entry(1), 'hit');
      equal(await cache.lease('k'), { kind: 'hit', entry: entry(1) }, 'no lease where there is an entry');
      equal(await cache.get('other'), undefined, 'another key');
      equal(await store.cache('d:').get('k'), undefined, 'another namespace');
    },
  },
  {
    name: 'that there is nothing is an entry too; any text is kept as it is',
    requires: [],
    run: async ({ store }) => {
      const cache = store.cache('c:');
      ok(
        await cache.fill('k', await leased(cache), { version: version(4), payload: undefined }, TTL_MS),
        'fill',
      );
      const found = await cache.get('k');
      equal([found?.version, found?.payload ?? null], [version(4), null], 'absence');
      for (const [i, payload] of ['', 'null', '|:\r\n', '🦜\uffff', 'x'.repeat(100_000)].entries()) {
        const key = `o'${i}:🦜 {x}`;
        ok(await cache.fill(key, await leased(cache, key), entry(1, payload), TTL_MS), `fill ${i}`);
        ok((await cache.get(key))?.payload === payload, `payload ${i}`);
      }
    },
  },
  {
    name: 'of many who miss at once one gets the lease, the others wait',
    requires: [],
    run: async ({ store }) => {
      const cache = store.cache('c:');
      const misses = await Promise.all([1, 2, 3, 4, 5, 6].map(() => cache.lease('k')));
      equal(misses.filter((it) => it.kind === 'leased').length, 1, 'leases');
      for (const miss of misses)
        if (miss.kind !== 'leased') ok(miss.kind === 'busy' && miss.waitMs > 0, `another got ${miss.kind}`);
    },
  },
  {
    name: 'a fill needs its own lease, once',
    requires: [],
    run: async ({ store }) => {
      const cache = store.cache('c:');
      equal(await cache.fill('k', 'made up', entry(1), TTL_MS), false, 'no lease at all');
      const token = await leased(cache);
      equal(await cache.fill('k', `${token}x`, entry(1), TTL_MS), false, "another's token");
      equal(await cache.fill('k', token, entry(1), TTL_MS), true, 'own token');
      equal(await cache.fill('k', token, entry(2), TTL_MS), false, 'a second time');
      equal(await cache.get('k'), entry(1), 'entry');
    },
  },
  {
    name: 'an entry lives as long as its ttl',
    requires: [],
    run: async (subject) => {
      const cache = subject.store.cache('c:');
      ok(await cache.fill('k', await leased(cache), entry(1), 100), 'fill');
      await pass(subject, 300);
      equal(await cache.get('k'), undefined, 'over');
      await filled(cache, 2);
      equal(await cache.get('k'), entry(2), 'filled again');
    },
  },
];

const invalidations: readonly Case[] = [
  {
    name: 'an invalidated entry is gone at once, and the next may load',
    requires: [],
    run: async ({ store }) => {
      const cache = store.cache('c:');
      await filled(cache, 1);
      await cache.invalidate('k', version(2));
      equal(await cache.get('k'), undefined, 'gone');
      await filled(cache, 2);
      equal(await cache.get('k'), entry(2), 'the new version');
    },
  },
  {
    name: 'a slow reader that loaded before the write cannot fill after it',
    requires: [],
    run: async ({ store }) => {
      const cache = store.cache('c:');
      const token = await leased(cache);
      await cache.invalidate('k', version(2));
      equal(await cache.fill('k', token, entry(1), TTL_MS), false, 'the old version');
      equal(await cache.fill('k', token, entry(2), TTL_MS), false, 'its lease ended with the invalidation');
      equal(await cache.get('k'), undefined, 'nothing filled');
    },
  },
  {
    name: 'a version below the minimum is refused, under a fresh lease too; term before counter',
    requires: [],
    run: async ({ store }) => {
      const cache = store.cache('c:');
      await cache.invalidate('k', version(10));
      equal(await cache.fill('k', await leased(cache), entry(9), TTL_MS), false, 'below');
      const fresh = store.cache('c:');
      await fresh.invalidate('k2', version(10));
      equal(await fresh.fill('k2', await leased(fresh, 'k2'), entry(10), TTL_MS), true, 'at the minimum');
      await fresh.invalidate('k3', version(10, 2));
      const token = await leased(fresh, 'k3');
      equal(
        await fresh.fill('k3', token, { version: version(99, 1), payload: 'x' }, TTL_MS),
        false,
        'lower term',
      );
      await fresh.invalidate('k4', version(10, 1));
      const next = await leased(fresh, 'k4');
      equal(
        await fresh.fill('k4', next, { version: version(1, 2), payload: 'x' }, TTL_MS),
        true,
        'higher term',
      );
    },
  },
  {
    name: 'counters past 2^50 are compared exactly',
    requires: [],
    run: async ({ store }) => {
      const cache = store.cache('c:');
      const high = 1_798_761_600_000 * 1024;
      await cache.invalidate('k', version(high + 1));
      equal(await cache.fill('k', await leased(cache), entry(high), TTL_MS), false, 'one below');
      await cache.invalidate('j', version(high + 1));
      equal(await cache.fill('j', await leased(cache, 'j'), entry(high + 1), TTL_MS), true, 'equal');
    },
  },
  {
    name: 'invalidations may repeat and come out of order: the highest minimum stays',
    requires: [],
    run: async ({ store }) => {
      const cache = store.cache('c:');
      for (const counter of [5, 7, 6, 7]) await cache.invalidate('k', version(counter));
      equal(await cache.fill('k', await leased(cache), entry(6), TTL_MS), false, 'below the highest');
      await cache.invalidate('k', version(7));
      await filled(cache, 7);
    },
  },
  {
    name: 'the minimum outlives the entry that was filled over it',
    requires: [],
    run: async (subject) => {
      const cache = subject.store.cache('c:');
      await cache.invalidate('k', version(10));
      ok(await cache.fill('k', await leased(cache), entry(12), TTL_MS), 'fill');
      await cache.invalidate('k', version(3));
      equal(
        await cache.fill('k', await leased(cache), entry(9), TTL_MS),
        false,
        'below the minimum of before',
      );
    },
  },
  {
    name: 'an eviction takes the lease along: the fill is refused',
    requires: ['flush'],
    run: async (subject) => {
      const cache = subject.store.cache('c:');
      const token = await leased(cache);
      await subject.flush?.();
      equal(await cache.fill('k', token, entry(1), TTL_MS), false, 'after a flush');
      const stale = await leased(cache);
      await cache.invalidate('k', version(2));
      await subject.flush?.();
      equal(await cache.fill('k', stale, entry(1), TTL_MS), false, 'after an invalidation and a flush');
      const other = await leased(cache);
      equal(await cache.fill('k', stale, entry(1), TTL_MS), false, "under another's lease");
      equal(await cache.fill('k', other, entry(2), TTL_MS), true, 'the new loader');
    },
  },
];

const guards: readonly Case[] = [
  {
    name: 'a guard keeps fills and leases out until the invalidation',
    requires: [],
    run: async ({ store }) => {
      const cache = store.cache('c:');
      const token = await leased(cache);
      await cache.guard('k', 'w');
      equal(await cache.fill('k', token, entry(1), TTL_MS), false, 'a load that began before');
      const miss = await cache.lease('k');
      ok(miss.kind === 'busy' && miss.waitMs > 0, `a lease under the guard: ${miss.kind}`);
      equal(await cache.get('k'), undefined, 'get under the guard');
      await cache.invalidate('k', version(2), { writers: ['w'] });
      await filled(cache, 2);
      equal(await cache.get('k'), entry(2), 'after the invalidation');
    },
  },
  {
    name: 'a guard that is repeated is one, and ends with its writer',
    requires: [],
    run: async ({ store }) => {
      const cache = store.cache('c:');
      for (const writer of ['w', 'w', 'of, | other:2/signs', 'of, | other:2/signs'])
        await cache.guard('k', writer);
      await cache.invalidate('k', version(1), { writers: ['w'] });
      equal((await cache.lease('k')).kind, 'busy', 'under the guard of the other');
      await cache.invalidate('k', version(2), { writers: ['of, | other:2/signs'] });
      await filled(cache, 2);
    },
  },
  {
    name: 'an invalidation that is repeated, or names nobody, ends no guard of another writer',
    requires: [],
    run: async ({ store }) => {
      const cache = store.cache('c:');
      await cache.guard('k', 'a');
      await cache.guard('k', 'b');
      for (const writers of [['a'], ['a'], []]) await cache.invalidate('k', version(1), { writers });
      await cache.invalidate('k', version(1));
      equal((await cache.lease('k')).kind, 'busy', 'b has not finished');
      await cache.invalidate('k', version(2), { writers: ['a', 'b'] });
      equal(await cache.fill('k', await leased(cache), entry(1), TTL_MS), false, 'below the minimum');
    },
  },
  {
    name: 'a guard over an entry leaves nothing to hit, and keeps the minimum',
    requires: [],
    run: async ({ store }) => {
      const cache = store.cache('c:');
      await cache.invalidate('k', version(5));
      await filled(cache, 5);
      await cache.guard('k', 'w');
      equal(await cache.get('k'), undefined, 'hit under the guard');
      await cache.invalidate('k', version(1), { writers: ['w'] });
      equal(
        await cache.fill('k', await leased(cache), entry(4), TTL_MS),
        false,
        'below the minimum of before',
      );
    },
  },
  {
    name: 'readers and writers at the same time: what is in the cache at the end is not older than the last write',
    requires: [],
    run: async ({ store }) => {
      const cache = store.cache('c:');
      let truth = 0;
      const write = async (): Promise<void> => {
        const writer = crypto.randomUUID();
        await cache.guard('k', writer);
        truth += 1;
        await cache.invalidate('k', version(truth), { writers: [writer] });
      };
      const read = async (): Promise<void> => {
        const miss = await cache.lease('k');
        if (miss.kind !== 'leased') return;
        const loaded = truth;
        await cache.get('other');
        await cache.fill('k', miss.token, entry(loaded), TTL_MS);
      };
      for (let round = 0; round < 20; round += 1)
        await Promise.all([read(), write(), read(), write(), read()]);
      const found = await cache.get('k');
      ok(
        found === undefined || found.version.counter === truth,
        `stale: ${found?.version.counter} of ${truth}`,
      );
    },
  },
];

/** The cache: never stale after an acknowledged write. */
export const cacheCases: readonly Case[] = suite('cache', [...fills, ...invalidations, ...guards]);
