import {
  type ChangeFeedPullModelIterator,
  ChangeFeedStartFrom,
  type Container,
  CosmosClient,
  type FeedRange,
  PartitionKeyKind,
} from '@azure/cosmos';
import { describe, expect, it } from 'vitest';
import { clientWith, onPk, setUp } from './cosmos-setup.ts';

interface Item {
  readonly id: string;
  readonly _lsn: number;
}

/** Reads until the feed says that nothing is new. */
async function drain(
  iterator: ChangeFeedPullModelIterator<Item>,
): Promise<{ ids: string[]; lsns: number[]; token: string }> {
  const ids: string[] = [];
  const lsns: number[] = [];
  for (;;) {
    const page = await iterator.readNext();
    if (page.statusCode === 304) return { ids, lsns, token: page.continuationToken };
    ids.push(...page.result.map((item) => item.id));
    lsns.push(...page.result.map((item) => item._lsn));
  }
}

function fromBeginning(container: Container, source?: FeedRange | string): ChangeFeedPullModelIterator<Item> {
  const changeFeedStartFrom =
    source === undefined ? ChangeFeedStartFrom.Beginning() : ChangeFeedStartFrom.Beginning(source);
  return container.items.getChangeFeedIterator<Item>({ changeFeedStartFrom, maxItemCount: 3 });
}

async function create(container: Container, ...ids: string[]): Promise<void> {
  for (const id of ids) await container.items.create({ id, pk: id.charAt(0) });
}

describe('the change feed', () => {
  it('gives every item once, in the order of writes, in pages', async () => {
    const { container } = await setUp();
    await create(container, 'a1', 'b1', 'a2', 'b2', 'a3');
    await container.items.upsert({ id: 'a1', pk: 'a', changed: true });
    await container.item('b2', 'b').delete();
    const { ids, lsns } = await drain(fromBeginning(container));
    expect(ids).toEqual(['b1', 'a2', 'a3', 'a1']);
    expect(lsns).toEqual([2, 3, 5, 6]);
  });

  it('starts from now and from a time', async () => {
    const { container, emulator } = await setUp();
    emulator.clock.set(new Date('2026-01-01T00:00:00Z'));
    await create(container, 'a1');
    emulator.clock.advance(60_000);
    const now = container.items.getChangeFeedIterator<Item>({
      changeFeedStartFrom: ChangeFeedStartFrom.Now(),
    });
    expect((await now.readNext()).statusCode).toBe(304);
    await create(container, 'a2');
    expect((await drain(now)).ids).toEqual(['a2']);
    const changeFeedStartFrom = ChangeFeedStartFrom.Time(new Date('2026-01-01T00:00:30Z'));
    const since = container.items.getChangeFeedIterator<Item>({ changeFeedStartFrom });
    expect((await drain(since)).ids).toEqual(['a2']);
  });

  it('resumes from a continuation with another client', async () => {
    const { container, emulator } = await setUp();
    await create(container, 'a1', 'a2');
    const { token } = await drain(fromBeginning(container));
    await create(container, 'a3');
    const other = new CosmosClient(emulator.clientOptions()).database('db').container('items');
    const resumed = other.items.getChangeFeedIterator<Item>({
      changeFeedStartFrom: ChangeFeedStartFrom.Continuation(token),
    });
    expect((await drain(resumed)).ids).toEqual(['a3']);
  });

  it('refuses a continuation of a container that was created again', async () => {
    const { container, client } = await setUp();
    await create(container, 'a1');
    const { token } = await drain(fromBeginning(container));
    await container.delete();
    await client.database('db').containers.create({ id: 'items', partitionKey: onPk });
    const resumed = container.items.getChangeFeedIterator<Item>({
      changeFeedStartFrom: ChangeFeedStartFrom.Continuation(token),
    });
    await expect(resumed.readNext()).rejects.toThrow('not for the current container');
  });

  it('reads one partition key, and one feed range of several', async () => {
    const { container } = await setUp({}, { partitions: 4 });
    const ids = Array.from({ length: 40 }, (_, at) => `${String.fromCharCode(97 + (at % 20))}${at}`);
    await create(container, ...ids);
    expect((await drain(fromBeginning(container, 'a'))).ids).toEqual(['a0', 'a20']);
    const ranges = await container.getFeedRanges();
    expect(ranges).toHaveLength(4);
    const parts = await Promise.all(ranges.map((range) => drain(fromBeginning(container, range))));
    expect(parts.flatMap((part) => part.ids).toSorted()).toEqual([...ids].toSorted());
    expect(parts.every((part) => part.ids.length < 40)).toBe(true);
    expect((await drain(fromBeginning(container))).ids.toSorted()).toEqual([...ids].toSorted());
  });

  it('reads the prefix of a hierarchical key', async () => {
    const partitionKey = { ...onPk, paths: ['/tenant', '/user'], kind: PartitionKeyKind.MultiHash };
    const { container } = await setUp({ partitionKey }, { partitions: 2 });
    for (let at = 0; at < 12; at++) {
      await container.items.create({ id: `${at}`, tenant: `t${at % 3}`, user: `u${at % 4}` });
    }
    const changeFeedStartFrom = ChangeFeedStartFrom.Beginning(['t1']);
    const iterator = container.items.getChangeFeedIterator<Item>({ changeFeedStartFrom });
    expect((await drain(iterator)).ids).toEqual(['1', '4', '7', '10']);
  });

  it('reads a part of a physical partition, as after a merge', async () => {
    const { container } = await setUp();
    const ids = Array.from({ length: 20 }, (_, at) => `${String.fromCharCode(97 + at)}${at}`);
    await create(container, ...ids);
    const { resource } = await container.read();
    const middle = '20'.padEnd(32, '0');
    const halves = [
      ['', middle],
      [middle, 'FF'],
    ].map(([minInclusive, maxExclusive]) => {
      const range = { minInclusive, maxExclusive, continuationToken: '"0"' };
      const token = JSON.stringify({ rid: resource?._rid, Continuation: [range] });
      const changeFeedStartFrom = ChangeFeedStartFrom.Continuation(token);
      return container.items.getChangeFeedIterator<Item>({ changeFeedStartFrom });
    });
    const [low, high] = await Promise.all(halves.map((half) => drain(half)));
    expect(low?.ids.length).toBeGreaterThan(0);
    expect(high?.ids.length).toBeGreaterThan(0);
    expect(new Set([...(low?.ids ?? []), ...(high?.ids ?? [])])).toEqual(new Set(ids));
    expect((low?.ids.length ?? 0) + (high?.ids.length ?? 0)).toBe(20);
  });

  it('is the same for the old iterator, by key, with counts', async () => {
    const { container } = await setUp({}, { partitions: 2 });
    await create(container, 'a1', 'b1', 'a2', 'a3');
    const iterator = container.items.changeFeed('a', { startFromBeginning: true, maxItemCount: 2 });
    const first = await iterator.fetchNext();
    expect(first.result.map(({ id }: Item) => id)).toEqual(['a1', 'a2']);
    expect([first.statusCode, first.count, first.headers['x-ms-item-count']]).toEqual([200, 2, '2']);
    expect((await iterator.fetchNext()).result.map(({ id }: Item) => id)).toEqual(['a3']);
    const none = await iterator.fetchNext();
    expect([none.statusCode, none.count]).toEqual([304, 0]);
    expect(iterator.hasMoreResults).toBe(false);
    const now = container.items.changeFeed('a');
    expect((await now.fetchNext()).statusCode).toBe(304);
    await create(container, 'a4');
    expect((await now.fetchNext()).result.map(({ id }: Item) => id)).toEqual(['a4']);
    const resumed = container.items.changeFeed('a', { continuation: first.etag });
    expect((await resumed.fetchNext()).result.map(({ id }: Item) => id)).toEqual(['a3', 'a4']);
  });

  it('keeps item and metadata apart in the wire format that does', async () => {
    const { container, emulator } = await setUp();
    emulator.clock.set(new Date('2026-01-01T00:00:00Z'));
    await create(container, 'a1');
    const newer = clientWith(emulator, { 'x-ms-cosmos-changefeed-wire-format-version': '2021-09-15' });
    const feed = newer.database('db').container('items').items.changeFeed('a', { startFromBeginning: true });
    const crts = Date.parse('2026-01-01T00:00:00Z') / 1000;
    expect((await feed.fetchNext()).result).toEqual([
      { current: expect.objectContaining({ id: 'a1', _ts: crts }), metadata: { lsn: 1, crts } },
    ]);
  });

  it('refuses what is no position, no date and no mode', async () => {
    const { emulator } = await setUp();
    for (const headers of [
      { 'if-none-match': '"soon"' },
      { 'if-modified-since': 'yesterday' },
      { 'a-im': 'Everything' },
    ]) {
      const broken = clientWith(emulator, headers).database('db').container('items');
      const feed = broken.items.changeFeed('a', { startFromBeginning: true });
      await expect(feed.fetchNext()).rejects.toMatchObject({ code: 400 });
    }
  });

  it('keeps the writes of one batch together, under one number', async () => {
    const { container } = await setUp();
    await create(container, 'a0');
    const body = (id: string) => ({ operationType: 'Create' as const, resourceBody: { id, pk: 'a' } });
    await container.items.batch(['a1', 'a2', 'a3', 'a4', 'a5'].map(body), 'a');
    const iterator = container.items.getChangeFeedIterator<Item>({
      changeFeedStartFrom: ChangeFeedStartFrom.Beginning(),
      maxItemCount: 2,
    });
    expect((await iterator.readNext()).result.map((item) => item._lsn)).toEqual([1, 2, 2, 2, 2, 2]);
  });
});
