import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { EntitySchema } from './entity-schema.ts';
import { InvalidOptionsError } from './errors.ts';
import { type Issue, isJsonObject, type JsonObject, type JsonValue, jsonEquals } from './json.ts';

const SHORT = 4;

// Some libraries quote the value that they refuse: (was "x"), Received "x". Messages go to logs, so values are cut out of them.
function withoutValue(message: string, value: JsonValue | undefined): string {
  const quotesCut = message.replace(/(["'`])(?:(?!\1).){24,}\1/g, '…');
  if (typeof value !== 'string' && typeof value !== 'number') return quotesCut;
  const text = String(value);
  const forms = [
    JSON.stringify(text),
    `"${text}"`,
    `'${text}'`,
    `\`${text}\``,
    ...(text.length >= SHORT ? [text] : []),
  ];
  const cut = forms.reduce((it, form) => it.replaceAll(form, '…'), quotesCut);
  return typeof value === 'number' ? cut.replace(new RegExp(`(?<![\\w.])${text}(?![\\w.])`, 'g'), '…') : cut;
}

function valueAtPlainPath(value: JsonValue, path: readonly (string | number)[]): JsonValue | undefined {
  let at: JsonValue | undefined = value;
  for (const step of path) {
    if (Array.isArray(at)) at = at[Number(step)];
    else if (isJsonObject(at) && Object.hasOwn(at, step)) at = at[String(step)];
    else return undefined;
  }
  return at;
}

function plainPath(path: StandardSchemaV1.Issue['path']): (string | number)[] {
  // Some libraries give a list of their own kind.
  return Array.from(path ?? [], (segment) => {
    const key = typeof segment === 'object' ? segment.key : segment;
    return typeof key === 'symbol' ? key.toString() : key;
  });
}

// zod and others strip what the schema does not name, so fields may be missing from the output; what is there must be unchanged.
// The path is made on the way out, since nearly always there is none.
function changedAt(
  input: JsonValue | undefined,
  output: JsonValue,
): readonly (string | number)[] | undefined {
  if (input === output) return undefined;
  if (Array.isArray(output) && Array.isArray(input) && input.length === output.length) {
    for (let i = 0; i < output.length; i += 1) {
      const changed = changedAt(input[i], output[i] ?? null);
      if (changed) return [i, ...changed];
    }
    return undefined;
  }
  if (isJsonObject(output) && isJsonObject(input)) {
    for (const name of Object.keys(output)) {
      const field = output[name];
      // Most fields are the very value that was given; what is inherited is never one of JSON.
      if (field === undefined || field === input[name]) continue;
      const changed = changedAt(Object.hasOwn(input, name) ? input[name] : undefined, field);
      if (changed) return [name, ...changed];
    }
    return undefined;
  }
  return jsonEquals(input, output) ? undefined : [];
}

/**
 * What a schema says against a value, and where it would change it: schemas check, they never decide what is stored.
 *
 * @throws {@link InvalidOptionsError} when the schema checks asynchronously
 */
export function schemaIssues(schema: EntitySchema, value: JsonObject, name: string): readonly Issue[] {
  const result = schema['~standard'].validate(value);
  if (result instanceof Promise)
    throw new InvalidOptionsError({
      message: `The schema of ${name} checks asynchronously; entities need a synchronous one`,
    });
  if (result.issues)
    return result.issues.map((issue) => {
      const path = plainPath(issue.path);
      return { path, message: withoutValue(issue.message, valueAtPlainPath(value, path)) };
    });
  // The library typed its output; that it is JSON was checked by the caller.
  const changed = changedAt(value, result.value as JsonValue);
  return changed
    ? [
        {
          path: changed,
          message: 'the schema changes this value (transform, default or coercion); schemas may only check',
        },
      ]
    : [];
}
