import {
  canonicalJson,
  defineEntity,
  type JsonObject,
  planQuery,
  portabilityIssues,
  recordDigest,
  type StoredRecord,
} from '@polyphase/core';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import fc from 'fast-check';
import { Pool } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { postgresStore } from '../src/index.ts';
import { keyOf } from './support.ts';

const Anything = defineEntity({
  name: 'anything',
  schema: z.object({
    id: z.string(),
    tenant: z.string(),
    text: z.string(),
    number: z.number(),
    flag: z.boolean(),
    json: z.object({}),
    list: z.array(z.string()),
    mixed: z.union([z.string(), z.number()]),
  }),
  key: { partition: 'tenant', id: 'id' },
  indexes: [{ fields: ['number'] }],
  loose: true,
});

const name = fc.oneof(
  fc.constantFrom('__proto__', 'constructor', '', 'hyb_pk', 'text', 'number', 'a.b', 'toString', '"', "'"),
  fc.string({ unit: 'grapheme' }),
);
const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(1e308, 5e-324, Number.MAX_VALUE, 2 ** 53 + 2, -(2 ** 63), 1e21, 0.1 + 0.2),
  fc.integer(),
);
const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 6, withCrossShrink: true },
    fc.constantFrom(null, true, false, '', 'NaN', '2020-01-01', '\u{10ffff}', '\u2028'),
    number,
    fc.string({ unit: 'binary' }),
    fc.array(tie('json'), { maxLength: 4 }),
    fc.array(fc.tuple(name, tie('json')), { maxLength: 5 }).map((fields) => Object.fromEntries(fields)),
  ),
}));
const fields = ['text', 'number', 'flag', 'json', 'list', 'mixed'];
const document = fc
  .tuple(
    fc.array(fc.tuple(fc.constantFrom(...fields), json), { maxLength: 6 }),
    fc.array(fc.tuple(name, json), { maxLength: 6 }),
  )
  .map(
    ([known, other]) => Object.fromEntries([...other, ...known, ['id', 'x'], ['tenant', 't']]) as JsonObject,
  )
  .filter((value) => portabilityIssues(value).length === 0);

const recordOf = (value: JsonObject, counter: number): StoredRecord => ({
  key: keyOf('x'),
  version: { term: 1, counter },
  value,
  digest: recordDigest(value),
  operations: [{ id: 'o\'p"', term: 1, counter }],
  base: { term: 1, counter: 2 ** 52, digest: 'base' },
});

describeWith('postgres')('document → row → document', () => {
  const database = testDatabase();
  const pool = new Pool({ connectionString: database.url });
  const store = postgresStore({ pool });
  const records = store.records(Anything);
  let counter = 0;
  beforeAll(() => store.prepare([Anything]));
  afterAll(() => pool.end());

  it('is the identity for all JSON that the core accepts', async () => {
    await fc.assert(
      fc.asyncProperty(document, async (value) => {
        counter += 1;
        const record = recordOf(value, counter);
        expect(await records.apply([{ record }])).toMatchObject([{ kind: 'applied' }]);
        const there = await records.read(record.key);
        expect(there && { ...there, value: canonicalJson(there.value ?? null) }).toEqual({
          ...record,
          value: canonicalJson(value),
        });
      }),
      { numRuns: 300 },
    );
  });

  it('is the identity where many go together by COPY, text and keys of every kind among them', async () => {
    const hostile = [
      '\\',
      '\\N',
      '\\.',
      '\t',
      '\n',
      '\r\n',
      '\v\b\f',
      'a\tb\\tc',
      '',
      ' ',
      '"',
      ',',
      '{}',
      '\u{10ffff}',
    ];
    let page = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(document, { minLength: 20, maxLength: 40 }), async (values) => {
        page += 1;
        const copies = [...values, ...hostile.map((text) => ({ text, mixed: text, other: text }))].map(
          (value, i) => {
            const id = `${page} ${hostile[i % hostile.length]} ${i}`;
            const record = recordOf({ ...value, id, tenant: hostile[i % 5] ?? '' }, 1);
            return { record: { ...record, key: { partition: [hostile[i % 5]], id } } };
          },
        );
        const outcomes = await records.apply(copies);
        expect(new Set(outcomes.map(({ kind }) => kind))).toEqual(new Set(['applied']));
        const there = await records.readMany(copies.map(({ record }) => record.key));
        expect(there.map((record) => canonicalJson(record?.value ?? null))).toEqual(
          copies.map(({ record }) => canonicalJson(record.value ?? null)),
        );
        expect(there.map((record) => record && { ...record, value: null })).toEqual(
          copies.map(({ record }) => ({ ...record, value: null })),
        );
      }),
      { numRuns: 30 },
    );
    await pool.query("delete from anything where id <> 'x'");
  });

  it('holds in depth and in size', async () => {
    let deep: JsonObject[string] = 'bottom';
    for (let i = 0; i < 97; i += 1) deep = i % 2 === 0 ? [deep] : { d: deep };
    for (const value of [{ deep }, { text: 'x'.repeat(1_900_000) }, { other: Array(100_000).fill(1e308) }]) {
      counter += 1;
      const record = recordOf({ id: 'x', tenant: 't', ...value }, counter);
      await records.apply([{ record }]);
      expect(recordDigest((await records.read(record.key))?.value)).toBe(record.digest);
    }
  });

  it('does not depend on the type parsers that an application registers', async () => {
    const { types } = await import('pg');
    const before = types.getTypeParser(types.builtins.INT8);
    types.setTypeParser(types.builtins.INT8, () => 'hijacked');
    types.setTypeParser(types.builtins.JSONB, () => 'hijacked');
    try {
      counter += 1;
      const record = recordOf({ id: 'x', tenant: 't', number: 1, json: { a: 1 } }, counter);
      await records.apply([{ record }]);
      expect(await records.read(record.key)).toEqual(record);
    } finally {
      types.setTypeParser(types.builtins.INT8, before);
      types.setTypeParser(types.builtins.JSONB, JSON.parse);
    }
  });

  it('texts that try to be SQL are texts', async () => {
    const evil = "'; drop table anything; --";
    counter += 1;
    const record = recordOf({ id: 'x', tenant: 't', text: evil, [evil]: evil }, counter);
    await records.apply([{ record }]);
    const find = async (where: object): Promise<number> =>
      (await records.query(planQuery(Anything, { where }).plan)).length;
    expect(await find({ text: evil })).toBe(1);
    expect(await find({ text: { in: [evil, '$1', '{"}'] } })).toBe(1);
    expect(await find({ text: { startsWith: "';" } })).toBe(1);
    expect(await find({ [evil]: { contains: 'drop' } })).toBe(1);
    expect(await records.read({ partition: ["t'"], id: evil })).toBeUndefined();
    await expect(records.read({ partition: ['t'], id: 'nul\0' })).rejects.toMatchObject({
      code: 'invalid-data',
    });
    expect(await records.count()).toBe(1);
  });
});
