import { defineEntity, type RecordKey, type StoredRecord } from '@polyphase/core';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type CosmosSetup, liveEndpoint, setUpCosmos } from './cosmos-setup.ts';

const Account = defineEntity({
  name: 'accounts',
  schema: z.object({ id: z.string(), tenantId: z.string() }),
  key: { partition: 'tenantId', id: 'id' },
});
const key: RecordKey = { partition: ['t'], id: 'a' };

let setup: CosmosSetup | undefined;
afterEach(async () => setup?.close());

async function unstamped(): Promise<{ setup: CosmosSetup; record: StoredRecord }> {
  setup = await setUpCosmos([Account]);
  await setup.store.container(Account).items.create({ id: 'a', tenantId: 't' });
  const record = await setup.store.records(Account).read(key);
  if (!record) throw new Error('the document is not there');
  return { setup, record };
}

describe.skipIf(liveEndpoint !== undefined)('a stamp under an ETag', () => {
  for (const reset of ['before', 'after'] as const)
    it(`is settled when its answer is lost ${reset} the effect`, async () => {
      const { setup: at, record } = await unstamped();
      at.emulator?.faults.add({ operation: 'replace', reset });
      const stamped = { ...record, version: { term: 1, counter: 7 } };
      const [outcome] = await at.store.records(Account).apply([{ record: stamped, ifEtag: record.etag }]);
      expect(outcome).toMatchObject({ kind: 'applied', record: { version: { term: 1, counter: 7 } } });
      expect(await at.store.records(Account).read(key)).toMatchObject({ version: { term: 1, counter: 7 } });
    });

  it('leaves alone a document that moved on', async () => {
    const { setup: at, record } = await unstamped();
    await at.store.container(Account).items.upsert({ id: 'a', tenantId: 't', changed: true });
    const stamped = { ...record, version: { term: 1, counter: 7 } };
    const [outcome] = await at.store.records(Account).apply([{ record: stamped, ifEtag: record.etag }]);
    expect(outcome?.kind).toBe('changed');
    expect((await at.store.records(Account).read(key))?.value).toMatchObject({ changed: true });
  });
});
