import {
  type Entity,
  InvalidDataError,
  type JsonObject,
  type JsonValue,
  keyLabel,
  type RecordKey,
  type Scalar,
} from '@polyphase/core';

/** What tells an entity's documents from the others of its container: top-level fields with constant values. None: all are its own. */
export interface Discriminator {
  readonly fields: ReadonlyMap<string, Scalar>;
  /** Those of the fields that the schema does not name: they are in documents and never in values. */
  readonly hidden: ReadonlySet<string>;
}

/** How an entity's records lie in their container. */
export interface EntityMapping {
  readonly entity: Entity;
  readonly discriminator: Discriminator;
}

/** The discriminator that a map's fields make for an entity. */
export function discriminatorOf(
  entity: Entity,
  fields: Readonly<Record<string, Scalar>> = {},
): Discriminator {
  const named = new Set(entity.fields.map((field) => field.name));
  return {
    fields: new Map(Object.entries(fields)),
    hidden: new Set(Object.keys(fields).filter((name) => !named.has(name))),
  };
}

/** Tells whether a document is one of the entity's. */
export function belongsTo({ discriminator }: EntityMapping, document: JsonObject): boolean {
  return [...discriminator.fields].every(
    ([name, value]) => Object.hasOwn(document, name) && document[name] === value,
  );
}

/**
 * The fields of a value as its document has them, and apart from them those whose names the discriminator took: they are kept in
 * the stamp, so that no value is refused or changed for a name that another program gave a meaning.
 *
 * @throws {@link InvalidDataError} when a field that the schema names is not what tells the entity's documents from others
 */
export function discriminated(
  { entity, discriminator }: EntityMapping,
  record: { readonly key: RecordKey; readonly value: JsonObject },
): { readonly body: JsonObject; readonly shadowed: JsonObject | undefined } {
  const { fields, hidden } = discriminator;
  const wrong = [...fields].filter(
    ([name, value]) =>
      !hidden.has(name) && !(Object.hasOwn(record.value, name) && record.value[name] === value),
  );
  if (wrong.length > 0)
    throw new InvalidDataError({
      message: 'The value would be a document of another entity of the container',
      entity: entity.name,
      key: keyLabel(record.key),
      issues: wrong.map(([name]) => ({
        path: [name],
        message: 'must have the value of the discriminator in the map of cosmosStore',
      })),
    });
  const entries = Object.entries(record.value);
  const shadowed = entries.filter(([name]) => hidden.has(name));
  return {
    body: withDiscriminator(discriminator, Object.fromEntries(entries.filter(([name]) => !hidden.has(name)))),
    shadowed: shadowed.length === 0 ? undefined : Object.fromEntries(shadowed),
  };
}

/** A document with the fields that make it the entity's own. */
export function withDiscriminator({ fields }: Discriminator, document: JsonObject): JsonObject {
  const own = [...fields].filter(([name]) => !Object.hasOwn(document, name));
  return own.length === 0 ? document : { ...document, ...Object.fromEntries<JsonValue>(own) };
}
