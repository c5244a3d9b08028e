import { ConnectionError, type RelationalStore, type StoredRecord } from '@polyphase/core';
import { memoryDocumentStore, memoryRelationalStore } from '@polyphase/core/memory';
import { manualClock } from '@polyphase/core/testing';
import { describe, expect, it } from 'vitest';
import { Note } from '../test/virtual-world.ts';
import { Group } from './phases/group.ts';
import { protocolLimits } from './protocol-limits.ts';
import { SecondWriter } from './second-writer.ts';

const record: StoredRecord = {
  key: { partition: ['a'], id: '1' },
  version: { term: 1, counter: 1 },
  value: { id: '1', owner: 'a', text: 'x' },
  digest: 'x',
  operations: [],
};

/** A second writer over a PostgreSQL that works, fails or hangs. */
function writing() {
  const clock = manualClock();
  let health: 'well' | 'down' | 'hanging' = 'well';
  let calls = 0;
  const real = memoryRelationalStore({ clock });
  const postgres: RelationalStore = {
    ...real,
    records: (entity) => {
      const records = real.records(entity);
      return {
        read: (key) => records.read(key),
        readMany: (keys) => records.readMany(keys),
        getMany: (keys) => records.getMany(keys),
        query: (plan) => records.query(plan),
        write: (intent, options) => records.write(intent, options),
        scan: (options) => records.scan(options),
        count: () => records.count(),
        apply: async (copies, options) => {
          calls += 1;
          if (health === 'down') throw new ConnectionError({ message: 'down' });
          if (health === 'hanging')
            await new Promise((_, reject) => {
              options?.signal?.addEventListener('abort', () => reject(options.signal?.reason));
            });
          return records.apply(copies, options);
        },
      };
    },
  };
  const group = new Group({
    entity: Note,
    stores: { cosmos: memoryDocumentStore({ clock }), postgres },
    clock,
    limits: protocolLimits({}),
    holder: 'me',
    isMember: () => true,
    onPhase: () => undefined,
  });
  const skipped: unknown[] = [];
  const second = new SecondWriter({ group, timeoutMs: 50, onSkipped: (error) => skipped.push(error) });
  return {
    clock,
    group,
    second,
    skipped,
    calls: () => calls,
    set: (to: typeof health) => {
      health = to;
    },
  };
}

describe('SecondWriter', () => {
  it('copies, and takes nothing from what reads may count on', async () => {
    const { second, group, clock } = writing();
    await clock.advance(1);
    group.noteFresh(clock.monotonic());
    await second.copy([record]);
    expect(await group.stores.postgres?.records(Note).read(record.key)).toMatchObject({
      value: record.value,
    });
    expect(group.isFresh(1_000)).toBe(true);
  });

  it('never throws; reads go to Cosmos DB until the feed has caught up', async () => {
    const { second, group, clock, set, skipped } = writing();
    group.noteFresh(clock.monotonic());
    set('down');
    await second.copy([record]);
    expect(skipped).toHaveLength(1);
    expect(group.isFresh(1_000)).toBe(false);
    await clock.advance(1);
    group.noteFresh(clock.monotonic());
    expect(group.isFresh(1_000)).toBe(true);
  });

  it('takes no longer than its time-out', async () => {
    const { second, group, clock, set, skipped } = writing();
    group.noteFresh(clock.monotonic());
    set('hanging');
    const over = new AbortController();
    const copied = second.copy([record]).finally(() => over.abort());
    await clock.advance(49);
    expect(over.signal.aborted).toBe(false);
    await clock.advance(1);
    await copied;
    expect(skipped).toMatchObject([{ code: 'timeout' }]);
    expect(group.isFresh(1_000)).toBe(false);
  });

  it('is left out for a second after five failures, then one call tries', async () => {
    const { second, clock, set, calls } = writing();
    set('down');
    for (let i = 0; i < 8; i += 1) await second.copy([record]);
    expect(calls()).toBe(5);
    await clock.advance(1_000);
    await Promise.all([second.copy([record]), second.copy([record]), second.copy([record])]);
    expect(calls()).toBe(6);
    set('well');
    await clock.advance(1_000);
    await second.copy([record]);
    await Promise.all([second.copy([record]), second.copy([record])]);
    expect(calls()).toBe(9);
  });
});
