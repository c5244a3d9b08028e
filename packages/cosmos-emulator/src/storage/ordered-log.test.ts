import { expect, it } from 'vitest';
import { OrderedLog } from './ordered-log.ts';

interface Entry {
  readonly at: number;
  readonly name: string;
  live: boolean;
}

const entry = (at: number, name = `${at}`): Entry => ({ at, name, live: true });

it('reads from any number on, and skips what is gone', () => {
  const log = new OrderedLog<Entry>(({ at }) => at);
  const entries = [1, 2, 2, 5, 9].map((at) => entry(at));
  for (const one of entries) log.append(one);
  expect([...log.from(2)].map(({ at }) => at)).toEqual([2, 2, 5, 9]);
  expect([...log.from(3)].map(({ at }) => at)).toEqual([5, 9]);
  expect([...log.from(10)]).toEqual([]);
  const fifth = entries[3];
  if (fifth !== undefined) fifth.live = false;
  log.forget();
  expect([...log.from(3)].map(({ at }) => at)).toEqual([9]);
});

it('replaces in place', () => {
  const log = new OrderedLog<Entry>(({ at }) => at);
  const entries = [1, 2, 3].map((at) => entry(at));
  for (const one of entries) log.append(one);
  const [, second] = entries;
  if (second !== undefined) log.replace(second, entry(2, 'new'));
  expect([...log.from(0)].map(({ name }) => name)).toEqual(['1', 'new', '3']);
});

it('drops what is gone, and keeps the rest in order', () => {
  const log = new OrderedLog<Entry>(({ at }) => at);
  for (let at = 0; at < 5000; at++) {
    const one = entry(at);
    log.append(one);
    if (at % 5 === 0) continue;
    one.live = false;
    log.forget();
  }
  expect([...log.from(4980)].map(({ at }) => at)).toEqual([4980, 4985, 4990, 4995]);
  expect([...log.from(0)]).toHaveLength(1000);
});
