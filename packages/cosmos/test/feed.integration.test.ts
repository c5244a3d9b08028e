import {
  type Change,
  type ChangeFeed,
  defineEntity,
  type Entity,
  type FeedRange,
  type JsonObject,
  type Permit,
  StoreError,
} from '@polyphase/core';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { cosmosStore } from '../src/index.ts';
import { type CosmosSetup, createContainer, liveEndpoint, setUpCosmos } from './cosmos-setup.ts';

const Account = defineEntity({
  name: 'accounts',
  schema: z.object({ id: z.string(), tenantId: z.string(), n: z.number().optional() }),
  key: { partition: 'tenantId', id: 'id' },
});
const Loose = defineEntity({
  name: 'loose',
  schema: z.object({ id: z.string(), tenantId: z.string(), n: z.number().optional() }),
  key: { partition: 'tenantId', id: 'id' },
  loose: true,
});

let setup: CosmosSetup | undefined;
afterEach(async () => {
  await setup?.close();
  setup = undefined;
});

async function setUp(partitions: number, entities: readonly Entity[] = [Account]): Promise<CosmosSetup> {
  setup = await setUpCosmos(entities, { emulator: { partitions }, store: { control: 'accounts' } });
  return setup;
}

async function create({ store }: CosmosSetup, tenantId: string, id: string): Promise<void> {
  const key = { partition: [tenantId], id };
  const value = { id, tenantId };
  await store
    .records(Account)
    .write({ kind: 'create', key, operationId: `c-${tenantId}-${id}`, value }, { term: 1 });
}

// Reads a range until nothing is there.
async function drain(
  feed: ChangeFeed,
  range: FeedRange,
  from?: string,
): Promise<{ readonly changes: readonly Change[]; readonly position: string }> {
  const changes: Change[] = [];
  let position = from;
  for (;;) {
    const page = await feed.read(range, position, { limit: 3 });
    changes.push(...page.changes);
    position = page.position;
    if (page.idle) return { changes, position };
  }
}

async function only(feed: ChangeFeed): Promise<FeedRange> {
  const [range] = await feed.ranges();
  if (!range) throw new Error('There is no range.');
  return range;
}

describe('the feed', () => {
  it('goes on where another reader left off, in another process too', async () => {
    const cosmos = await setUp(1);
    const feed = cosmos.store.changes(Account);
    const range = await only(feed);
    for (const id of ['a', 'b', 'c', 'd', 'e']) await create(cosmos, 't', id);
    const first = await feed.read(range, undefined, { limit: 2 });
    const second = await feed.read(range, first.position, { limit: 2 });
    // The kept reader stands behind the second page; the same position again must give the same page.
    const again = await feed.read(range, first.position, { limit: 2 });
    expect(again.changes).toEqual(second.changes);
    const elsewhere = await cosmosStore({ database: cosmos.database })
      .changes(Account)
      .read(range, first.position, { limit: 2 });
    expect(elsewhere.changes).toEqual(second.changes);
  });

  it('tells the service’s date', async () => {
    const cosmos = await setUp(1);
    const now = cosmos.emulator?.clock.now() ?? Date.now();
    const page = await cosmos.store
      .changes(Account)
      .read(await only(cosmos.store.changes(Account)), undefined);
    expect(Math.abs(page.serverNowMs - now)).toBeLessThan(60_000);
  });

  it('hides the SDK’s own documents, and a page of nothing else is not the end', async () => {
    const cosmos = await setUp(1);
    const permit = { epoch: 1, open: true, opening: 1, term: 1, leaseMs: 1, drainMs: 1, tombstones: false };
    await cosmos.store.permits.create('accounts', permit);
    await cosmos.store.leases.acquire('work', 'me', 1_000);
    await cosmos.store.checkpoints.advance({ name: 'x', expected: 0, position: 'p' });
    await create(cosmos, 't', 'a');
    const feed = cosmos.store.changes(Account);
    const range = await only(feed);
    const first = await feed.read(range, undefined, { limit: 2 });
    expect([first.changes.length, first.idle]).toEqual([0, false]);
    const { changes } = await drain(feed, range);
    expect(changes.map((change) => change.kind === 'record' && change.record.key.id)).toEqual(['a']);
  });

  it('sets aside what can be no record, with what is wrong, and no value in it', async () => {
    const cosmos = await setUp(1, [Account, Loose]);
    const put = async (entity: Entity, document: JsonObject): Promise<void> => {
      await cosmos.store.container(entity).items.create({ ...document });
    };
    const documents: readonly JsonObject[] = [
      { id: 'nul', tenantId: 't', note: 'a\u0000b' },
      { id: 'lone', tenantId: 't', note: '\ud800' },
      { id: 'odd ', tenantId: 't' },
      { id: 'reserved', tenantId: 't', _h: [1] },
      { id: 'wrong', tenantId: 't', n: 'secret' },
      { id: 'fine', tenantId: 't', extra: true },
    ];
    for (const entity of [Account, Loose]) {
      for (const document of documents) await put(entity, document);
      const feed = cosmos.store.changes(entity);
      const { changes } = await drain(feed, await only(feed));
      const labels = changes.flatMap((change) => (change.kind === 'unmappable' ? change.label : []));
      const wanted = ['nul', 'lone', 'reserved', ...(entity.loose ? [] : ['wrong'])];
      // An id that is no harmless text is told by its digest.
      expect(labels.filter((label) => !label.startsWith('#')).toSorted()).toEqual(wanted.toSorted());
      expect(labels).toHaveLength(wanted.length + 1);
      for (const change of changes) {
        if (change.kind !== 'unmappable') continue;
        expect(change.issues.length).toBeGreaterThan(0);
        expect(JSON.stringify(change.issues)).not.toContain('secret');
        const id = change.label.startsWith('#') ? 'odd ' : change.label;
        expect(JSON.parse(change.body)).toMatchObject({ id });
        expect(change.body).not.toContain('_rid');
      }
    }
  });

  it('refuses a position of a container that was made anew, and goes on with the new one from the beginning', async () => {
    const cosmos = await setUp(1);
    const feed = cosmos.store.changes(Account);
    await create(cosmos, 't', 'a');
    const range = await only(feed);
    const { position } = await drain(feed, range);
    const marker = await feed.mark(range);
    await cosmos.store.container(Account).delete();
    await createContainer(cosmos.database, Account);
    await cosmos.store.container(Account).items.create({ id: 'new', tenantId: 't' });
    // Somewhere between the first page and a minute later the reader notices; it never serves the new history under the old name.
    const refused = await feed.read(range, position).catch((error: unknown) => error);
    expect(StoreError.isInstance(refused)).toBe(true);
    expect(String(refused)).toContain('synchronise from the beginning');
    await expect(feed.read(range, position)).rejects.toMatchObject({ code: 'store' });
    const fresh = await drain(feed, range);
    expect(fresh.changes).toHaveLength(1);
    expect(feed.passed(fresh.position, marker)).toBe(false);
  });
});

describe('a marker', () => {
  it('is passed by who has read all that was committed before it, and by nobody else', async () => {
    const cosmos = await setUp(3);
    const feed = cosmos.store.changes(Account);
    for (let i = 0; i < 30; i += 1) await create(cosmos, `t${i}`, 'a');
    const seen: string[] = [];
    for (const range of await feed.ranges()) {
      const marker = await feed.mark(range);
      expect(feed.passed(undefined, marker)).toBe(false);
      let position: string | undefined;
      let passed = false;
      while (!passed) {
        const page = await feed.read(range, position, { limit: 2 });
        passed = feed.passed(page.position, marker);
        // What comes after the marker may come with it, never the other way round.
        expect(passed || !page.idle).toBe(true);
        for (const change of page.changes)
          if (change.kind === 'record') seen.push(String(change.record.key.partition[0]));
        position = page.position;
      }
    }
    expect(new Set(seen)).toEqual(new Set(Array.from({ length: 30 }, (_, i) => `t${i}`)));
  });

  it('is not passed by a reader that stopped just before it', async () => {
    const cosmos = await setUp(1);
    const feed = cosmos.store.changes(Account);
    const range = await only(feed);
    await create(cosmos, 't', 'a');
    const { position } = await drain(feed, range);
    await create(cosmos, 't', 'b');
    const near = await drain(feed, range, position);
    const marker = await feed.mark(range);
    expect(feed.passed(position, marker)).toBe(false);
    // Everything but the marker itself was read: one number short.
    expect(feed.passed(near.position, marker)).toBe(false);
    const after = await drain(feed, range, position);
    expect(feed.passed(after.position, marker)).toBe(true);
    expect(after.changes).toHaveLength(1);
  });

  it('of an empty range is passed at once', async () => {
    const cosmos = await setUp(1);
    const feed = cosmos.store.changes(Account);
    const range = await only(feed);
    expect(feed.passed(undefined, await feed.mark(range))).toBe(true);
  });

  it('leaves one document in its range, however often it is set', async () => {
    const cosmos = await setUp(1);
    const feed = cosmos.store.changes(Account);
    const range = await only(feed);
    for (let i = 0; i < 5; i += 1) {
      await create(cosmos, `t${i}`, 'a');
      await drain(feed, range);
      await feed.mark(range);
    }
    const { resources } = await cosmos.store
      .container(Account)
      .items.query('SELECT VALUE c.id FROM c WHERE STARTSWITH(c.id, "hyb:marker")')
      .fetchAll();
    expect(resources).toHaveLength(1);
  });
});

describe.skipIf(liveEndpoint !== undefined)('permits under faults (needs the emulator’s faults)', () => {
  const permit = {
    epoch: 1,
    open: true,
    opening: 1,
    term: 1,
    leaseMs: 30_000,
    drainMs: 30_000,
    tombstones: false,
  };

  it('are written once the answer is lost: created, projected, drained', async () => {
    const { store, emulator } = await setUp(1);
    emulator?.faults.add({ operation: 'create', reset: 'after' });
    expect(await store.permits.create('accounts', permit)).toEqual(permit);
    emulator?.faults.add({ operation: 'patch', reset: 'after' });
    const next = { ...permit, epoch: 2, open: false };
    expect(await store.permits.project('accounts', next, { over: 1 })).toEqual(next);
    emulator?.faults.add({ operation: 'patch', reset: 'before' });
    await store.permits.drained('accounts', 2, 5_000);
    expect(await store.permits.read('accounts')).toEqual({ ...next, drainMs: 5_000 });
  });

  it('grant nothing that was not answered', async () => {
    const { store, emulator } = await setUp(1);
    await store.permits.create('accounts', permit);
    emulator?.faults.add({ operation: 'patch', reset: 'after' });
    await expect(store.permits.renew('accounts', 'me')).rejects.toMatchObject({ code: 'connection' });
  });

  it('are never taken back by coordinators and heartbeats at the same time', async () => {
    const { store } = await setUp(1);
    await store.permits.create('accounts', permit);
    const epochs = Array.from({ length: 20 }, (_, i) => i + 2);
    const heart = { stopped: false };
    const beat = async (holder: string): Promise<void> => {
      let last = 0;
      while (!heart.stopped) {
        const lease = await store.permits.renew('accounts', holder);
        expect(lease?.opening ?? last).toBeGreaterThanOrEqual(last);
        last = lease?.opening ?? last;
      }
    };
    const beats = ['a', 'b', 'c'].map(beat);
    const shuffled = epochs.toSorted((a, b) => ((a * 7) % 11) - ((b * 7) % 11));
    const results = await Promise.all(
      shuffled.map(async (epoch) => {
        let there: Permit = permit;
        while (there.epoch < epoch)
          there = await store.permits.project(
            'accounts',
            { ...permit, epoch, opening: epoch, term: epoch },
            { over: there.epoch },
          );
        return there;
      }),
    );
    heart.stopped = true;
    await Promise.all(beats);
    for (const [i, result] of results.entries())
      expect(result.epoch).toBeGreaterThanOrEqual(shuffled[i] ?? 0);
    expect((await store.permits.read('accounts'))?.epoch).toBe(21);
  });
});
