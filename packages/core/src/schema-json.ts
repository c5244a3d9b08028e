import type { EntitySchema } from './entity-schema.ts';
import { canonicalJson, isJsonObject, type JsonObject, type JsonValue } from './json.ts';

/** What a schema says of itself: JSON Schema of what it takes and of what it gives, or what keeps it from saying so. */
export type SchemaJson =
  | { readonly input: JsonObject; readonly output: JsonObject }
  | { readonly problem: string };

const DESCRIBES_ITSELF: Readonly<Record<string, string>> = {
  zod: 'use zod 4.2 or later',
  valibot: 'wrap it in toStandardJsonSchema of @valibot/to-json-schema',
  arktype: 'use ArkType 2.1.28 or later',
};
const refuse = (): never => {
  throw new Error('a type is not JSON');
};
// What libraries must be told, since they say too little or too much when they are not.
const LIBRARY_OPTIONS: Readonly<Record<string, Record<string, unknown>>> = {
  // ArkType describes what JSON cannot carry as anything at all.
  arktype: { fallback: { date: refuse, domain: refuse, proto: refuse } },
  // Valibot refuses to describe checks of one's own, which change nothing.
  valibot: {
    overrideAction: (context: {
      readonly valibotAction: { readonly kind: string };
      readonly jsonSchema: unknown;
    }) => (context.valibotAction.kind === 'validation' ? context.jsonSchema : undefined),
  },
};

/** Asks a schema to describe itself. */
export function schemaJsonOf(schema: EntitySchema): SchemaJson {
  // What TypeScript would refuse, as it comes from JavaScript.
  const given: Partial<EntitySchema> | null | undefined = schema;
  const standard: Partial<EntitySchema['~standard']> | undefined = given?.['~standard'];
  if (typeof standard?.validate !== 'function')
    return { problem: 'schema is no Standard Schema; give one of zod 4, Valibot or ArkType' };
  const vendor = standard.vendor ?? '';
  const { jsonSchema } = standard;
  if (!jsonSchema)
    return {
      problem: `schema does not describe itself as JSON Schema; ${DESCRIBES_ITSELF[vendor] ?? 'use a library with Standard JSON Schema'}`,
    };
  const libraryOptions = LIBRARY_OPTIONS[vendor];
  const options = { target: 'draft-2020-12', ...(libraryOptions ? { libraryOptions } : {}) } as const;
  try {
    const input = plain(jsonSchema.input(options));
    const output = plain(jsonSchema.output(options));
    if (input && output) return { input, output };
    return { problem: 'schema describes no JSON Schema object' };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return {
      problem: `schema cannot be described as JSON Schema: a schema that transforms, or whose output is not JSON, is refused (${reason})`,
    };
  }
}

// A JSON Schema is JSON; the library types it as unknown fields. A recursive one may be a reference into itself.
function plain(described: Record<string, unknown>): JsonObject | undefined {
  const root: JsonValue = JSON.parse(JSON.stringify(described));
  if (!isJsonObject(root)) return undefined;
  const name = typeof root['$ref'] === 'string' ? /^#\/\$defs\/([^/]+)$/.exec(root['$ref'])?.[1] : undefined;
  const { $defs: named } = root;
  const target = name !== undefined && isJsonObject(named) ? named[name] : undefined;
  return isJsonObject(target) && isJsonObject(named) ? { ...target, $defs: named } : root;
}

/** Where a schema would decide what is stored: fields that it fills in, and fields that come out as another type. */
export function decisionsOf({
  input,
  output,
}: {
  readonly input: JsonObject;
  readonly output: JsonObject;
}): readonly string[] {
  const problems: string[] = [];
  const filled = new Set([...pathsWithDefault(input), ...pathsWithDefault(output)]);
  for (const [path, part] of fieldsBelow(output, '')) {
    const given = fieldsBelow(input, '').get(path);
    const fills = filled.has(path) || (part.required && given !== undefined && !given.required);
    if (fills)
      problems.push(
        `schema fills in field "${path}" (a default): schemas check, they never decide what is stored; make the field optional`,
      );
    else if (given && canonicalJson(typesOf(given.schema)) !== canonicalJson(typesOf(part.schema)))
      problems.push(
        `schema turns field "${path}" into another type: schemas check, they never decide what is stored; declare it as it is stored`,
      );
  }
  return problems;
}

interface Part {
  readonly schema: JsonObject;
  readonly required: boolean;
}

function fieldsBelow(schema: JsonObject, prefix: string): Map<string, Part> {
  const { properties, required } = schema;
  const found = new Map<string, Part>();
  if (!isJsonObject(properties)) return found;
  for (const [name, property] of Object.entries(properties)) {
    if (!isJsonObject(property)) continue;
    const path = `${prefix}${name}`;
    found.set(path, { schema: property, required: Array.isArray(required) && required.includes(name) });
    for (const [below, part] of fieldsBelow(property, `${path}.`)) found.set(below, part);
  }
  return found;
}

function pathsWithDefault(schema: JsonObject): readonly string[] {
  return [...fieldsBelow(schema, '')].flatMap(([path, part]) =>
    Object.hasOwn(part.schema, 'default') ? [path] : [],
  );
}

function typesOf(schema: JsonObject): JsonValue {
  return schema['type'] ?? null;
}
