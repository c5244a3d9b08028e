import { isDeepStrictEqual } from 'node:util';
import { type Entity, keyOfValue, planQuery, type RecordCopy, recordDigest } from '@polyphase/core';
import { postgresStore } from '@polyphase/postgres';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { features, movies, type SeedDocument } from './documents.ts';
import { Feature, Movie } from './entities.ts';

const PAGE = 500;

describeWith('postgres')('document → row → document', () => {
  const database = testDatabase();
  const pool = new pg.Pool({ connectionString: database.url });
  const store = postgresStore({ pool });
  beforeAll(() => store.prepare([Movie, Feature]));
  afterAll(() => pool.end());

  const copyOf = (entity: Entity, { value }: SeedDocument): RecordCopy => ({
    record: {
      key: keyOfValue(entity, value),
      version: { term: 1, counter: 1 },
      value,
      digest: recordDigest(value),
      operations: [],
    },
  });

  it.each([
    ['movies', Movie, movies, 3_201],
    ['features', Feature, features, 20_968],
  ] as const)(
    'is the identity for all %s of the demo',
    async (_, entity, documents, count) => {
      const records = store.records(entity);
      const all = documents();
      expect(all.length).toBe(count);
      for (let at = 0; at < all.length; at += PAGE) {
        const copies = all.slice(at, at + PAGE).map((document) => copyOf(entity, document));
        const outcomes = await records.apply(copies);
        expect(outcomes.filter(({ kind }) => kind !== 'applied')).toEqual([]);
        const rows = await records.readMany(copies.map(({ record }) => record.key));
        const bent = copies.filter(({ record }, i) => !isDeepStrictEqual(rows[i]?.value, record.value));
        expect(bent.map(({ record }) => record.key)).toEqual([]);
      }
      expect(await records.count()).toBe(count);
    },
    60_000,
  );

  it('has the movies that a table would bend: titles that are numbers or missing', async () => {
    const titles = movies().map(({ value }) => typeof value['Title']);
    expect(new Set(titles)).toEqual(new Set(['string', 'number', 'object']));
    const { plan } = planQuery(Movie, { where: { Title: 300 } });
    expect((await store.records(Movie).query(plan)).map(({ value }) => value?.['Title'])).toEqual([300]);
  });
});
