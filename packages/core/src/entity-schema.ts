import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec';
import { isJsonObject, type JsonObject, type JsonValue, valueAt } from './json.ts';
import type { Shape } from './merge.ts';
import { decisionsOf, schemaJsonOf } from './schema-json.ts';

/** A schema that can check values and describe itself: zod, Valibot, ArkType and others (Standard Schema with JSON Schema). */
export interface EntitySchema<Value = unknown> {
  readonly '~standard': StandardSchemaV1.Props<unknown, Value> & StandardJSONSchemaV1.Props<unknown, Value>;
}

/** The exact type of a column that can hold one field: text, a double, a boolean, or JSON for objects and arrays. */
export type FieldType = 'text' | 'number' | 'boolean' | 'json';

/** One top-level field that the schema declares. */
export interface Field {
  readonly name: string;
  readonly type: FieldType;
  /** Whether every value that the schema accepts has this field. */
  readonly required: boolean;
  /** Whether the schema also accepts null, or values of other types: then a column of `type` does not hold them all. */
  readonly mixed: boolean;
}

/** What the SDK knows of a schema: its top-level fields, and the names it declares at every depth. */
export interface SchemaDescription {
  readonly fields: readonly Field[];
  readonly shape: Shape;
  /** JSON Schema of the values, as the library printed it. */
  readonly json: JsonObject;
}

const EMPTY: Shape = { fields: new Map() };

function alternatives(schema: JsonObject): readonly JsonObject[] {
  const union = schema['anyOf'] ?? schema['oneOf'];
  return Array.isArray(union) ? union.filter(isJsonObject).flatMap(alternatives) : [schema];
}

/** Reads shapes out of a JSON Schema; each `$ref` once, so that a recursive schema becomes a shape that holds itself. */
class ShapeReader {
  readonly #root: JsonObject;
  readonly #referenced = new Map<string, Shape>();

  constructor(root: JsonObject) {
    this.#root = root;
  }

  read(schema: JsonValue | undefined): Shape {
    if (!isJsonObject(schema)) return EMPTY;
    const { $ref: reference } = schema;
    if (typeof reference === 'string') return this.#follow(reference);
    const fields = new Map<string, Shape>();
    return this.#readInto(schema, fields) ? { fields, open: true } : { fields };
  }

  #follow(reference: string): Shape {
    const there = this.#referenced.get(reference);
    if (there) return there;
    const fields = new Map<string, Shape>();
    const shape = { fields, open: false };
    this.#referenced.set(reference, shape);
    const path = reference === '#' ? [] : reference.replace(/^#\//, '').split('/');
    const target = valueAt(this.#root, path);
    if (isJsonObject(target)) shape.open = this.#readInto(target, fields);
    return shape;
  }

  // Answers whether the schema names every field there may be, as that of a map of values does.
  #readInto(schema: JsonObject, fields: Map<string, Shape>): boolean {
    const parts = [...alternatives(schema), ...(Array.isArray(schema['allOf']) ? schema['allOf'] : [])];
    let open = false;
    for (const part of parts.filter(isJsonObject)) {
      const { properties, additionalProperties: others } = part;
      open ||= isJsonObject(others) && Object.keys(others).length > 0;
      if (!isJsonObject(properties)) continue;
      for (const [name, property] of Object.entries(properties)) fields.set(name, this.read(property));
    }
    return open;
  }
}

function typeNames(schema: JsonObject): readonly string[] {
  const type = schema['type'];
  if (typeof type === 'string') return [type];
  if (Array.isArray(type)) return type.filter((name) => typeof name === 'string');
  const values = Array.isArray(schema['enum']) ? schema['enum'] : 'const' in schema ? [schema['const']] : [];
  return values.length === 0
    ? ['any']
    : values.map((value) => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value));
}

function columnType(name: string): FieldType {
  if (name === 'string') return 'text';
  if (name === 'number' || name === 'integer') return 'number';
  return name === 'boolean' ? 'boolean' : 'json';
}

function fieldType(names: ReadonlySet<string>): FieldType {
  const types = new Set([...names].filter((name) => name !== 'null').map(columnType));
  const [only] = types;
  return types.size === 1 && only !== undefined ? only : 'json';
}

function describeField(name: string, property: JsonValue, required: boolean): Field {
  const names = new Set(isJsonObject(property) ? alternatives(property).flatMap(typeNames) : ['any']);
  const type = fieldType(names);
  const exact =
    type === 'json' ? [...names].every((it) => it === 'object' || it === 'array') : !names.has('null');
  return { name, type, required, mixed: !exact };
}

function requiredOf(schema: JsonObject): readonly string[] {
  return Array.isArray(schema['required'])
    ? schema['required'].filter((name) => typeof name === 'string')
    : [];
}

/** Every problem that keeps a schema from being an entity's, and its description when there is none. */
export function describeSchema(schema: EntitySchema): {
  readonly problems: readonly string[];
  readonly description: SchemaDescription;
} {
  const none: SchemaDescription = { fields: [], shape: EMPTY, json: {} };
  const told = schemaJsonOf(schema);
  if ('problem' in told) return { problems: [told.problem], description: none };
  const { input, output } = told;
  if (input['type'] !== 'object' || !isJsonObject(output['properties'])) {
    const problem =
      'schema must describe an object with named fields; of a union or an intersection, declare every field in one object';
    return { problems: [problem], description: none };
  }
  const problems = decisionsOf(told);
  const required = new Set(requiredOf(input));
  const fields = Object.entries(output['properties']).map(([name, property]) =>
    describeField(name, property, required.has(name)),
  );
  return { problems, description: { fields, shape: new ShapeReader(output).read(output), json: output } };
}

/** The JSON Schema at a path of field names, and whether every step on the way is required. Undefined where nothing is declared. */
export function schemaAt(
  json: JsonObject,
  path: readonly string[],
): { readonly schema: JsonObject; readonly required: boolean } | undefined {
  let at: JsonObject = json;
  let required = true;
  for (const name of path) {
    const properties = at['properties'];
    if (!isJsonObject(properties) || !Object.hasOwn(properties, name)) return undefined;
    const next: JsonValue | undefined = properties[name];
    if (!isJsonObject(next)) return undefined;
    required &&= requiredOf(at).includes(name);
    at = next;
  }
  return { schema: at, required };
}

/** The types that a piece of JSON Schema accepts: names of JSON Schema, `any` where it does not say. */
export function acceptedTypes(schema: JsonObject): ReadonlySet<string> {
  return new Set(alternatives(schema).flatMap(typeNames));
}
