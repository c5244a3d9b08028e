import {
  ChangeFeedMode,
  ChangeFeedPolicy,
  type ChangeFeedPullModelIterator,
  ChangeFeedRetentionTimeSpan,
  ChangeFeedStartFrom,
  type Container,
  type ContainerRequest,
  type PartitionKey,
  PartitionKeyKind,
} from '@azure/cosmos';
import { describe, expect, it } from 'vitest';
import { onPk, type Setup, setUp } from './cosmos-setup.ts';

interface Change {
  readonly current: Record<string, unknown>;
  readonly previous?: Record<string, unknown>;
  readonly metadata: {
    readonly operationType: string;
    readonly lsn: number;
    readonly crts: number;
    readonly previousImageLSN?: number;
    readonly timeToLiveExpired?: boolean;
    readonly id?: string;
    readonly partitionKey?: Record<string, unknown>;
  };
}

const midnight = Date.parse('2026-01-01T00:00:00Z');

/** A container that keeps every change for ten minutes, with its clock stopped. */
async function keeping(definition: Partial<ContainerRequest> = {}, partitions = 1): Promise<Setup> {
  const changeFeedPolicy = new ChangeFeedPolicy(ChangeFeedRetentionTimeSpan.fromMinutes(10));
  const setup = await setUp({ changeFeedPolicy, ...definition }, { partitions });
  setup.emulator.clock.set(midnight);
  return setup;
}

type Start = ReturnType<
  | typeof ChangeFeedStartFrom.Now
  | typeof ChangeFeedStartFrom.Beginning
  | typeof ChangeFeedStartFrom.Time
  | typeof ChangeFeedStartFrom.Continuation
>;

function feed(container: Container, changeFeedStartFrom: Start): ChangeFeedPullModelIterator<Change> {
  const changeFeedMode = ChangeFeedMode.AllVersionsAndDeletes;
  return container.items.getChangeFeedIterator<Change>({
    changeFeedStartFrom,
    changeFeedMode,
    maxItemCount: 3,
  });
}

/** An iterator that has passed all that there is. */
async function fromNow(
  container: Container,
  key?: PartitionKey,
): Promise<ChangeFeedPullModelIterator<Change>> {
  const iterator = feed(
    container,
    key === undefined ? ChangeFeedStartFrom.Now() : ChangeFeedStartFrom.Now(key),
  );
  expect((await iterator.readNext()).statusCode).toBe(304);
  return iterator;
}

/** Reads until the feed says that nothing is new. */
async function drain(
  iterator: ChangeFeedPullModelIterator<Change>,
): Promise<{ changes: Change[]; token: string }> {
  const changes: Change[] = [];
  for (;;) {
    const page = await iterator.readNext();
    if (page.statusCode === 304) return { changes, token: page.continuationToken };
    changes.push(...page.result);
  }
}

const operations = (changes: readonly Change[]): string[] =>
  changes.map(
    ({ metadata, current, previous }) =>
      `${metadata.operationType} ${(current.id ?? previous?.id) as string}`,
  );

describe('the change feed with all versions and deletes', () => {
  it('tells creates, replaces and deletes with their images and numbers', async () => {
    const { container } = await keeping();
    await container.items.create({ id: '0', pk: 'a' });
    const iterator = await fromNow(container);
    await container.items.create({ id: '1', pk: 'a', n: 1 });
    await container.items.upsert({ id: '1', pk: 'a', n: 2 });
    await container.item('1', 'a').patch([{ op: 'incr', path: '/n', value: 1 }]);
    await container.item('1', 'a').delete();
    const { changes } = await drain(iterator);
    const crts = midnight / 1000;
    expect(changes.map(({ metadata }) => metadata)).toEqual([
      { operationType: 'create', lsn: 2, crts },
      { operationType: 'replace', lsn: 3, crts, previousImageLSN: 2 },
      { operationType: 'replace', lsn: 4, crts, previousImageLSN: 3 },
      {
        operationType: 'delete',
        lsn: 5,
        crts,
        previousImageLSN: 4,
        timeToLiveExpired: false,
        id: '1',
        partitionKey: { pk: 'a' },
      },
    ]);
    expect(changes.map(({ current }) => current.n)).toEqual([1, 2, 3, undefined]);
    expect(changes.map(({ previous }) => previous?.n)).toEqual([undefined, 1, 2, 3]);
    expect(changes[3]?.current).toEqual({});
    expect(changes[0]).not.toHaveProperty('previous');
  });

  it('tells an expired item as deleted, once the clock has passed its time', async () => {
    const { container, emulator } = await keeping({ defaultTtl: 60 });
    const iterator = await fromNow(container);
    await container.items.create({ id: 'kept', pk: 'a', ttl: -1 });
    await container.items.create({ id: 'short', pk: 'a', ttl: 5 });
    await container.items.create({ id: 'long', pk: 'b' });
    emulator.clock.advance(30_000);
    // The id is free again: the deletion comes before the new item.
    await container.items.create({ id: 'short', pk: 'a' });
    const { changes } = await drain(iterator);
    expect(operations(changes)).toEqual([
      'create kept',
      'create short',
      'create long',
      'delete short',
      'create short',
    ]);
    expect(changes[3]?.metadata).toMatchObject({ timeToLiveExpired: true, crts: midnight / 1000 + 30 });
    emulator.clock.advance(60_000);
    const later = await drain(iterator);
    expect(operations(later.changes).toSorted()).toEqual(['delete long', 'delete short']);
    expect(later.changes.every(({ metadata }) => metadata.timeToLiveExpired === true)).toBe(true);
  });

  it('goes on from a continuation, until the retention has passed', async () => {
    const { container, emulator } = await keeping();
    const { token } = await drain(await fromNow(container));
    await container.items.create({ id: '1', pk: 'a' });
    emulator.clock.advance(9 * 60_000);
    await container.item('1', 'a').delete();
    const both = await drain(feed(container, ChangeFeedStartFrom.Continuation(token)));
    expect(operations(both.changes)).toEqual(['create 1', 'delete 1']);
    emulator.clock.advance(2 * 60_000);
    const late = feed(container, ChangeFeedStartFrom.Continuation(token)).readNext();
    await expect(late).rejects.toMatchObject({ code: 400, message: expect.stringContaining('retention') });
    expect((await drain(feed(container, ChangeFeedStartFrom.Continuation(both.token)))).changes).toEqual([]);
  });

  it('refuses the beginning, a point in time, and a container without a policy', async () => {
    const { container } = await keeping();
    for (const start of [ChangeFeedStartFrom.Beginning(), ChangeFeedStartFrom.Time(new Date(midnight))])
      await expect(feed(container, start).readNext()).rejects.toMatchObject({ code: 400 });
    const { container: plain } = await setUp();
    const refused = feed(plain, ChangeFeedStartFrom.Now()).readNext();
    await expect(refused).rejects.toMatchObject({
      code: 400,
      message: expect.stringContaining('not enabled'),
    });
  });

  it('begins when a container is given a policy', async () => {
    const { container } = await setUp();
    await container.items.create({ id: '1', pk: 'a' });
    const { resource } = await container.read();
    const changeFeedPolicy = new ChangeFeedPolicy(ChangeFeedRetentionTimeSpan.fromMinutes(5));
    if (resource === undefined) throw new Error('The container is gone.');
    await container.replace({ ...resource, changeFeedPolicy });
    const iterator = await fromNow(container);
    await container.item('1', 'a').delete();
    expect(operations((await drain(iterator)).changes)).toEqual(['delete 1']);
  });

  it('reads one key, and the prefix of a hierarchical key, over several partitions', async () => {
    const partitionKey = { ...onPk, paths: ['/tenant', '/user'], kind: PartitionKeyKind.MultiHash };
    const { container } = await keeping({ partitionKey }, 3);
    const one = await fromNow(container, ['t1', 'u1']);
    const prefix = await fromNow(container, ['t1']);
    const all = await fromNow(container);
    for (const [tenant, user] of [
      ['t1', 'u1'],
      ['t1', 'u2'],
      ['t2', 'u1'],
    ])
      await container.items.create({ id: `${tenant}${user}`, tenant, user });
    await container.item('t1u1', ['t1', 'u1']).delete();
    expect(operations((await drain(one)).changes)).toEqual(['create t1u1', 'delete t1u1']);
    const { changes } = await drain(prefix);
    expect(operations(changes)).toEqual(['create t1u1', 'create t1u2', 'delete t1u1']);
    expect(changes[2]?.metadata.partitionKey).toEqual({ tenant: 't1', user: 'u1' });
    expect((await drain(all)).changes).toHaveLength(4);
  });

  it('leaves the latest-version mode as it is', async () => {
    const { container } = await keeping();
    await container.items.create({ id: '1', pk: 'a' });
    await container.items.upsert({ id: '1', pk: 'a', n: 2 });
    await container.items.create({ id: '2', pk: 'a' });
    await container.item('2', 'a').delete();
    const iterator = container.items.getChangeFeedIterator({
      changeFeedStartFrom: ChangeFeedStartFrom.Beginning(),
    });
    expect((await iterator.readNext()).result).toMatchObject([{ id: '1', n: 2, _lsn: 2 }]);
  });
});
