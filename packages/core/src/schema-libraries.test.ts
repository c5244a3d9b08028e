import { toStandardJsonSchema } from '@valibot/to-json-schema';
import { type } from 'arktype';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineEntity } from './entity.ts';
import type { EntitySchema } from './entity-schema.ts';
import { InvalidOptionsError } from './errors.ts';
import { memoryDocumentStore } from './memory/index.ts';
import { repositoryIn } from './store-repository.ts';

const key = { partition: 'owner', id: 'id' } as const;

const SAME = {
  zod: z.object({
    id: z.string(),
    owner: z.string(),
    size: z.number().optional(),
    kind: z.enum(['a', 'b']).optional(),
    done: z.boolean().optional(),
    place: z.object({ city: z.string().optional() }).optional(),
    tags: z.array(z.string()).optional(),
  }),
  valibot: toStandardJsonSchema(
    v.object({
      id: v.string(),
      owner: v.string(),
      size: v.optional(v.number()),
      kind: v.optional(v.picklist(['a', 'b'])),
      done: v.optional(v.boolean()),
      place: v.optional(v.object({ city: v.optional(v.string()) })),
      tags: v.optional(v.array(v.string())),
    }),
  ),
  arktype: type({
    id: 'string',
    owner: 'string',
    'size?': 'number',
    'kind?': "'a' | 'b'",
    'done?': 'boolean',
    'place?': { 'city?': 'string' },
    'tags?': 'string[]',
  }),
};

const byName = (fields: readonly { readonly name: string }[]) =>
  fields.toSorted((a, b) => (a.name < b.name ? -1 : 1));

describe.each(['zod', 'valibot', 'arktype'] as const)('an entity whose schema is of %s', (library) => {
  const Box = defineEntity({ name: 'boxes', schema: SAME[library], key });

  it('has the same fields as one of zod', () => {
    const fields = byName(Box.fields);
    expect(fields).toEqual(byName(defineEntity({ name: 'boxes', schema: SAME.zod, key }).fields));
    expect([...(Box.shape.fields.get('place')?.fields.keys() ?? [])]).toEqual(['city']);
  });

  it('is stored whole, fields that the schema does not name included', async () => {
    const store = memoryDocumentStore();
    await store.prepare([Box]);
    const boxes = repositoryIn(store, Box);
    const value = { id: '1', owner: 'a', size: 1, extra: { deep: [1] }, place: { city: 'Bern', zip: 1 } };
    await boxes.create(value);
    await boxes.patch({ owner: 'a', id: '1' }, { size: 2 });
    const stored = await boxes.get({ owner: 'a', id: '1' });
    expect(stored?.value).toEqual({ ...value, size: 2 });
    // get -> replace changes nothing
    if (stored) await boxes.replace(stored.value);
    expect((await boxes.get({ owner: 'a', id: '1' }))?.value).toEqual({ ...value, size: 2 });
  });

  it('says which field is wrong, by a plain path, and never its value', () => {
    const issues = Box.issues({
      id: '1',
      owner: 'a',
      size: 'sesame-open',
      place: { city: 4711 },
      kind: 'c"d',
    });
    expect(issues.map((issue) => issue.path)).toEqual(
      expect.arrayContaining([['size'], ['place', 'city'], ['kind']]),
    );
    expect(JSON.stringify(issues)).not.toMatch(/sesame|4711|c\\"d/);
  });
});

function problemsOf(schema: unknown): string {
  try {
    // What TypeScript would refuse, as it comes from JavaScript.
    defineEntity({ name: 'boxes', schema: schema as EntitySchema<{ id: string; owner: string }>, key });
  } catch (error) {
    if (InvalidOptionsError.isInstance(error)) return error.problems.join('\n');
    throw error;
  }
  return '';
}

describe('what cannot be an entity', () => {
  const base = { id: v.string(), owner: v.string() };
  const valibot = (more: v.ObjectEntries) => toStandardJsonSchema(v.object({ ...base, ...more }));
  const ark = (more: object) => type({ id: 'string', owner: 'string', ...more } as { id: 'string' });

  it.each([
    ['nothing', undefined, 'no Standard Schema; give one of zod 4, Valibot or ArkType'],
    ['a class with parse', { parse: (text: unknown) => text }, 'no Standard Schema'],
    ['Valibot alone', v.object(base), 'wrap it in toStandardJsonSchema of @valibot/to-json-schema'],
    [
      'an unknown library',
      { '~standard': { version: 1, vendor: 'x', validate: () => ({ value: 1 }) } },
      'use a library with Standard JSON Schema',
    ],
    ['a Valibot transform', valibot({ n: v.pipe(v.string(), v.transform(Number)) }), '"transform"'],
    ['a Valibot date', valibot({ n: v.date() }), '"date"'],
    ['a Valibot action that changes text', valibot({ n: v.pipe(v.string(), v.trim()) }), '"trim"'],
    ['a Valibot default', valibot({ n: v.optional(v.string(), 'x') }), 'fills in field "n"'],
    [
      'a Valibot default below',
      valibot({ n: v.object({ m: v.optional(v.string(), 'x') }) }),
      'fills in field "n.m"',
    ],
    ['a zod default below', z.object({ o: z.object({ m: z.string().default('x') }) }), 'field "o.m"'],
    ['a zod catch', z.object({ o: z.string().catch('x') }), 'fills in field "o"'],
    ['an ArkType default', ark({ n: 'number = 5' }), 'fills in field "n"'],
    ['an ArkType morph', ark({ n: 'string.numeric.parse' }), 'turns field "n" into another type'],
    ['an ArkType date', ark({ n: 'Date' }), 'not JSON'],
    ['an ArkType bigint', ark({ n: 'bigint' }), 'not JSON'],
    [
      'alternatives at the top',
      toStandardJsonSchema(v.variant('id', [v.object({ ...base, id: v.literal('a') }), v.object(base)])),
      'declare every field in one object',
    ],
  ])('%s', (_, schema, problem) => {
    expect(problemsOf(schema)).toContain(problem);
  });

  it('a change that JSON Schema cannot show is refused when a value is written', () => {
    const Box = defineEntity({
      name: 'boxes',
      schema: ark({ n: 'string.lower' }),
      key: { partition: 'id', id: 'id' },
    });
    expect(Box.issues({ id: '1', owner: 'a', n: 'low' })).toEqual([]);
    expect(Box.issues({ id: '1', owner: 'a', n: 'HIGH' })).toMatchObject([{ path: ['n'] }]);
  });

  it('a check of one’s own is no change, and is run', () => {
    const n = v.pipe(
      v.string(),
      v.check((text) => text !== 'no'),
    );
    const schema = toStandardJsonSchema(v.object({ ...base, n }));
    const Box = defineEntity({ name: 'boxes', schema, key });
    expect(Box.issues({ id: '1', owner: 'a', n: 'yes' })).toEqual([]);
    expect(Box.issues({ id: '1', owner: 'a', n: 'no' })).toMatchObject([{ path: ['n'] }]);
  });

  it('a check that is asynchronous is told when a value is written', () => {
    const n = v.pipeAsync(
      v.string(),
      v.checkAsync(async () => true),
    );
    const asynchronous = v.objectAsync({ ...base, n });
    const standard = {
      ...toStandardJsonSchema(v.object(base))['~standard'],
      validate: asynchronous['~standard'].validate,
    };
    const Box = defineEntity({ name: 'boxes', schema: { '~standard': standard }, key });
    expect(() => Box.issues({ id: '1', owner: 'a', n: 'yes' })).toThrow('entities need a synchronous one');
  });
});

describe('recursive schemas', () => {
  it('may be a reference at the root', () => {
    const { tree } = type.module({ tree: { id: 'string', owner: 'string', 'child?': 'tree' } });
    const { shape } = defineEntity({ name: 'trees', schema: tree, key });
    expect(shape.fields.get('child')?.fields.get('child')?.fields.has('owner')).toBe(true);
  });
});
