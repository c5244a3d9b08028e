import { CosmosClient } from '@azure/cosmos';
import {
  defineEntity,
  type JsonObject,
  type JsonValue,
  keyOfValue,
  keyText,
  planQuery,
  positionOf,
  type RecordCopy,
  type RecordHost,
  recordDigest,
  type Scalar,
  type StoredRecord,
} from '@polyphase/core';
import { memoryRelationalStore } from '@polyphase/core/memory';
import { compositeIndexesFor, cosmosStore } from '@polyphase/cosmos';
import { CosmosEmulator } from '@polyphase/cosmos-emulator';
import { postgresStore } from '@polyphase/postgres';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';

const any = z.unknown().optional();
const RUNS = Number(process.env['PARITY_RUNS'] ?? 40);

// Loose, so that fields of every type, and none, meet columns of one type. `group` is the partition: text, number, boolean or null.
const Thing = defineEntity({
  name: 'things',
  schema: z.object({
    id: z.string(),
    group: z.union([z.string(), z.number(), z.boolean(), z.null()]),
    text: z.string().optional(),
    number: z.number().optional(),
    flag: z.boolean().optional(),
    deep: z.object({ inner: any }).optional(),
  }),
  key: { partition: 'group', id: 'id' },
  indexes: [{ fields: ['text'] }, { fields: ['number', 'text'] }, { fields: ['flag'] }],
  loose: true,
});

const FIELDS = ['text', 'number', 'flag', 'deep.inner', 'other'] as const;
const TEXTS = [
  '',
  'a',
  'A',
  'aa',
  'b',
  'o\'b"\\',
  'ä',
  'z',
  '\u{FFFD}',
  '\u{1F600}',
  '%',
  '_a',
  '1',
] as const;
const NUMBERS = [0, 1, -1, 1.5, 1e21, 5e-324, 9_007_199_254_740_992, -1e308] as const;

const scalar: fc.Arbitrary<Scalar> = fc.oneof(
  fc.constantFrom(...TEXTS),
  fc.constantFrom(...NUMBERS),
  fc.boolean(),
  fc.constant(null),
);
const field: fc.Arbitrary<JsonValue> = fc.oneof(
  { weight: 6, arbitrary: scalar },
  { weight: 1, arbitrary: fc.constantFrom<JsonValue>([], [1], {}, { a: null }) },
);

const thing: fc.Arbitrary<JsonObject> = fc
  .record(
    {
      id: fc.constantFrom('a', 'b', 'c', 'ä', '\u{1F600}', "x'y", '_'),
      group: fc.constantFrom<Scalar>('g', '', '1', 1, true, false, null),
      text: field,
      number: field,
      flag: field,
      deep: fc.oneof(field, fc.record({ inner: field }, { requiredKeys: [] })),
      other: field,
    },
    { requiredKeys: ['id', 'group'] },
  )
  .map((value) => ({ ...value }));

const leaf = fc.oneof(
  scalar,
  fc.record({ eq: scalar }),
  fc.record({ ne: scalar }),
  fc.record({ in: fc.array(scalar, { maxLength: 3 }) }),
  fc.record({ exists: fc.boolean() }),
  fc.record({ startsWith: fc.constantFrom(...TEXTS) }),
  fc.record({ contains: fc.constantFrom(...TEXTS) }),
  ...(['lt', 'lte', 'gt', 'gte'] as const).map((operator) =>
    fc.oneof(fc.constantFrom(...TEXTS), fc.constantFrom(...NUMBERS)).map((value) => ({ [operator]: value })),
  ),
);
const { where } = fc.letrec<{ where: Record<string, unknown> }>((tie) => ({
  where: fc.oneof(
    { maxDepth: 3 },
    fc
      .tuple(fc.constantFrom(...FIELDS, 'group', 'id'), leaf)
      .map(([name, condition]) => ({ [name]: condition })),
    fc.array(tie('where'), { maxLength: 3 }).map((or) => ({ or })),
    fc.array(tie('where'), { maxLength: 3 }).map((and) => ({ and })),
    tie('where').map((not) => ({ not })),
  ),
}));
const orderBy = fc
  .tuple(
    fc.constantFrom<readonly string[]>([], ['text'], ['number', 'text'], ['flag']),
    fc.constantFrom('asc', 'desc'),
  )
  .map(([fields, direction]) => fields.map((name) => [name, direction]));
const query = fc.record({ where, orderBy, limit: fc.integer({ min: 1, max: 7 }) });

function copyOf(value: JsonObject, counter: number): RecordCopy {
  const record: StoredRecord = {
    key: keyOfValue(Thing, value),
    version: { term: 1, counter },
    value,
    digest: recordDigest(value),
    operations: [],
  };
  return { record };
}

// Every page, so that the place where one ends and the next begins is compared too.
async function answer(store: RecordHost, asked: object): Promise<readonly string[]> {
  const keys: string[] = [];
  let cursor: string | undefined;
  do {
    const planned = planQuery(Thing, { ...asked, cursor });
    const { plan, pageSize } = planned;
    const records = await store.records(Thing).query(plan);
    const page = records.slice(0, pageSize);
    keys.push(...page.map((record) => `${keyText(record.key)} ${recordDigest(record.value)}`));
    const last = page.at(-1);
    cursor = last && records.length > pageSize ? planned.cursorAfter(positionOf(plan, last)) : undefined;
  } while (cursor !== undefined);
  return keys;
}

describeWith('postgres')('the same query over the same records', () => {
  const database = testDatabase();
  const pool = new pg.Pool({ connectionString: database.url, max: 4 });
  const emulators = [1, 4].map((partitions) => new CosmosEmulator({ partitions }));
  const stores: RecordHost[] = [memoryRelationalStore(), postgresStore({ pool })];
  let counter = 1;

  beforeAll(async () => {
    for (const emulator of emulators) {
      const client = new CosmosClient(emulator.clientOptions());
      const { database: account } = await client.databases.create({ id: 'parity' });
      await account.containers.create({
        id: Thing.name,
        partitionKey: { paths: ['/group'] },
        indexingPolicy: { compositeIndexes: compositeIndexesFor(Thing) },
      });
      stores.push(cosmosStore({ database: account }));
    }
    for (const store of stores) await store.prepare([Thing]);
  });
  afterAll(() => pool.end());

  it('gives the same records in the same order in memory, PostgreSQL and Cosmos DB', async () => {
    const world = fc.tuple(
      fc.array(thing, { minLength: 1, maxLength: 12 }),
      fc.array(query, { minLength: 4, maxLength: 8 }),
    );
    await fc.assert(
      fc.asyncProperty(world, async ([things, queries]) => {
        // Records of the runs before stay: later runs overwrite some of them, as a table in use would have it.
        for (const store of stores) {
          const copies = things.map((value, i) => copyOf(value, counter + i));
          await store.records(Thing).apply(copies);
        }
        counter += things.length;
        for (const asked of queries) {
          const [reference, ...others] = await Promise.all(stores.map((store) => answer(store, asked)));
          for (const other of others) expect(other).toEqual(reference);
        }
      }),
      { numRuns: RUNS, endOnFailure: true },
    );
  }, 300_000);
});
