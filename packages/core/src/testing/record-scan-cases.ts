import { BUCKETS, bucketOf, keyText } from '../key.ts';
import type { RecordStore, RecordSummary, ScanOptions } from '../record-store.ts';
import type { RecordHost } from '../store.ts';
import { equal, ok } from './assert.ts';
import { type ContractCase, pass } from './contract.ts';
import { contractEntities, Task, task } from './entities.ts';
import { copyOf, patch, remove, write } from './intents.ts';

type Case = ContractCase<Pick<RecordHost, 'records'>>;

async function scanned(records: RecordStore, options?: ScanOptions): Promise<RecordSummary[]> {
  const all: RecordSummary[] = [];
  for await (const page of records.scan(options)) all.push(...page);
  return all.toSorted((a, b) => (keyText(a.key) < keyText(b.key) ? -1 : 1));
}

async function seed(records: RecordStore, count: number): Promise<void> {
  const copies = Array.from({ length: count }, (_, i) => ({
    record: copyOf(Task, task(`n${i}`), { term: 1, counter: 100 + i }),
  }));
  await records.apply(copies);
}

/** Scans and counts: what reconciliation compares. */
export const recordScanCases: readonly Case[] = [
  {
    name: 'a scan tells key, version and digest of every record, tombstones included',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      await seed(records, 3);
      await write(records, remove({ partition: ['t1'], id: 'n1' }));
      const found = await scanned(records);
      equal(
        found.map((it) => it.key.id),
        ['n0', 'n1', 'n2'],
        'ids',
      );
      for (const line of found) {
        const record = await records.read(line.key);
        equal([line.version, line.digest], [record?.version, record?.digest], line.key.id);
      }
      equal(await records.count(), 2, 'count');
    },
  },
  {
    name: 'the buckets of a scan are those of bucketOf, and their parts make the whole',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      await seed(records, 60);
      const half = BUCKETS / 2;
      const lower = await scanned(records, { buckets: { from: 0, to: half } });
      const upper = await scanned(records, { buckets: { from: half, to: BUCKETS } });
      ok(lower.length > 0 && upper.length > 0, 'both halves hold some');
      ok(
        lower.every((it) => bucketOf(it.key) < half),
        'the lower half',
      );
      ok(
        upper.every((it) => bucketOf(it.key) >= half),
        'the upper half',
      );
      equal(lower.length + upper.length, 60, 'the whole');
      const one = bucketOf({ partition: ['t1'], id: 'n7' });
      const single = await scanned(records, { buckets: { from: one, to: one + 1 } });
      ok(
        single.some((it) => it.key.id === 'n7'),
        'a single bucket',
      );
      equal(await scanned(records, { buckets: { from: 5, to: 5 } }), [], 'no bucket');
    },
  },
  {
    name: 'a scan with changedSinceMs leaves out nothing that changed since',
    requires: [],
    run: async (subject) => {
      const records = subject.store.records(Task);
      await seed(records, 2);
      await pass(subject, 5);
      const changedSinceMs = subject.serverNowMs ? await subject.serverNowMs() : Date.now() - 60_000;
      await write(records, patch({ partition: ['t1'], id: 'n1' }, { rank: 1 }));
      const found = await scanned(records, { changedSinceMs });
      ok(
        found.some((it) => it.key.id === 'n1'),
        'the record that changed',
      );
    },
  },
  {
    name: 'a scan of many records covers each once',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      await seed(records, 1_234);
      const found = await scanned(records);
      equal(new Set(found.map((it) => keyText(it.key))).size, 1_234, 'keys');
      equal(found.length, 1_234, 'lines');
      equal(await records.count(), 1_234, 'count');
    },
  },
  {
    name: 'records of one entity are not those of another',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      await seed(records, 2);
      ok(store.records(Task) === records, 'the same object each time');
      for (const entity of contractEntities)
        if (entity.name !== Task.name) equal(await store.records(entity).count(), 0, entity.name);
    },
  },
];
