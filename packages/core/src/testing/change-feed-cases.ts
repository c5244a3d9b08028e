// size: the cases of one contract are read together
import type { Change, ChangeFeed, FeedRange } from '../change-feed.ts';
import { keyText } from '../key.ts';
import type { StoredRecord } from '../record.ts';
import type { RecordStore } from '../record-store.ts';
import type { DocumentStore } from '../store.ts';
import { equal, ok, present } from './assert.ts';
import { type ContractCase, type ContractSubject, suite } from './contract.ts';
import { Member, Movie, Task } from './entities.ts';
import { patch, put, remove, write } from './intents.ts';

type Case = ContractCase<DocumentStore>;

interface Drained {
  readonly changes: readonly Change[];
  readonly positions: ReadonlyMap<string, string>;
}

const recordsOf = (changes: readonly Change[]): readonly StoredRecord[] =>
  changes.flatMap((change) => (change.kind === 'record' ? [change.record] : []));

async function drainRange(
  feed: ChangeFeed,
  range: FeedRange,
  from: string | undefined,
  limit: number,
): Promise<{ readonly changes: readonly Change[]; readonly position: string }> {
  const marker = await feed.mark(range);
  const changes: Change[] = [];
  let position = from;
  for (let guard = 0; guard < 10_000; guard += 1) {
    const page = await feed.read(range, position, { limit });
    ok(page.changes.length <= limit, `a page holds ${page.changes.length}, wanted ${limit} at most`);
    changes.push(...page.changes);
    position = page.position;
    if (feed.passed(position, marker)) return { changes, position };
  }
  throw new RangeError('the marker is never passed');
}

/** Reads every range until it is past a marker of its own: all that was committed before. */
async function drain(feed: ChangeFeed, from?: ReadonlyMap<string, string>, limit = 500): Promise<Drained> {
  const changes: Change[] = [];
  const positions = new Map<string, string>();
  for (const range of await feed.ranges()) {
    const drained = await drainRange(feed, range, from?.get(range.id), limit);
    changes.push(...drained.changes);
    positions.set(range.id, drained.position);
  }
  return { changes, positions };
}

function newest(records: readonly StoredRecord[]): ReadonlyMap<string, StoredRecord> {
  return new Map(records.map((record) => [keyText(record.key), record]));
}

async function seed(records: RecordStore, ids: readonly string[]): Promise<void> {
  for (const [i, id] of ids.entries())
    await write(records, put('create', Task, { id, tenantId: `t${i % 4}`, rank: i }));
}

const ids = Array.from({ length: 12 }, (_, i) => `n${i}`);
const keyOf = (i: number) => ({ partition: [`t${i % 4}`], id: `n${i}` });

const reading: readonly Case[] = [
  {
    name: 'from the beginning, every record is told as it is',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      await seed(records, ids);
      const { changes } = await drain(store.changes(Task));
      const found = newest(recordsOf(changes));
      equal(found.size, ids.length, 'records');
      for (const record of found.values()) {
        const stored = present(await records.read(record.key), 'record');
        equal(
          [record.value, record.version, record.digest, record.operations],
          [stored.value, stored.version, stored.digest, stored.operations],
          keyText(record.key),
        );
        equal(record.etag, stored.etag, 'etag');
      }
    },
  },
  {
    name: 'from a position, only what changed since is told, deletes as tombstones',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const feed = store.changes(Task);
      await seed(records, ids);
      const { positions } = await drain(feed);
      equal((await drain(feed, positions)).changes, [], 'nothing since');
      await write(records, patch(keyOf(3), { rank: 33 }));
      await write(records, remove(keyOf(5)));
      await write(records, put('create', Task, { id: 'new', tenantId: 't1' }));
      const found = newest(recordsOf((await drain(feed, positions)).changes));
      equal([...found.values()].map((it) => it.key.id).toSorted(), ['n3', 'n5', 'new'], 'ids');
      equal(present(found.get(keyText(keyOf(3))), 'patched').value?.['rank'], 33, 'patched');
      equal(present(found.get(keyText(keyOf(5))), 'deleted').value, undefined, 'tombstone');
    },
  },
  {
    name: 'pages of any size tell the same, and a position may be read from again',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      await seed(records, ids);
      // Changed again, so that the order of change is not the order of creation.
      for (const i of [0, 4, 1]) await write(records, patch(keyOf(i), { title: 'again' }));
      const feed = store.changes(Task);
      const whole = newest(recordsOf((await drain(feed)).changes));
      for (const limit of [1, 5]) {
        const paged = newest(recordsOf((await drain(feed, undefined, limit)).changes));
        equal([...paged.keys()].toSorted(), [...whole.keys()].toSorted(), `limit ${limit}`);
      }
    },
  },
  {
    name: 'changes of one key are told in their order, however many writers there are',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const feed = store.changes(Task);
      await seed(records, ids);
      const seen: StoredRecord[] = [];
      const positions = new Map<string, string>();
      const writing = Promise.all(
        ids.flatMap((_, i) =>
          [1, 2, 3].map((rank) => write(records, patch(keyOf(i), { marks: { [`m${rank}`]: rank } }))),
        ),
      );
      for (let round = 0; round < 5; round += 1)
        for (const range of await feed.ranges()) {
          const page = await feed.read(range, positions.get(range.id), { limit: 3 });
          seen.push(...recordsOf(page.changes));
          positions.set(range.id, page.position);
        }
      await writing;
      seen.push(...recordsOf((await drain(feed, positions)).changes));
      const last = new Map<string, number>();
      for (const record of seen) {
        const text = keyText(record.key);
        ok(record.version.counter >= (last.get(text) ?? 0), `${text} went back`);
        last.set(text, record.version.counter);
      }
      const found = newest(seen);
      for (const [i] of ids.entries())
        equal(found.get(keyText(keyOf(i)))?.version, (await records.read(keyOf(i)))?.version, `n${i}`);
    },
  },
  {
    name: 'an empty feed is idle, and its position can be read from',
    requires: [],
    run: async ({ store }) => {
      const feed = store.changes(Task);
      const [range] = await feed.ranges();
      const first = await feed.read(present(range, 'range'), undefined);
      equal([first.changes, first.idle], [[], true], 'first');
      const second = await feed.read(present(range, 'range'), first.position);
      equal([second.changes, second.idle], [[], true], 'second');
      ok(second.serverNowMs > 1e12, "the store's date");
    },
  },
];

const markers: readonly Case[] = [
  {
    name: 'a marker is passed only by whoever has read what was committed before it',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const feed = store.changes(Task);
      await seed(records, ids);
      for (const range of await feed.ranges()) {
        const marker = await feed.mark(range);
        ok(!feed.passed(undefined, marker), 'nothing was read yet');
        const early = await feed.read(range, undefined, { limit: 1 });
        const rest = await feed.read(range, early.position);
        if (rest.changes.length > 0) ok(!feed.passed(early.position, marker), 'passed before all was read');
        const { position } = await drainRange(feed, range, rest.position, 500);
        ok(feed.passed(position, marker), 'the marker is passed');
        const later = await feed.mark(range);
        ok(!feed.passed(position, later), 'a later marker is not');
        const next = await drainRange(feed, range, position, 500);
        ok(feed.passed(next.position, later) && feed.passed(next.position, marker), 'both are passed');
      }
    },
  },
  {
    name: 'how far a position is behind a marker tells at least what is still to come, and nothing where it was passed',
    requires: [],
    run: async ({ store }) => {
      const feed = store.changes(Task);
      await seed(store.records(Task), ids);
      let told = 0;
      for (const range of await feed.ranges()) {
        const marker = await feed.mark(range);
        const still: { readonly behind: number; readonly told: number }[] = [];
        let position: string | undefined;
        while (!feed.passed(position, marker)) {
          const behind = feed.behind(position, marker);
          const page = await feed.read(range, position, { limit: 1 });
          still.push({ behind, told: page.changes.length });
          ({ position } = page);
        }
        equal(feed.behind(position, marker), 0, 'passed');
        told += still.reduce((sum, it) => sum + it.told, 0);
        for (const [i, { behind }] of still.entries()) {
          const toCome = still.slice(i).reduce((sum, it) => sum + it.told, 0);
          ok(behind >= toCome, `${behind} behind, ${toCome} to come`);
          // Markers count as well, one in each partition.
          ok(behind <= toCome + 20, `${behind} behind, ${toCome} to come`);
        }
      }
      equal(told, ids.length, 'all told');
    },
  },
  {
    name: 'what was written before a marker is among what was read when it is passed',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const feed = store.changes(Task);
      let { positions } = await drain(feed);
      for (let round = 0; round < 5; round += 1) {
        const made = await write(records, put('create', Task, { id: `r${round}`, tenantId: `t${round}` }));
        const drained = await drain(feed, positions);
        equal(
          recordsOf(drained.changes).map((it) => [it.key.id, it.version]),
          [[`r${round}`, made.record.version]],
          `round ${round}`,
        );
        ({ positions } = drained);
      }
    },
  },
];

const hidden: readonly Case[] = [
  {
    name: 'permits, leases, checkpoints and markers are in no query, count, scan or feed',
    requires: [],
    run: async ({ store }) => {
      const permit = {
        epoch: 1,
        open: true,
        opening: 1,
        term: 1,
        leaseMs: 30_000,
        drainMs: 30_000,
        tombstones: false,
      };
      await store.permits.create('contract', permit);
      await store.permits.renew('contract', 'me');
      await store.leases.acquire('contract', 'me', 30_000);
      await store.checkpoints.advance({ name: 'contract', expected: 0, position: 'p' });
      for (const entity of [Task, Movie, Member]) {
        const feed = store.changes(entity);
        equal((await drain(feed)).changes, [], `${entity.name}: feed`);
        equal((await drain(feed)).changes, [], `${entity.name}: feed after markers`);
        const records = store.records(entity);
        equal(await records.count(), 0, `${entity.name}: count`);
        for await (const page of records.scan()) equal(page, [], `${entity.name}: scan`);
        const all = {
          where: { kind: 'all', of: [] },
          orderBy: [],
          direction: 'asc',
          limit: 10,
          after: undefined,
          partition: undefined,
          prefix: [],
        } as const;
        equal(await records.query(all), [], `${entity.name}: query`);
      }
    },
  },
  {
    name: 'the feed of an entity tells no other entity',
    requires: [],
    run: async ({ store }) => {
      await write(store.records(Task), put('create', Task, { id: 'a', tenantId: 't1' }));
      await write(store.records(Movie), put('create', Movie, { id: 'm', genre: 't1', title: 't' }));
      equal(
        recordsOf((await drain(store.changes(Movie))).changes).map((it) => it.key.id),
        ['m'],
        'movies',
      );
      equal(
        recordsOf((await drain(store.changes(Task))).changes).map((it) => it.key.id),
        ['a'],
        'tasks',
      );
    },
  },
];

const foreign: readonly Case[] = [
  {
    name: 'documents written around the SDK are told without a stamp, and unmappable ones with what is wrong',
    requires: ['foreign'],
    run: async (subject) => {
      const writer = present(subject.foreign, 'a foreign writer');
      await writer.put(Task, { id: 'fits', tenantId: 't1', rank: 1, extra: 'kept' });
      await writer.put(Task, { id: 'misfit', tenantId: 't1', rank: 'high' });
      await writer.put(Movie, { id: 'loose', genre: 'g', rating: 'high' });
      const { changes } = await drain(subject.store.changes(Task));
      const [record] = recordsOf(changes);
      equal([record?.key.id, record?.version], ['fits', { term: 0, counter: 0 }], 'unstamped');
      equal(record?.value, { id: 'fits', tenantId: 't1', rank: 1, extra: 'kept' }, 'value');
      ok(record?.etag !== undefined, 'an ETag');
      const bad = changes.flatMap((it) => (it.kind === 'unmappable' ? [it] : []));
      equal(
        bad.map((it) => [it.label, it.issues[0]?.path]),
        [['misfit', ['rank']]],
        'unmappable',
      );
      equal(JSON.parse(bad[0]?.body ?? 'null')?.rank, 'high', 'body');
      const movies = await drain(subject.store.changes(Movie));
      equal(
        recordsOf(movies.changes).map((it) => it.key.id),
        ['loose'],
        'a loose entity maps it',
      );
    },
  },
];

const splits: readonly Case[] = [
  {
    name: 'a position is its own range’s, and there is none where nothing was read',
    requires: [],
    run: async ({ store }) => {
      const feed = store.changes(Task);
      await seed(store.records(Task), ids);
      const { positions } = await drain(feed);
      for (const range of await feed.ranges()) {
        equal(feed.positionOf(range, positions), positions.get(range.id), 'own');
        equal(feed.positionOf(range, new Map()), undefined, 'none');
      }
    },
  },
  {
    name: 'after a split each part goes on from where the whole was: nothing twice, nothing left out',
    requires: ['split'],
    run: async (subject) => {
      const { store } = subject;
      const records = store.records(Task);
      const feed = store.changes(Task);
      await seed(records, ids);
      const wholes = await feed.ranges();
      const { positions } = await drain(feed);
      await splitTasks(subject);
      const parts = await feed.ranges();
      equal(parts.length, 2 * wholes.length, 'ranges');
      for (const [i] of ids.entries()) await write(records, patch(keyOf(i), { rank: i + 100 }));
      const from = positionsOf(feed, parts, positions);
      equal(from.size, parts.length, 'positions');
      const { changes } = await drain(feed, from);
      equal(
        recordsOf(changes)
          .map((it) => it.key.id)
          .toSorted(),
        ids.toSorted(),
        'told once',
      );
      // And once more, from positions of wholes, parts and parts of parts.
      const [first, ...rest] = [...from];
      const mixed = new Map([...positions, ...(await readOn(feed, present(first, 'part'))), ...rest]);
      await splitTasks(subject);
      const again = await drain(feed, positionsOf(feed, await feed.ranges(), mixed));
      const told = new Set(recordsOf(again.changes).map((it) => it.key.id));
      const missing = new Set(ids.filter((id) => !told.has(id)));
      const early = recordsOf(changes).filter((it) => missing.has(it.key.id));
      ok(told.size < ids.length && early.length === missing.size, 'what one part had read is not told again');
    },
  },
  {
    name: 'a marker in a range that was split is passed by the positions of its parts, all of them',
    requires: ['split'],
    run: async (subject) => {
      const { store } = subject;
      const feed = store.changes(Task);
      await seed(store.records(Task), ids);
      const wholes = await feed.ranges();
      const before = (await drain(feed)).positions;
      const marks = await Promise.all(wholes.map((range) => feed.mark(range)));
      const isPassed = (known: ReadonlyMap<string, string>) =>
        wholes.map((range, i) => feed.passed(feed.positionOf(range, known), present(marks[i], 'marker')));
      await splitTasks(subject);
      const parts = await feed.ranges();
      const from = positionsOf(feed, parts, before);
      equal(
        isPassed(from),
        wholes.map(() => false),
        'not by where the wholes were',
      );
      const { positions } = await drain(feed, from);
      equal(
        isPassed(positions),
        wholes.map(() => true),
        'by where the parts are',
      );
      const [behind] = parts;
      const id = present(behind, 'part').id;
      const without = new Map([...positions].filter(([it]) => it !== id));
      ok(isPassed(without).includes(false), 'not while one part was never read');
      const late = new Map([...positions, [id, present(from.get(id), 'from')]]);
      ok(isPassed(late).includes(false), 'not while one part is behind');
    },
  },
];

async function splitTasks(subject: ContractSubject<DocumentStore>): Promise<void> {
  ok(subject.split !== undefined, 'the subject can split');
  await subject.split(Task);
}

function positionsOf(
  feed: ChangeFeed,
  ranges: readonly FeedRange[],
  known: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  return new Map(
    ranges.flatMap((range): [string, string][] => {
      const position = feed.positionOf(range, known);
      return position === undefined ? [] : [[range.id, position]];
    }),
  );
}

async function readOn(feed: ChangeFeed, [id, from]: readonly [string, string]): Promise<[string, string][]> {
  const { position } = await drainRange(feed, { id }, from, 500);
  return [[id, position]];
}

/** The change feed of documents. */
export const changeFeedCases: readonly Case[] = suite('change feed', [
  ...reading,
  ...markers,
  ...splits,
  ...hidden,
  ...foreign,
]);
