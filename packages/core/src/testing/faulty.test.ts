import { expect, it } from 'vitest';
import { ConnectionError, UnknownOutcomeError } from '../errors.ts';
import { memoryDocumentStore } from '../memory/index.ts';
import { planQuery } from '../query-plan.ts';
import { Task, task } from './entities.ts';
import { type FaultPlan, faultyRecords } from './faulty.ts';
import { copyOf, patch, put } from './intents.ts';

const key = { partition: ['t1'], id: 'a' };
const term = { term: 1 };

function subject(plan: FaultPlan) {
  const records = memoryDocumentStore().records(Task);
  return { records, faulty: faultyRecords(records, plan) };
}

it('fails before the effect, as planned by call and count', async () => {
  const { records, faulty } = subject((call, count) =>
    call === 'write' && count === 0 ? 'before' : undefined,
  );
  const create = put('create', Task, task('a'));
  await expect(faulty.write(create, term)).rejects.toThrow(ConnectionError);
  expect(await records.read(key)).toBeUndefined();
  await faulty.write(create, term);
  expect(await records.read(key)).toBeDefined();
});

it('loses the reply after the effect; the same operation then takes effect once', async () => {
  const { records, faulty } = subject((_, count) => (count === 1 ? 'after' : undefined));
  await faulty.write(put('create', Task, task('a')), term);
  const change = patch(key, { rank: 1 });
  const error: unknown = await faulty.write(change, term).catch((one: unknown) => one);
  if (!UnknownOutcomeError.isInstance(error)) throw new Error('the outcome should be unknown');
  expect(error.operationId).toBe(change.operationId);
  const before = await records.read(key);
  expect((await faulty.write(change, term)).repeated).toBe(true);
  expect((await records.read(key))?.version).toEqual(before?.version);
});

it('fails every other call with a connection that is down', async () => {
  const { records, faulty } = subject(() => 'after');
  const record = copyOf(Task, task('a'), { term: 1, counter: 1 });
  for (const call of [
    () => faulty.apply([{ record }]),
    () => faulty.read(key),
    () => faulty.readMany([key]),
    () => faulty.getMany([key]),
    () => faulty.query(planQuery(Task, {}).plan),
    () => faulty.count(),
  ])
    await expect(call()).rejects.toThrow(ConnectionError);
  expect((await records.read(key))?.version).toEqual(record.version);
  const lines: unknown[] = [];
  for await (const page of faulty.scan()) lines.push(...page);
  expect(lines).toHaveLength(1);
});
