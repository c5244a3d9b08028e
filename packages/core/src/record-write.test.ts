import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FencedError } from './errors.ts';
import { judgeCopy } from './judge-copy.ts';
import { memoryDocumentStore, memoryRelationalStore } from './memory/index.ts';
import { type StoredRecord, TOMBSTONE_DIGEST } from './record.ts';
import { compareCopies, decideWrite, type WriteIntent } from './record-write.ts';
import { Task, task, Visit } from './testing/entities.ts';
import { copyOf, patch, put, remove } from './testing/intents.ts';
import { compareVersions, firstCounter } from './version.ts';

const key = { partition: ['t1'], id: 'a' };
const NOW = Date.UTC(2026, 0, 1);

function decide(current: StoredRecord | undefined, intent: WriteIntent, term = 1) {
  return decideWrite(current, intent, { entity: Task, term, serverNowMs: NOW });
}

// Few terms, counters and bodies, so that equal versions and equal bodies are common.
const copies = fc
  .record({
    term: fc.integer({ min: 1, max: 3 }),
    counter: fc.integer({ min: 1, max: 5 }),
    rank: fc.integer({ min: 0, max: 2 }),
    deleted: fc.boolean(),
  })
  .map(({ term, counter, rank, deleted }) =>
    copyOf(Task, task('a', { rank }), { term, counter }, { deleted }),
  );

// In the protocol one version has one body: it is a function of the version.
const honestCopies = fc
  .record({ term: fc.integer({ min: 1, max: 3 }), counter: fc.integer({ min: 1, max: 6 }) })
  .map((version) =>
    copyOf(Task, task('a', { rank: version.term * 10 + version.counter }), version, {
      deleted: version.counter % 3 === 0,
    }),
  );

describe('decideWrite', () => {
  it('starts a counter at the date of the store, over nothing and over a document without a stamp', () => {
    const version = { term: 2, counter: firstCounter(NOW) };
    expect(decide(undefined, put('create', Task, task('a')), 2).record.version).toEqual(version);
    const unstamped = copyOf(Task, task('a'), { term: 0, counter: 0 });
    expect(decide(unstamped, patch(key, { rank: 1 }), 2).record.version).toEqual(version);
    expect(decide(undefined, remove(key), 2).record).toMatchObject({ version, digest: TOMBSTONE_DIGEST });
  });

  it('refuses a write of an earlier term, unless it took effect before', () => {
    const current = copyOf(Task, task('a'), { term: 3, counter: 9 });
    expect(() => decide(current, patch(key, { rank: 1 }), 2)).toThrow(FencedError);
    const repeated = patch(key, { rank: 1 }, { operationId: 'op-3-9' });
    expect(decide(current, repeated, 2)).toMatchObject({
      kind: 'done',
      record: { version: { term: 3, counter: 9 } },
    });
  });

  it('counts what has expired by the date of the store as deleted, and goes on from its version', () => {
    const value = { id: 'a', tenantId: 't1', old: true };
    const current = { ...copyOf(Visit, value, { term: 1, counter: 9 }), expiresAtMs: NOW };
    const over = (expiresAtMs: number) =>
      decideWrite({ ...current, expiresAtMs }, put('upsert', Visit, { id: 'a', tenantId: 't1', ttl: 60 }), {
        entity: Visit,
        term: 1,
        serverNowMs: NOW + 999,
      });
    expect(over(NOW + 999)).toMatchObject({ existed: false, record: { version: { term: 1, counter: 10 } } });
    expect(over(NOW + 999).record.value).not.toHaveProperty('old');
    expect(over(NOW + 1_000)).toMatchObject({ existed: true, record: { value: { old: true } } });
    expect(over(NOW).record.expiresAtMs).toBe(NOW + 60_000);
  });

  it('raises every version, whatever is there and whatever is written', () => {
    const intents = fc.constantFrom<() => WriteIntent>(
      () => put('upsert', Task, task('a', { rank: 1 })),
      () => put('replace', Task, task('a', { rank: 2 })),
      () => patch(key, { rank: 3 }),
      () => remove(key),
    );
    fc.assert(
      fc.property(copies, intents, fc.integer({ min: 3, max: 5 }), (current, intent, term) => {
        fc.pre(current.value !== undefined);
        const { record } = decide(current, intent(), term);
        expect(compareVersions(record.version, current.version)).toBeGreaterThan(0);
        expect(compareCopies(record, current)).toBe('newer');
      }),
    );
  });

  it('leaves a record of a loose kind that does not fit as it is, but for the patch', () => {
    const current = copyOf(Task, { ...task('a'), rank: 'high' }, { term: 1, counter: 1 });
    expect(() => decide(current, patch(key, { title: 'x' }))).toThrow(/rank/);
    const loose = { ...Task, loose: true };
    const decision = decideWrite(current, patch(key, { title: 'x' }), {
      entity: loose,
      term: 1,
      serverNowMs: NOW,
    });
    expect(decision.record.value).toEqual({ ...task('a'), rank: 'high', title: 'x' });
  });
});

describe('compareCopies', () => {
  it('never lets two copies be newer than each other, and tells a copy of itself as the same', () => {
    fc.assert(
      fc.property(copies, copies, (a, b) => {
        expect(compareCopies(a, b) === 'newer' && compareCopies(b, a) === 'newer').toBe(false);
        expect(compareCopies(a, a)).toBe('same');
      }),
    );
  });

  it('calls what the record does not descend from a straggler', () => {
    const base = {
      term: 1,
      counter: 5,
      digest: copyOf(Task, task('a', { rank: 1 }), { term: 1, counter: 5 }).digest,
    };
    const there = copyOf(Task, task('a'), { term: 2, counter: 6 }, { base });
    const verdict = (rank: number, term: number, counter: number) =>
      compareCopies(copyOf(Task, task('a', { rank }), { term, counter }), there);
    expect(verdict(1, 1, 5)).toBe('older');
    expect(verdict(2, 1, 5)).toBe('straggler');
    expect(verdict(1, 1, 4)).toBe('older');
    expect(verdict(1, 1, 6)).toBe('straggler');
    expect(verdict(1, 2, 5)).toBe('older');
    expect(verdict(1, 2, 7)).toBe('newer');
  });
});

describe('judgeCopy', () => {
  const there = { ...copyOf(Task, task('a'), { term: 1, counter: 5 }), etag: '"1"' };
  const record = copyOf(Task, task('a', { rank: 1 }), { term: 2, counter: 6 });

  it('looks at the ETag first', () => {
    expect(judgeCopy({ record, ifEtag: '"1"' }, there)).toBe('newer');
    expect(judgeCopy({ record, ifEtag: '"2"' }, there)).toBe('changed');
    expect(judgeCopy({ record, ifEtag: '"1"' }, undefined)).toBe('changed');
  });

  it('keeps what the copy does not descend from', () => {
    const base = { ...there.version, digest: there.digest };
    expect(judgeCopy({ record, base }, there)).toBe('newer');
    expect(judgeCopy({ record, base: { ...base, counter: 6 } }, there)).toBe('newer');
    expect(judgeCopy({ record, base: { ...base, counter: 4 } }, there)).toBe('straggler');
    expect(judgeCopy({ record, base: { ...base, digest: 'x' } }, there)).toBe('straggler');
    expect(
      judgeCopy({ record, base: { ...base, counter: 4 } }, { ...there, version: { term: 2, counter: 5 } }),
    ).toBe('newer');
    expect(judgeCopy({ record, base }, undefined)).toBe('newer');
  });
});

describe.each([
  ['documents', () => memoryDocumentStore()],
  ['rows', () => memoryRelationalStore()],
] as const)('apply on memory %s', (_, make) => {
  const applied = async (order: readonly StoredRecord[]) => {
    const records = make().records(Task);
    for (const record of order) await records.apply([{ record }]);
    const { value, version, digest } = (await records.read(key)) ?? {};
    return { value, version, digest };
  };

  it('is commutative and idempotent: any order, with repetitions, ends in the newest', async () => {
    const orders = fc
      .array(honestCopies, { minLength: 1, maxLength: 8 })
      .chain((list) =>
        fc.tuple(fc.constant(list), fc.shuffledSubarray([...list, ...list], { minLength: list.length * 2 })),
      );
    await fc.assert(
      fc.asyncProperty(orders, async ([list, shuffled]) => {
        expect(await applied(shuffled)).toEqual(await applied(list));
        const newest = list.reduce((a, b) => (compareVersions(b.version, a.version) > 0 ? b : a));
        expect((await applied(list)).version).toEqual(newest.version);
      }),
    );
  });

  it('is monotone: no copy lowers the version, even where one version has two bodies', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(copies, { maxLength: 10 }), async (list) => {
        const records = make().records(Task);
        let before: StoredRecord | undefined;
        for (const record of list) {
          await records.apply([{ record }]);
          const after = await records.read(key);
          expect(after).toBeDefined();
          const step = after && before ? compareVersions(after.version, before.version) : 0;
          expect(step).toBeGreaterThanOrEqual(0);
          before = after;
        }
      }),
    );
  });
});
