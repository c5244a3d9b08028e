import { CosmosClient } from '@azure/cosmos';
import { defineEntity, type JsonObject, type RecordHost, recordDigest, repositoryIn } from '@polyphase/core';
import { memoryDocumentStore, memoryRelationalStore } from '@polyphase/core/memory';
import { compositeIndexesFor, cosmosStore } from '@polyphase/cosmos';
import { CosmosEmulator } from '@polyphase/cosmos-emulator';
import { postgresStore } from '@polyphase/postgres';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';

const RUNS = Number(process.env['IDENTITY_RUNS'] ?? 60);

// The schema names a few fields, at two depths; whatever else a value has is unknown to it, and must stay.
const Thing = defineEntity({
  name: 'things',
  schema: z.object({
    id: z.string(),
    tenant: z.string(),
    name: z.string().optional(),
    amount: z.number().nullable().optional(),
    address: z.object({ city: z.string().optional() }).optional(),
  }),
  key: { partition: 'tenant', id: 'id' },
});

const name = fc.oneof(
  fc.constantFrom(
    '__proto__',
    'constructor',
    'toString',
    '',
    '"',
    'a.b',
    'hyb_pk',
    'select',
    "'; drop table things; --",
    'ttl',
    '$',
  ),
  fc.string({ unit: 'grapheme' }),
);
const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(
      null,
      true,
      false,
      0,
      1e308,
      5e-324,
      2 ** 53 + 2,
      '',
      '\u{10FFFF}',
      '2020-01-01T00:00:00+02:00',
    ),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.string({ unit: 'grapheme' }),
    fc.array(tie('json'), { maxLength: 3 }),
    fc.array(fc.tuple(name, tie('json')), { maxLength: 4 }).map((fields) => Object.fromEntries(fields)),
  ),
}));
const unknown = fc.array(fc.tuple(name, json), { maxLength: 5 }).map((fields) => Object.fromEntries(fields));
const known = fc.record(
  {
    name: fc.string({ unit: 'grapheme' }),
    amount: fc.constantFrom(null, 0.1, 1e21),
    address: fc
      .tuple(unknown, fc.record({ city: fc.string() }, { requiredKeys: [] }))
      .map(([more, city]) => ({ ...more, ...city })),
  },
  { requiredKeys: [] },
);
const thing = fc
  .tuple(unknown, known)
  .map(([more, named]) => ({ ...more, ...named, id: 'x', tenant: 't' }))
  .filter((value) => Thing.issues(value).length === 0);

describeWith('postgres')('a record', () => {
  const database = testDatabase();
  const pool = new pg.Pool({ connectionString: database.url, max: 2 });
  const stores = new Map<string, RecordHost>([
    ['memory, documents', memoryDocumentStore()],
    ['memory, rows', memoryRelationalStore()],
    ['PostgreSQL', postgresStore({ pool })],
  ]);

  beforeAll(async () => {
    const client = new CosmosClient(new CosmosEmulator().clientOptions());
    const { database: account } = await client.databases.create({ id: 'identity' });
    await account.containers.create({
      id: Thing.name,
      partitionKey: { paths: ['/tenant'] },
      indexingPolicy: { compositeIndexes: compositeIndexesFor(Thing) },
    });
    stores.set('Cosmos DB', cosmosStore({ database: account }));
    for (const store of stores.values()) await store.prepare([Thing]);
  });
  afterAll(() => pool.end());

  it('that is got and replaced is the same record, in every store', async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(thing, async (drawn) => {
        run += 1;
        const key = { tenant: 't', id: `x${run}` };
        const value: JsonObject & { id: string; tenant: string } = { ...drawn, ...key };
        for (const [where, store] of stores) {
          const things = repositoryIn(store, Thing);
          await things.create(value);
          const created = await things.get(key);
          expect(recordDigest(created?.value as JsonObject | undefined), `created in ${where}`).toBe(
            recordDigest(value),
          );
          if (created) await things.replace(created.value, { ifVersion: created.version });
          const replaced = await things.get(key);
          expect(replaced?.value, `replaced in ${where}`).toEqual(created?.value);
          expect(replaced?.version).not.toBe(created?.version);
        }
      }),
      { numRuns: RUNS, endOnFailure: true },
    );
  }, 120_000);

  it('that is replaced by its named fields alone keeps the others, in every store', async () => {
    for (const [where, store] of stores) {
      const things = repositoryIn(store, Thing);
      const full: JsonObject & { id: string; tenant: string } = {
        id: 'kept',
        tenant: 't',
        name: 'a',
        extra: [1],
        address: { city: 'b', more: { deep: true } },
      };
      await things.create(full);
      await things.replace({ id: 'kept', tenant: 't', address: { city: 'c' } });
      const seen = await things.get({ tenant: 't', id: 'kept' });
      expect({ where, ...seen?.value }).toEqual({
        where,
        id: 'kept',
        tenant: 't',
        extra: [1],
        address: { city: 'c', more: { deep: true } },
      });
      await things.replace({ id: 'kept', tenant: 't', address: { city: 'c' } }, { dropUnknown: true });
      expect({ where, ...(await things.get({ tenant: 't', id: 'kept' }))?.value }).toEqual({
        where,
        id: 'kept',
        tenant: 't',
        address: { city: 'c' },
      });
    }
  });
});
