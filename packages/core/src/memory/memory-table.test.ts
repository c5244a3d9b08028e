import { expect, it } from 'vitest';
import { Handle, Member } from '../testing/entities.ts';
import { copyOf } from '../testing/intents.ts';
import { memoryDocumentStore, memoryRelationalStore } from './memory-store.ts';

const version = { term: 1, counter: 1 };

it('verify counts the copies of rows that share a unique value, as PostgreSQL does', async () => {
  const rows = memoryRelationalStore();
  const documents = memoryDocumentStore();
  const passed = async (entity: typeof Handle | typeof Member) =>
    (await rows.verify(entity)).every((answer) => answer.passed);
  for (const [tenantId, id] of [
    ['t1', 'a'],
    ['t2', 'b'],
  ] as const) {
    const handle = copyOf(Handle, { id, tenantId, handle: 'ada' }, version);
    await rows.records(Handle).apply([{ record: handle }]);
    await documents.records(Handle).apply([{ record: handle }]);
    const member = copyOf(Member, { id, tenantId, email: 'ada' }, version);
    await rows.records(Member).apply([{ record: member }]);
  }
  expect([await passed(Handle), await passed(Member)]).toEqual([false, true]);
  expect((await documents.verify(Handle)).every((answer) => answer.passed)).toBe(true);
  const second = copyOf(Member, { id: 'c', tenantId: 't1', email: 'ada' }, version);
  await rows.records(Member).apply([{ record: second }]);
  expect(await passed(Member)).toBe(false);
});
