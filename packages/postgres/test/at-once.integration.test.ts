import {
  decideWrite,
  defineEntity,
  encodeVersion,
  type JsonObject,
  type StoredRecord,
  type WriteDecision,
  type WriteIntent,
  type WriteResult,
} from '@polyphase/core';
import { type FaultProxy, startFaultProxy } from '@polyphase/test-support';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import fc from 'fast-check';
import { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { postgresStore } from '../src/index.ts';
import { groupLock } from '../src/sql/share-group.ts';
import { appears, controlRow, keyOf, Note } from './support.ts';

const Deep = defineEntity({
  name: 'deep',
  schema: z.object({
    id: z.string(),
    tenant: z.string(),
    text: z.string().nullable().optional(),
    place: z
      .object({ city: z.string().optional(), at: z.object({ x: z.number().optional() }).optional() })
      .optional(),
    labels: z.record(z.string(), z.number()).optional(),
    list: z.array(z.object({ n: z.number() })).optional(),
  }),
  key: { partition: 'tenant', id: 'id' },
});

const put = (kind: 'create' | 'replace', id: string, fields: JsonObject = {}): WriteIntent => ({
  kind,
  key: keyOf(id),
  operationId: crypto.randomUUID(),
  value: { id, tenant: 't', ...fields },
});
const over = (record: StoredRecord, fields: JsonObject = {}): WriteIntent => ({
  kind: 'replace',
  key: record.key,
  operationId: crypto.randomUUID(),
  value: { id: record.key.id, tenant: 't', ...fields },
  ifVersion: encodeVersion(record.version),
});

// Unknown names stand at every depth beside known ones.
const optional = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined });
const fields = fc
  .record({
    text: optional(fc.constantFrom('a', 'b', null)),
    place: optional(
      fc.record({
        city: optional(fc.constant('c')),
        at: optional(fc.record({ x: optional(fc.constant(1)), y: optional(fc.constant(2)) })),
        zip: optional(fc.constant('z')),
      }),
    ),
    labels: optional(fc.constantFrom({ a: 1 }, { b: 2 })),
    list: optional(fc.constantFrom([{ n: 1 }], [{ n: 1, m: 2 }])),
    extra: optional(fc.constantFrom('e', null, { deep: true })),
  })
  // As JSON has it: what is undefined is not there.
  .map((value) => JSON.parse(JSON.stringify(value)) as JsonObject);
const step = fc.record({
  kind: fc.constantFrom('create', 'replace', 'replace', 'upsert', 'patch', 'delete'),
  id: fc.constantFrom('1', '2'),
  fields,
  expected: fc.constantFrom('none', 'right', 'right', 'old'),
  dropUnknown: fc.boolean(),
  repeats: fc.boolean(),
  term: fc.constantFrom(1, 1, 2),
});

type Outcome<Made> = Made | { readonly refused: string };

async function outcomeOf<Made>(work: () => Promise<Made>): Promise<Outcome<Made>> {
  try {
    return await work();
  } catch (error) {
    return { refused: (error as { code: string }).code };
  }
}

/** What is told of the record: over nothing the counter is the server's date, and not for us to say. */
function expectedRecord(
  before: StoredRecord | undefined,
  wanted: Outcome<WriteDecision>,
  got: Outcome<WriteResult>,
): StoredRecord | undefined {
  if ('refused' in wanted || 'refused' in got) return undefined;
  const { record, kind } = wanted;
  if (before || kind === 'done') return record;
  const { counter } = got.record.version;
  const isDate = counter % 1_024 === 0 && Math.abs(counter / 1_024 - Date.now()) < 60_000;
  const version = isDate ? got.record.version : record.version;
  return { ...record, version, operations: record.operations.map((mark) => ({ ...mark, ...version })) };
}

describeWith('postgres')('writes of one round trip', () => {
  const database = testDatabase();
  const direct = new Pool({ connectionString: database.url });
  let proxy: FaultProxy;
  let pool: Pool;
  let store: ReturnType<typeof postgresStore>;
  beforeAll(async () => {
    await postgresStore({ pool: direct }).prepare([Note, Deep]);
    proxy = await startFaultProxy(database.url);
    pool = new Pool({ connectionString: proxy.through(database.url) });
    store = postgresStore({ pool, timeoutMs: 2_000 });
  });
  beforeEach(() => proxy.heal());
  afterAll(async () => {
    await pool.end();
    await proxy.close();
    await direct.end();
  });

  it('decide as the rules do, whatever came before', async () => {
    const records = postgresStore({ pool: direct }).records(Deep);
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
        const tenant = `run ${run++}`;
        const past = new Map<string, { versions: string[]; operations: string[] }>();
        for (const { kind, id, fields: some, expected, dropUnknown, repeats, term } of steps) {
          const key = { partition: [tenant], id };
          const { versions, operations } = past.get(id) ?? { versions: [], operations: [] };
          past.set(id, { versions, operations });
          const before = await records.read(key);
          const operationId = repeats ? (operations.at(-1) ?? 'first') : crypto.randomUUID();
          const right = before ? encodeVersion(before.version) : '1.7';
          const ifVersion = { none: undefined, right, old: versions.at(-2) ?? right }[expected];
          const value = { id, tenant, ...some };
          const intent = {
            kind,
            key,
            operationId,
            value,
            patch: some,
            ifVersion,
            dropUnknown,
          } as WriteIntent;
          const context = { entity: Deep, term, serverNowMs: Date.now() };
          const wanted = await outcomeOf(async () => decideWrite(before, intent, context));
          const got = await outcomeOf(() => records.write(intent, { term }));
          const record = expectedRecord(before, wanted, got);
          expect(got).toMatchObject('refused' in wanted ? wanted : { existed: wanted.existed, record });
          const stored = 'refused' in wanted || wanted.kind === 'done' ? before : record;
          expect(await records.read(key)).toEqual(stored);
          if ('refused' in got) continue;
          const { version } = got.record;
          versions.push(encodeVersion(version));
          operations.push(operationId);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('a column that is added meanwhile is waited for, and holds the value', async () => {
    const before = defineEntity({
      name: 'grown',
      schema: z.object({ id: z.string(), tenant: z.string() }),
      key: { partition: 'tenant', id: 'id' },
    });
    const after = defineEntity({
      name: 'grown',
      schema: z.object({ id: z.string(), tenant: z.string(), text: z.string().optional() }),
      key: { partition: 'tenant', id: 'id' },
    });
    const old = postgresStore({ pool: direct });
    await old.prepare([before]);
    const { record } = await old.records(before).write(put('create', 'there', { text: 'x' }), { term: 1 });
    const keeper = await direct.connect();
    await keeper.query('begin; select 1 from polyphase.entity_table for update');
    const migrated = postgresStore({ pool: direct }).prepare([after]);
    migrated.catch(() => undefined);
    await appears(direct, "select 1 from pg_stat_activity where wait_event_type = 'Lock'");
    // The migration holds the table from its next statement on, before the layout is committed.
    const locked =
      "select 1 from pg_locks where mode = 'AccessExclusiveLock' and relation = 'grown'::regclass";
    const stop = await direct.connect();
    await stop.query('begin; lock table grown in access share mode');
    await keeper.query('commit');
    keeper.release();
    await appears(direct, locked);
    const writes = [
      old.records(before).write(put('create', 'new', { text: 'y' }), { term: 1 }),
      old.records(before).write(over(record, { text: 'z' }), { term: 1 }),
    ];
    await appears(direct, `select 1 from pg_locks where not granted having count(*) >= 3`);
    await stop.query('commit');
    stop.release();
    await migrated;
    await Promise.all(writes);
    const { rows } = await direct.query('select id, text, hyb_rest from grown order by 1');
    expect(rows).toEqual([
      { id: 'new', text: 'y', hyb_rest: {} },
      { id: 'there', text: 'z', hyb_rest: {} },
    ]);
  });

  it.for(['create', 'replace'] as const)('a %s behind an exclusive step sees what it made', async (kind) => {
    const fence = `step ${kind}`;
    const notes = postgresStore({ pool: direct }).records(Note);
    await store.control.create(controlRow(fence, '6'));
    const { record } = await notes.write(put('create', `there ${kind}`), { term: 2, fence });
    const keeper = await direct.connect();
    await keeper.query('begin');
    await keeper.query('select pg_advisory_xact_lock($1)', [groupLock(fence)]);
    const intent = kind === 'create' ? put(kind, 'new') : over(record, { n: 1 });
    const write = notes.write(intent, { term: 2, fence });
    write.catch(() => undefined);
    await appears(direct, "select 1 from pg_locks where locktype = 'advisory' and not granted");
    await keeper.query('update polyphase.control set phase = $2 where group_name = $1', [fence, "5'"]);
    await keeper.query('commit');
    keeper.release();
    await expect(write).rejects.toMatchObject({ code: 'sealed' });
    expect(await notes.read(intent.key)).toEqual(kind === 'create' ? undefined : record);
  });

  it('two of one operation make one write, and two of one version one', async () => {
    const notes = postgresStore({ pool: direct }).records(Note);
    const intent = put('create', 'twice');
    const both = await Promise.all([notes.write(intent, { term: 1 }), notes.write(intent, { term: 1 })]);
    expect(both.filter(({ repeated }) => repeated)).toHaveLength(1);
    const [{ record }] = both;
    const race = await Promise.allSettled([
      notes.write(over(record, { n: 1 }), { term: 1 }),
      notes.write(over(record, { n: 2 }), { term: 1 }),
    ]);
    expect(race.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  });

  describe('whose reply is lost', () => {
    const notes = () => store.records(Note);

    /** A write that waits for a row lock inside the server while something happens to the link. */
    async function heldUp(
      id: string,
      write: () => ReturnType<ReturnType<typeof notes>['write']>,
      { meanwhile, end = 'rollback' }: { meanwhile: () => void; end?: string },
    ) {
      const keeper = await direct.connect();
      await keeper.query('begin');
      // Holds up a create too: its key is taken by a row that goes away.
      await keeper.query(
        `insert into notes (hyb_pk, id, hyb_term, hyb_counter, hyb_digest, hyb_bucket, tenant)
         values ('["t"]', $1, 1, 7, repeat('0', 32), 0, 't')
         on conflict (hyb_pk, id) do update set hyb_term = 1, hyb_counter = notes.hyb_counter - 1`,
        [id],
      );
      const result = write();
      result.catch(() => undefined);
      await appears(
        direct,
        "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query ilike '%notes%'",
      );
      meanwhile();
      await keeper.query(end);
      keeper.release();
      return result;
    }

    it('is done, and done once, when the link breaks', async () => {
      const cut = { meanwhile: () => proxy.cut() };
      const created = await heldUp('cut', () => notes().write(put('create', 'cut'), { term: 1 }), cut);
      expect(created.record.operations).toHaveLength(1);
      expect(await notes().read(keyOf('cut'))).toEqual(created.record);
      const replace = () => notes().write(over(created.record, { n: 1 }), { term: 1 });
      const { record } = await heldUp('cut', replace, cut);
      expect(record.version.counter).toBe(created.record.version.counter + 1);
      expect((await notes().read(keyOf('cut')))?.operations).toHaveLength(2);
    });

    it('is a conflict when another came first, and never comes true later', async () => {
      const { record } = await notes().write(put('create', 'overtaken'), { term: 1 });
      const write = () => notes().write(over(record, { n: 1 }), { term: 1 });
      const end = "update notes set hyb_counter = hyb_counter + 9, n = 5 where id = 'overtaken'; commit";
      await expect(heldUp('overtaken', write, { meanwhile: () => proxy.cut(), end })).rejects.toMatchObject({
        code: 'conflict',
      });
      await appears(
        direct,
        "select 1 where not exists (select from pg_locks where relation = 'notes'::regclass and mode like 'Row%')",
      );
      expect((await notes().read(keyOf('overtaken')))?.value).toMatchObject({ n: 5 });
    });

    it('is unknown while the link is silent, and the same operation tells later', async () => {
      const intent = put('create', 'silent');
      const write = () => notes().write(intent, { term: 1 });
      await expect(heldUp('silent', write, { meanwhile: () => proxy.freeze() })).rejects.toMatchObject({
        code: 'unknown-outcome',
        operationId: intent.operationId,
      });
      proxy.heal();
      expect((await notes().write(intent, { term: 1 })).record.operations).toHaveLength(1);
    });

    it('is unknown when it is aborted under way', async () => {
      const controller = new AbortController();
      const write = () => notes().write(put('create', 'aborted'), { term: 1, signal: controller.signal });
      await expect(heldUp('aborted', write, { meanwhile: () => controller.abort() })).rejects.toMatchObject({
        code: 'unknown-outcome',
      });
      await expect(write()).rejects.toMatchObject({ name: 'AbortError' });
    });
  });
});
