import { expect, it } from 'vitest';
import { manualClock } from './manual-clock.ts';

it('stands still until it is advanced, and wakes sleepers in order, each at its own time', async () => {
  const clock = manualClock(1_000);
  const woken: string[] = [];
  const sleep = (name: string, ms: number) =>
    clock.sleep(ms).then(() => woken.push(`${name} at ${clock.monotonic()}`));
  const all = [sleep('late', 30), sleep('early', 10), sleep('same', 30)];
  await Promise.resolve();
  expect([woken, clock.nextMs]).toEqual([[], 10]);
  await clock.advance(29);
  expect(woken).toEqual(['early at 10']);
  await clock.advance(1);
  await Promise.all(all);
  expect(woken.slice(1)).toEqual(['late at 30', 'same at 30']);
  expect([clock.monotonic(), clock.now(), clock.nextMs]).toEqual([30, 1_030, undefined]);
});

it('wakes those who sleep again while it advances', async () => {
  const clock = manualClock();
  let rounds = 0;
  const loop = async (): Promise<void> => {
    while (rounds < 5) {
      await clock.sleep(10);
      rounds += 1;
    }
  };
  const done = loop();
  await clock.advance(50);
  await done;
  expect(rounds).toBe(5);
});

it('stops a sleeper that is aborted', async () => {
  const clock = manualClock();
  const controller = new AbortController();
  const reason = new Error('enough');
  const sleeping = clock.sleep(10, controller.signal);
  controller.abort(reason);
  await expect(sleeping).rejects.toBe(reason);
  expect(clock.nextMs).toBeUndefined();
  await expect(clock.sleep(10, controller.signal)).rejects.toBe(reason);
});
