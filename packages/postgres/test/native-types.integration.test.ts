import {
  canonicalJson,
  defineEntity,
  type JsonObject,
  planQuery,
  positionOf,
  recordDigest,
  type StoredRecord,
} from '@polyphase/core';
import { memoryRelationalStore } from '@polyphase/core/memory';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import fc from 'fast-check';
import { Pool } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { postgresStore, type TableMap } from '../src/index.ts';

const TYPES = {
  at: 'timestamptz',
  second: 'timestamptz(0)',
  micro: 'timestamptz(6)',
  day: 'date',
  uid: 'uuid',
  amount: 'numeric',
  long: 'bigint',
  price: 'numeric',
  count: 'bigint',
  small: 'integer',
} as const;
const TEXTS = ['at', 'second', 'micro', 'day', 'uid', 'amount', 'long'] as const;
const NUMBERS = ['price', 'count', 'small'] as const;
const FIELDS = [...TEXTS, ...NUMBERS];

const fields = {
  ...Object.fromEntries(TEXTS.map((name) => [name, z.string().optional()])),
  ...Object.fromEntries(NUMBERS.map((name) => [name, z.number().optional()])),
};
const base = { id: z.string(), tenant: z.string() };
const key = { partition: 'tenant', id: 'id' } as const;
const indexes = [
  ...FIELDS.map((name) => ({ fields: [name] })),
  { fields: ['amount'], unique: 'partition' as const },
];
const natives = (name: string, loose: boolean) =>
  defineEntity({ name, schema: z.object({ ...base, ...fields }), key, loose, indexes: indexes.slice(0, -1) });
const Strict = natives('natives', false);
const Loose = natives('loose_natives', true);
const Unique = defineEntity({
  name: 'unique_natives',
  schema: z.object({ ...base, ...fields }),
  key,
  indexes,
});
const Before = defineEntity({ name: 'late_natives', schema: z.object(base), key });
const After = natives('late_natives', true);
const map: TableMap = Object.fromEntries(
  [Strict, Loose, Unique].map(({ name }) => [name, { types: TYPES, columns: { at: 'happened_at' } }]),
);

// What each type holds, and what looks like it and is not.
const year = fc.oneof(fc.constantFrom('0000', '0001', '1900', '2000', '2024', '9999'), fc.constant('2023'));
const two = (max: number) => fc.nat(max).map((n) => String(n).padStart(2, '0'));
const day = fc
  .tuple(year, two(13), fc.oneof(two(32), fc.constantFrom('28', '29', '30', '31')))
  .map((parts) => parts.join('-'));
const stamp = fc
  .tuple(
    day,
    fc.constantFrom('T', 'T', ' ', 't'),
    fc.tuple(two(24), two(60), two(60)).map((parts) => parts.join(':')),
    fc.constantFrom('', '.000', '.123', '.999', '.100000', '.123456', '.1', '.1234567'),
    fc.constantFrom('Z', 'Z', 'Z', '+00:00', '-05:30', '', 'z'),
  )
  .map((parts) => parts.join(''));
const date = fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true });
const text = fc.oneof(
  day,
  stamp,
  date.map((one) => one.toISOString()),
  date.map((one) => one.toISOString().slice(0, 10)),
  fc.uuid(),
  fc.uuid().map((one) => one.toUpperCase()),
  fc.uuid().map((one) => one.replaceAll('-', '')),
  fc.constantFrom(
    'infinity',
    'now',
    'today',
    '-infinity',
    'NaN',
    '',
    ' ',
    '{}',
    'é',
    '\u{1f600}',
    '0001-01-01 BC',
  ),
  fc.constantFrom(
    '0',
    '-0',
    '-0.0',
    '00',
    '1.50',
    '1.5',
    '1e3',
    '+1',
    '.5',
    '5.',
    ' 1',
    '10',
    '9',
    '-1',
    '-10',
  ),
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map(String),
  fc.tuple(fc.integer(), fc.nat()).map(([a, b]) => `${a}.${b}`),
  fc.nat(300).map((digits) => `1${'0'.repeat(digits)}.${'1'.repeat(digits + 1)}`),
);
const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).filter((one) => !Object.is(one, -0)),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom(
    0,
    1.5,
    -1.5,
    2 ** 31 - 1,
    2 ** 31,
    -(2 ** 31),
    2 ** 53,
    1e21,
    5e-324,
    Number.MAX_VALUE,
    0.1 + 0.2,
  ),
);
const odd = fc.constantFrom<JsonObject[string]>(null, true, 'x', 3, [], { a: 1 });
const document = (loose: boolean): fc.Arbitrary<JsonObject> => {
  const or = (typed: fc.Arbitrary<JsonObject[string]>) =>
    loose ? fc.oneof(typed, typed, typed, odd) : typed;
  const named = [
    ...TEXTS.map((name) => fc.tuple(fc.constant<string>(name), or(text))),
    ...NUMBERS.map((name) => fc.tuple(fc.constant<string>(name), or(number))),
  ];
  return fc
    .tuple(...named.map((field) => fc.option(field, { nil: undefined })))
    .map((some) => Object.fromEntries(some.filter((field) => field !== undefined)));
};

let counter = 0;
const recordOf = (id: string, some: JsonObject): StoredRecord => {
  counter += 1;
  const value = { ...some, id, tenant: 't' };
  return {
    key: { partition: ['t'], id },
    version: { term: 1, counter },
    value,
    digest: recordDigest(value),
    operations: [],
  };
};

describeWith('postgres')('native types', () => {
  const database = testDatabase();
  // Settings that would change how values look, were they read or written as the session likes them.
  const options = '-c timezone=America/Sao_Paulo -c datestyle=SQL,DMY -c intervalstyle=postgres_verbose';
  const pool = new Pool({ connectionString: database.url, options });
  const store = postgresStore({ pool, map });
  beforeAll(() => store.prepare([Strict, Loose, Unique]));
  afterAll(() => pool.end());

  it('document → row → document is the identity, with every type', async () => {
    const records = store.records(Loose);
    await fc.assert(
      fc.asyncProperty(document(true), async (some) => {
        const record = recordOf('x', some);
        expect(await records.apply([{ record }])).toMatchObject([{ kind: 'applied' }]);
        const there = await records.read(record.key);
        expect(canonicalJson(there?.value ?? null)).toBe(canonicalJson(record.value ?? null));
      }),
      { numRuns: 400 },
    );
  });

  it('hold what fits them, and nothing else', async () => {
    const fit = {
      at: '2024-02-29T23:59:59.999Z',
      second: '0001-01-01T00:00:00Z',
      micro: '9999-12-31T23:59:59.999999Z',
      day: '2000-02-29',
      uid: '0b8e7d1e-0c8f-4f0e-9b1a-3c1c8c3c9a5e',
      amount: '-12.50',
      long: '999999999999999999',
      price: 1e21,
      count: Number.MAX_SAFE_INTEGER,
      small: -(2 ** 31) + 1,
    };
    const unfit = {
      at: '2024-02-29T23:59:59Z',
      second: '2024-02-29T23:59:59.000Z',
      micro: '2024-02-29T23:59:59.999Z',
      day: '1900-02-29',
      uid: '0B8E7D1E-0C8F-4F0E-9B1A-3C1C8C3C9A5E',
      amount: '1e3',
      long: '007',
      count: 1.5,
      small: 2 ** 31,
    };
    await pool.query('truncate natives');
    await store.records(Strict).apply([{ record: recordOf('1', fit) }, { record: recordOf('2', unfit) }]);
    const { rows } = await pool.query(
      `select happened_at = '2024-02-29T23:59:59.999Z' as at, day = '2000-02-29'::date as day, amount = -12.5 as amount,
        num_nonnulls(happened_at, second, micro, day, uid, amount, long, price, count, small) as n,
        (select count(*)::int from jsonb_object_keys(hyb_rest)) as rest
      from natives order by id`,
    );
    expect(rows).toEqual([
      { at: true, day: true, amount: true, n: 10, rest: 0 },
      { at: null, day: null, amount: null, n: 0, rest: 9 },
    ]);
    const gate = (await store.verify(Strict)).find(({ name }) => name === 'postgres-native');
    expect(gate).toMatchObject({ passed: true, seen: expect.stringContaining('at: 1 of 2 do not fit') });
    expect(gate?.seen).toContain('price: 0 of 1 do not fit');
    expect((await store.verify(Strict)).filter(({ passed }) => !passed)).toEqual([]);
  });

  it('take late columns’ values from the rest as a write would have put them', async () => {
    const late = { types: TYPES, columns: { at: 'happened_at' } };
    const own = new Pool({ connectionString: database.url, options });
    await postgresStore({ pool: own }).prepare([Before]);
    const before = postgresStore({ pool: own }).records(Before);
    const documents = fc.sample(document(true), { numRuns: 300, seed: 7 });
    const records = documents.map((some, i) => recordOf(`r${i}`, some));
    await before.apply(records.map((record) => ({ record })));
    const after = postgresStore({ pool: own, map: { late_natives: late } });
    await after.prepare([After]);
    const rowsOf = async () =>
      (
        await own.query(
          `select to_jsonb(t) - '{hyb_term,hyb_counter}'::text[] as row from late_natives t order by id`,
        )
      ).rows;
    const moved = await rowsOf();
    await own.query('truncate late_natives');
    await after.records(After).apply(records.map((record) => ({ record })));
    expect(moved).toEqual(await rowsOf());
    expect(moved.length).toBe(300);
    await own.end();
  });

  it.for([['strict'], ['loose']] as const)('queries answer as the reference does: %s', async ([kind]) => {
    const entity = kind === 'loose' ? Loose : Strict;
    const condition = fc
      .tuple(
        fc.constantFrom(...FIELDS),
        fc.constantFrom('eq', 'ne', 'lt', 'lte', 'gt', 'gte', 'in', 'startsWith', 'contains', 'exists'),
        fc.nat(29),
      )
      .map(([field, operator, pick]) => ({ field, operator, pick }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(document(entity.loose), { minLength: 30, maxLength: 30 }),
        fc.array(condition, { minLength: 25, maxLength: 25 }),
        async (documents, conditions) => {
          await pool.query(`truncate ${entity.name}`);
          const copies = documents.map((some, i) => ({ record: recordOf(`i${i}`, some) }));
          const reference = memoryRelationalStore().records(entity);
          await reference.apply(copies);
          const records = store.records(entity);
          await records.apply(copies);
          const same = async (query: object): Promise<void> => {
            let cursor: string | undefined;
            do {
              const planned = planQuery(entity, { ...query, limit: 11, cursor });
              const found = await records.query(planned.plan);
              const wanted = await reference.query(planned.plan);
              expect([query, found.map((one) => one.key.id)]).toEqual([
                query,
                wanted.map((one) => one.key.id),
              ]);
              const last = wanted.at(10);
              cursor =
                wanted.length > 11 && last ? planned.cursorAfter(positionOf(planned.plan, last)) : undefined;
            } while (cursor !== undefined);
          };
          for (const { field, operator, pick } of conditions) {
            const at = documents[pick]?.[field];
            const isText = TEXTS.some((name) => name === field);
            const written = typeof at === 'string' ? at : '2';
            const value = isText ? written : typeof at === 'number' ? at : 2;
            const operand = {
              in: [value, '0', 0],
              exists: true,
              startsWith: written.slice(0, 3),
              contains: '0',
            };
            const asked = Object.hasOwn(operand, operator) ? operand[operator as 'in'] : value;
            await same({ where: { [field]: { [operator]: asked } } });
            await same({ where: { not: { [field]: { [operator]: asked } } } });
          }
          for (const field of FIELDS)
            for (const direction of ['asc', 'desc'] as const) await same({ orderBy: [[field, direction]] });
        },
      ),
      { numRuns: 4 },
    );
  });

  it('are unique as texts are: 1.5 and 1.50 are two values', async () => {
    const write = (id: string, amount: string) =>
      store.records(Unique).write(
        {
          kind: 'create',
          key: { partition: ['t'], id },
          operationId: id,
          value: { id, tenant: 't', amount },
        },
        { term: 1 },
      );
    await write('1', '1.5');
    await write('2', '1.50');
    await expect(write('3', '1.50')).rejects.toMatchObject({ code: 'already-exists' });
    await write('4', '1e1');
    await expect(write('5', '1e1')).rejects.toMatchObject({ code: 'already-exists' });
  });

  it('keep raw SQL from putting in what no field can have', async () => {
    await pool.query('truncate natives');
    await store.records(Strict).apply([{ record: recordOf('1', {}) }]);
    for (const bad of [
      "happened_at = 'infinity'",
      "second = '20000-01-01 00:00:00+00'",
      "day = '-infinity'",
      "price = 'NaN'",
      'price = 0.12345678901234567890123',
      'count = 9007199254740993',
    ])
      await expect(pool.query(`update natives set ${bad}`)).rejects.toMatchObject({ code: '23514' });
    await pool.query('update natives set price = 0.1, count = 9007199254740991');
    expect((await store.records(Strict).read({ partition: ['t'], id: '1' }))?.value).toMatchObject({
      price: 0.1,
      count: Number.MAX_SAFE_INTEGER,
    });
  });

  it('are checked against the list and the schema', async () => {
    const wrong = (types: object) =>
      Promise.resolve().then(() =>
        postgresStore({ pool, map: { natives: { types } } as TableMap }).prepare([Strict]),
      );
    await expect(wrong({ at: 'timestamp', x: 1 })).rejects.toMatchObject({
      problems: [
        expect.stringMatching(
          /^map\.natives\.types: field "at" cannot be "timestamp"; there are timestamptz, /,
        ),
        expect.stringMatching(/^map\.natives\.types: field "x" cannot be \(number\)/),
      ],
    });
    await expect(wrong({ at: 'integer', count: 'uuid', id: 'uuid', none: 'date' })).rejects.toMatchObject({
      problems: [
        'map.natives.types: field "at" is text, which integer does not hold',
        'map.natives.types: field "count" is number, which uuid does not hold',
        'map.natives.types: field "id" is the id, which is text as part of the primary key',
        'map.natives.types: field "none" is not in its schema',
      ],
    });
    await expect(wrong({ at: 'date' })).rejects.toThrow('a column keeps its type');
    await pool.query('alter table natives alter column happened_at type timestamptz');
    const problem = (await store.verify(Strict)).find(({ passed }) => !passed);
    expect(problem?.seen).toContain(
      'column happened_at is timestamp with time zone, not timestamp(3) with time zone',
    );
  });
});
