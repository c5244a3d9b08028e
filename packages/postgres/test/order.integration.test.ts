import {
  compareRecords,
  defineEntity,
  type JsonObject,
  planQuery,
  recordDigest,
  type StoredRecord,
  valueAt,
} from '@polyphase/core';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import fc from 'fast-check';
import { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { z } from 'zod';
import { postgresStore } from '../src/index.ts';

const shape = {
  id: z.string(),
  tenant: z.union([z.string(), z.number(), z.null()]),
  label: z.string().nullable().optional(),
  size: z.number().nullable(),
  on: z.boolean().nullable().optional(),
};
const key = { partition: 'tenant', id: 'id' } as const;
const indexes = [{ fields: ['label'] }, { fields: ['size', 'label'] }, { fields: ['on', 'size'] }];
const Strict = defineEntity({ name: 'strict', schema: z.object(shape), key, indexes });
const Loose = defineEntity({ name: 'loose', schema: z.object(shape), key, indexes, loose: true });
const Single = defineEntity({
  name: 'single',
  schema: z.object({ id: z.string(), tenant: z.string(), code: z.string().nullable().optional() }),
  key,
  indexes: [{ fields: ['code'], unique: 'partition' }],
});

const text = fc.constantFrom('', 'a', 'B', 'é', '\uffff', '\u{1f600}', '10', '9');
const number = fc.constantFrom(-1e308, -1, 0, 0.5, 9, 10, 5e-324);
const odd = fc.constantFrom<JsonObject[string]>(null, true, false, 'x', 3, [], { a: 1 });
const document = (loose: boolean) => {
  const or = <T>(typed: fc.Arbitrary<T>) =>
    loose ? fc.oneof(typed, odd) : fc.oneof(typed, fc.constant(null));
  return fc.record(
    {
      tenant: fc.oneof(text, number, fc.constant(null)),
      size: or(number),
      label: or(text),
      on: or(fc.boolean()),
    },
    { requiredKeys: loose ? ['tenant'] : ['tenant', 'size'] },
  );
};

describeWith('postgres')('orders', () => {
  const database = testDatabase();
  const pool = new Pool({ connectionString: database.url });
  const store = postgresStore({ pool });
  beforeAll(() => store.prepare([Strict, Loose, Single]));
  beforeEach(() => pool.query('truncate strict, loose, single'));
  afterAll(() => pool.end());

  it.for([['strict'], ['loose']] as const)(
    'of nullable and of mixed fields, page by page, are those of the reference: %s',
    async ([name]) => {
      const entity = name === 'loose' ? Loose : Strict;
      const records = store.records(entity);
      const documents = fc.array(document(entity.loose), { minLength: 30, maxLength: 30 });
      await fc.assert(
        fc.asyncProperty(documents, async (fields) => {
          await pool.query(`truncate ${name}`);
          const all = fields.map((some, i): StoredRecord => {
            const value = { ...some, id: `i${i}` };
            const version = { term: 1, counter: 1 };
            return {
              key: { partition: [some.tenant], id: value.id },
              version,
              value,
              digest: recordDigest(value),
              operations: [],
            };
          });
          await records.apply(all.map((record) => ({ record })));
          for (const index of [[], ...indexes.map((one) => one.fields)]) {
            for (const direction of ['asc', 'desc'] as const) {
              const orderBy = index.map((field) => [field, direction] as const);
              const found: string[] = [];
              let cursor: string | undefined;
              do {
                const planned = planQuery(entity, { orderBy, limit: 7, cursor });
                const page = (await records.query(planned.plan)).slice(0, 7);
                found.push(...page.map((record) => record.key.id));
                const last = page.at(-1);
                cursor = page.length === 7 && last ? planned.cursorAfter(positionOf(index, last)) : undefined;
              } while (cursor !== undefined);
              const plan = { orderBy: index, direction: index.length > 0 ? direction : ('asc' as const) };
              expect(found).toEqual(
                all.toSorted((a, b) => compareRecords(plan, a, b)).map((record) => record.key.id),
              );
            }
          }
        }),
        { numRuns: 10 },
      );
    },
  );

  it('a missing unique value counts as null, and only one record may have none', async () => {
    const write = (id: string, fields: JsonObject) =>
      store.records(Single).write(
        {
          kind: 'create',
          key: { partition: ['t'], id },
          operationId: id,
          value: { id, tenant: 't', ...fields },
        },
        { term: 1 },
      );
    await write('1', {});
    await expect(write('2', { code: null })).rejects.toMatchObject({ code: 'already-exists' });
    await expect(write('3', {})).rejects.toMatchObject({ code: 'already-exists' });
    await write('4', { code: 'x' });
    await expect(write('5', { code: 'x' })).rejects.toMatchObject({ code: 'already-exists' });
  });
});

function positionOf(index: readonly string[], record: Pick<StoredRecord, 'key' | 'value'>) {
  const fields = index.map((field) => valueAt(record.value, [field]));
  return {
    values: fields.map(
      (field) => (typeof field === 'object' && field !== null ? undefined : field) as string | undefined,
    ),
    others: fields.flatMap((field, i) => (typeof field === 'object' && field !== null ? [i] : [])),
    key: record.key,
  };
}
