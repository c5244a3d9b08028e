import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { checkValue, defineEntity, keyFrom, keyOfValue } from './entity.ts';
import type { EntitySchema } from './entity-schema.ts';
import { InvalidDataError, InvalidOptionsError } from './errors.ts';
import { MAX_BYTES } from './json.ts';

const valid = { id: z.string(), tenantId: z.string() };
const key = { partition: 'tenantId', id: 'id' } as const;

function problemsOf(make: () => unknown): readonly string[] {
  try {
    make();
  } catch (error) {
    if (InvalidOptionsError.isInstance(error)) return error.problems;
    throw error;
  }
  return [];
}

function issuesOf(call: () => unknown): InvalidDataError {
  try {
    call();
  } catch (error) {
    if (InvalidDataError.isInstance(error)) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

/** A schema of another library, which words its messages as it likes. */
function schemaOf(
  validate: EntitySchema<{ id: string }>['~standard']['validate'],
): EntitySchema<{ id: string }> {
  const json = () => ({ type: 'object', properties: { id: { type: 'string' } }, required: ['id'] });
  return { '~standard': { version: 1, vendor: 'test', validate, jsonSchema: { input: json, output: json } } };
}

describe('defineEntity', () => {
  it('takes one partition path or several, and names its fields', () => {
    const entity = defineEntity({
      name: 'readings',
      schema: z.object({
        id: z.string(),
        site: z.string(),
        at: z.object({ year: z.number() }),
        note: z.string().optional(),
      }),
      key: { partition: ['site', 'at.year'], id: 'id' },
    });
    expect(entity.key).toEqual({ partition: ['site', 'at.year'], id: 'id' });
    expect(entity.fields).toEqual([
      { name: 'id', type: 'text', required: true, mixed: false },
      { name: 'site', type: 'text', required: true, mixed: false },
      { name: 'at', type: 'json', required: true, mixed: false },
      { name: 'note', type: 'text', required: false, mixed: false },
    ]);
  });

  it.each([
    [
      'a key field that is not there',
      { partition: 'nowhere', id: 'id' },
      'key.partition "nowhere" is not a field',
    ],
    ['an id that is not there', { partition: 'tenantId', id: 'key' }, 'key.id "key" is not a field'],
    ['an optional key field', { partition: 'maybe', id: 'id' }, 'key.partition "maybe" is optional'],
    ['an optional id', { partition: 'tenantId', id: 'maybe' }, 'key.id "maybe" is optional'],
    ['a number as id', { partition: 'tenantId', id: 'count' }, 'key.id "count" must be text'],
    ['an object as partition', { partition: 'deep', id: 'id' }, 'key.partition "deep" must be text'],
    ['a nested id', { partition: 'tenantId', id: 'deep.id' }, 'key.id must be a top-level field'],
    ['no partition', { partition: [], id: 'id' }, 'key.partition must name one to three paths'],
    ['four levels', { partition: ['id', 'tenantId', 'count', 'deep.id'], id: 'id' }, 'one to three paths'],
  ])('refuses %s', (_, wrong, problem) => {
    const schema = z.object({
      ...valid,
      maybe: z.string().optional(),
      count: z.number(),
      deep: z.object({ id: z.string() }),
    });
    expect(problemsOf(() => defineEntity({ name: 'things', schema, key: wrong })).join('\n')).toContain(
      problem,
    );
  });

  it.each([
    ['a transform', z.object({ ...valid, at: z.string().transform((one) => one.length) }), 'transforms'],
    ['a default', z.object({ ...valid, at: z.string().default('x') }), 'schema fills in field "at"'],
    ['a date', z.object({ ...valid, at: z.date() }), 'whose output is not JSON'],
    ['text', z.string(), 'must describe an object'],
    ['a reserved field', z.object({ ...valid, _h: z.string() }), 'field "_h" is reserved'],
  ])('refuses a schema with %s', (_, schema, problem) => {
    // The type of the last but one is no object, which callers without types may pass too.
    const wrong = schema as EntitySchema<object>;
    expect(problemsOf(() => defineEntity({ name: 'things', schema: wrong, key })).join('\n')).toContain(
      problem,
    );
  });

  it('lists every problem at once', () => {
    const schema = z.object(valid);
    const make = () =>
      defineEntity({
        name: '1 bad name',
        schema,
        key: { partition: 'nowhere', id: 'none' },
        indexes: [{ fields: [] }, { fields: ['missing'] }],
      });
    expect(problemsOf(make)).toHaveLength(5);
  });

  it('fingerprints schema, key and indexes', () => {
    const entity = (schema: z.ZodObject, unique?: 'partition') =>
      defineEntity({
        name: 'things',
        schema: schema as z.ZodObject<typeof valid>,
        key,
        indexes: [{ fields: ['tenantId'], unique }],
      }).fingerprint;
    const base = entity(z.object(valid));
    expect(entity(z.object(valid))).toBe(base);
    expect(entity(z.object({ ...valid, more: z.string() }))).not.toBe(base);
    expect(entity(z.object(valid), 'partition')).not.toBe(base);
  });
});

describe('values', () => {
  const Thing = defineEntity({
    name: 'things',
    schema: z.object({
      ...valid,
      email: z.email().optional(),
      deep: z.object({ list: z.array(z.number()) }).optional(),
    }),
    key,
  });
  const value = { id: 'a', tenantId: 't' };

  it('lets through what the schema accepts, unknown fields included', () => {
    expect(Thing.issues({ ...value, unknown: { deep: [1] } })).toEqual([]);
  });

  it('tells paths and never values', () => {
    const error = issuesOf(() =>
      checkValue(Thing, { ...value, email: 'secret@@value', deep: { list: [1, 'hidden'] } }, 'create'),
    );
    expect(error.issues.map((one) => one.path)).toEqual([['email'], ['deep', 'list', 1]]);
    expect(error.message).not.toMatch(/secret|hidden/);
  });

  it.each([
    'must be an email (was "s3cret-9")',
    "Invalid value: Received 's3cret-9'",
    'got s3cret-9, wanted text',
  ])('cuts the value out of a message: %s', (message) => {
    const schema = schemaOf(() => ({ issues: [{ message, path: ['id'] }] }));
    const entity = defineEntity({ name: 'things', schema, key: { partition: 'id', id: 'id' } });
    expect(JSON.stringify(entity.issues({ id: 's3cret-9' }))).not.toContain('s3cret');
  });

  it('cuts a number out of a message, and leaves the limit', () => {
    const schema = schemaOf(() => ({ issues: [{ message: 'must be below 50 (was 1234)', path: ['n'] }] }));
    const entity = defineEntity({ name: 'things', schema, key: { partition: 'id', id: 'id' } });
    expect(entity.issues({ id: 'a', n: 1234 })).toEqual([
      { path: ['n'], message: 'must be below 50 (was …)' },
    ]);
  });

  it('refuses a schema that changes a value only when it sees it', () => {
    const trims = defineEntity({
      name: 'things',
      schema: z.object({ ...valid, title: z.string().trim() }),
      key,
    });
    expect(trims.issues({ ...value, title: 'fine' })).toEqual([]);
    expect(trims.issues({ ...value, title: ' changed ' })).toEqual([
      { path: ['title'], message: expect.stringContaining('schema changes this value') },
    ]);
    const coerces = defineEntity({
      name: 'things',
      schema: z.object({ ...valid, n: z.coerce.number() }),
      key,
    });
    expect(coerces.issues({ ...value, n: '1' })[0]?.path).toEqual(['n']);
  });

  it('refuses a schema that checks asynchronously', () => {
    const entity = defineEntity({
      name: 'things',
      schema: schemaOf(async () => ({ value: { id: 'a' } })),
      key: { partition: 'id', id: 'id' },
    });
    expect(() => entity.issues({ id: 'a' })).toThrow(InvalidOptionsError);
  });

  it('refuses reserved fields and what no store keeps', () => {
    expect(Thing.issues({ ...value, _etag: 'x' })[0]?.path).toEqual(['_etag']);
    expect(Thing.issues({ ...value, at: new Date() })[0]?.path).toEqual(['at']);
    expect(Thing.issues(null)[0]?.message).toBe('must be an object');
    expect(Thing.issues([])[0]?.message).toBe('must be an object');
  });

  it('refuses a lifetime that Cosmos DB would refuse', () => {
    for (const ttl of ['1', 0, -2, 1.5, 2 ** 31, {}])
      expect(Thing.issues({ ...value, ttl })[0]?.path).toEqual(['ttl']);
    for (const ttl of [-1, 1, 86_400, null]) expect(Thing.issues({ ...value, ttl })).toEqual([]);
  });

  it('refuses a value past the size that every store takes, counted in bytes', () => {
    const fits = { ...value, text: 'é'.repeat(MAX_BYTES / 2 - 100) };
    expect(() => checkValue(Thing, fits, 'create')).not.toThrow();
    expect(() => checkValue(Thing, { ...value, text: 'é'.repeat(MAX_BYTES / 2) }, 'create')).toThrow(
      InvalidDataError,
    );
  });
});

describe('keys', () => {
  const Reading = defineEntity({
    name: 'readings',
    schema: z.object({ id: z.string(), site: z.string().nullable(), at: z.object({ year: z.number() }) }),
    key: { partition: ['site', 'at.year'], id: 'id' },
  });

  it('are taken from values and from key objects alike', () => {
    const expected = { partition: ['s', 2026], id: 'r' };
    expect(keyOfValue(Reading, { id: 'r', site: 's', at: { year: 2026 } })).toEqual(expected);
    expect(keyFrom(Reading, { id: 'r', site: 's', 'at.year': 2026 })).toEqual(expected);
  });

  it('tell absent from null in a value, and refuse absent in a key object', () => {
    expect(keyOfValue(Reading, { id: 'r', site: null })).toEqual({ partition: [null, undefined], id: 'r' });
    expect(issuesOf(() => keyFrom(Reading, { id: 'r', site: null })).issues).toEqual([
      { path: ['at.year'], message: 'is missing' },
    ]);
    expect(issuesOf(() => keyOfValue(Reading, { site: 's' })).issues[0]?.path).toEqual(['id']);
  });

  it('refuse a level that is no scalar', () => {
    expect(issuesOf(() => keyFrom(Reading, { id: 'r', site: {}, 'at.year': 1 })).issues[0]?.path).toEqual([
      'site',
    ]);
    expect(issuesOf(() => keyOfValue(Reading, { id: 'r', site: [] })).issues[0]?.path).toEqual(['site']);
  });
});
