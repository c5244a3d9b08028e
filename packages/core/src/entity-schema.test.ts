import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { describeSchema, type FieldType } from './entity-schema.ts';

function fieldOf(schema: z.ZodType): { type: FieldType | undefined; mixed: boolean | undefined } {
  const { description } = describeSchema(z.object({ field: schema }));
  return { type: description.fields[0]?.type, mixed: description.fields[0]?.mixed };
}

describe('field types', () => {
  it.each([
    ['text', z.string(), 'text', false],
    ['a uuid', z.uuid(), 'text', false],
    ['a list of texts to choose from', z.enum(['a', 'b']), 'text', false],
    ['a literal', z.literal('a'), 'text', false],
    ['a number', z.number(), 'number', false],
    ['a whole number', z.int(), 'number', false],
    ['a boolean', z.boolean(), 'boolean', false],
    ['text or null', z.string().nullable(), 'text', true],
    ['text or a number', z.union([z.string(), z.number()]), 'json', true],
    ['an object', z.object({ a: z.string() }), 'json', false],
    ['a list', z.array(z.string()), 'json', false],
    ['an object or null', z.object({}).nullable(), 'json', true],
    ['anything', z.any(), 'json', true],
    ['any JSON', z.json(), 'json', true],
  ] as const)('%s', (_, schema, type, mixed) => {
    expect(fieldOf(schema)).toEqual({ type, mixed });
  });
});

describe('shapes', () => {
  const shapeOf = (schema: z.ZodObject) => describeSchema(schema).description.shape;

  it('hold declared names at every depth, of every alternative', () => {
    const shape = shapeOf(
      z.object({
        deep: z.object({ a: z.object({ b: z.string() }) }),
        either: z.union([z.object({ x: z.string() }), z.object({ y: z.string() })]),
        both: z.intersection(z.object({ p: z.string() }), z.object({ q: z.string() })),
      }),
    );
    expect([...(shape.fields.get('deep')?.fields.get('a')?.fields.keys() ?? [])]).toEqual(['b']);
    expect([...(shape.fields.get('either')?.fields.keys() ?? [])]).toEqual(['x', 'y']);
    expect([...(shape.fields.get('both')?.fields.keys() ?? [])]).toEqual(['p', 'q']);
  });

  it('of maps and of any value declare no names', () => {
    const shape = shapeOf(z.object({ map: z.record(z.string(), z.number()), any: z.json() }));
    expect(shape.fields.get('map')?.fields.size).toBe(0);
    expect(shape.fields.get('any')?.fields.size).toBe(0);
  });

  it('are open where the rest of the fields has a type', () => {
    expect(shapeOf(z.object({ a: z.string() }).catchall(z.number())).open).toBe(true);
    expect(shapeOf(z.looseObject({ a: z.string() })).open).not.toBe(true);
    expect(shapeOf(z.object({ a: z.string() })).open).not.toBe(true);
  });

  it('of recursive schemas hold themselves', () => {
    const Tree = z.object({
      name: z.string(),
      get child() {
        return Tree.optional();
      },
    });
    const shape = shapeOf(z.object({ tree: Tree }));
    const tree = shape.fields.get('tree');
    expect([...(tree?.fields.keys() ?? [])]).toEqual(['name', 'child']);
    expect(tree?.fields.get('child')?.fields.get('child')?.fields.get('name')).toBeDefined();
    expect(shapeOf(Tree).fields.get('child')?.fields.get('child')?.fields.has('name')).toBe(true);
  });
});
