import { expect, it } from 'vitest';
import { MemoryLock } from './memory-locks.ts';

function journey() {
  const order: string[] = [];
  return { order, note: (what: string) => void order.push(what) };
}

it('many share, one owns, in the order of asking', async () => {
  const lock = new MemoryLock();
  const { order, note } = journey();
  const first = await lock.take('shared');
  const second = await lock.take('shared');
  const owner = lock.take('exclusive').then((unlock) => (note('owner'), unlock));
  const late = lock.take('shared').then((unlock) => (note('late'), unlock));
  first();
  first();
  await Promise.resolve();
  expect(order).toEqual([]);
  second();
  const release = await owner;
  expect(order).toEqual(['owner']);
  release();
  (await late)();
  expect(order).toEqual(['owner', 'late']);
  (await lock.take('exclusive'))();
});

it('a wait that is given up lets those behind it through', async () => {
  const lock = new MemoryLock();
  const held = await lock.take('shared');
  const controller = new AbortController();
  const owner = lock.take('exclusive', controller.signal);
  const behind = lock.take('shared');
  const reason = new Error('enough');
  controller.abort(reason);
  await expect(owner).rejects.toBe(reason);
  (await behind)();
  held();
  await expect(lock.take('shared', controller.signal)).rejects.toBe(reason);
  (await lock.take('exclusive'))();
});

it('a held lock is not lost when its signal is aborted afterwards', async () => {
  const lock = new MemoryLock();
  const controller = new AbortController();
  const unlock = await lock.take('exclusive', controller.signal);
  controller.abort();
  let entered = false;
  const next = lock.take('shared').then((one) => {
    entered = true;
    return one;
  });
  await Promise.resolve();
  expect(entered).toBe(false);
  unlock();
  (await next)();
});
