import { expect, it } from 'vitest';
import { Task, task } from '../testing/entities.ts';
import { memoryRelationalStore } from './memory-store.ts';

it('an exclusive step waits for a write that is past its fence', async () => {
  let arrive = (): void => undefined;
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  const store = memoryRelationalStore({ inFlight: () => arrived });
  const wish = { phase: '6', flip: 'auto', revision: 1 } as const;
  await store.control.create({ group: 'g', epoch: 1, phase: '6', term: 1, wish });
  const key = { partition: ['t1'], id: 'a' };
  const intent = { kind: 'upsert', key, operationId: 'o', value: task('a') } as const;
  const order: string[] = [];
  const write = store.records(Task).write(intent, { term: 1, fence: 'g' });
  const noted = write.then(() => order.push('write'));
  const step = store.control.advance('g', 1, { phase: "5'", term: 1 }, { exclusive: true });
  const moved = step.then(() => order.push('step'));
  await new Promise((resolve) => setImmediate(resolve));
  expect(order).toEqual([]);
  arrive();
  await Promise.all([noted, moved]);
  expect(order).toEqual(['write', 'step']);
});
