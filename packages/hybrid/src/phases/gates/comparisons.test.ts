import { recordDigest, type StoredRecord } from '@polyphase/core';
import { memoryDocumentStore, memoryRelationalStore } from '@polyphase/core/memory';
import { manualClock } from '@polyphase/core/testing';
import { expect, it } from 'vitest';
import { Note } from '../../../test/virtual-world.ts';
import { protocolLimits } from '../../protocol-limits.ts';
import { FeedWatch } from '../../relay/feed-watch.ts';
import { Group } from '../group.ts';
import { Comparisons } from './comparisons.ts';

const HOUR_MS = 3_600_000;

it('looks at all records where the clock of Cosmos DB was set back since the last time', async () => {
  const clock = manualClock();
  let offsetMs = 0;
  const service = { ...clock, now: () => clock.now() - offsetMs };
  const stores = {
    cosmos: memoryDocumentStore({ clock: service }),
    postgres: memoryRelationalStore({ clock }),
  };
  const limits = protocolLimits({});
  const group = new Group({
    entity: Note,
    stores,
    clock,
    limits,
    holder: 'me',
    isMember: () => true,
    onPhase: () => undefined,
  });
  const feed = stores.cosmos.changes(Note);
  const watch = new FeedWatch({ group, feed, checkpoints: stores.postgres.checkpoints });
  const comparisons = new Comparisons({ group, watch });
  const { signal } = new AbortController();
  expect((await comparisons.sinceClean(signal)).differences).toEqual([]);

  offsetMs = HOUR_MS;
  const key = { partition: ['a'], id: '1' };
  const value = { id: '1', owner: 'a', text: 'x' };
  const intent = { kind: 'create', key, operationId: 'op', value } as const;
  const { record } = await stores.cosmos.records(Note).write(intent, { term: 1 });
  const other: StoredRecord = { ...record, value: { ...value, text: 'y' } };
  await stores.postgres.records(Note).apply([{ record: { ...other, digest: recordDigest(other.value) } }]);
  expect((await comparisons.sinceClean(signal)).differences).toMatchObject([{ key, kind: 'corrupt' }]);
});
