import type { Entity, Scalar } from '@polyphase/core';
import { STAMP_FIELD, SYSTEM_FIELDS } from './cosmos-document.ts';
import { type Discriminator, discriminatorOf } from './discriminator.ts';

/** Where the records of an entity are. */
export interface CosmosPlacement {
  /** Name of the container. @default the entity's name */
  readonly container?: string | undefined;
  /**
   * What tells the entity's documents from the others of the container: top-level fields with constant values, such as
   * `{ type: 'account' }`. A field that the schema does not name is written into each document and is in no value; one that it names
   * belongs to the value and must have this value.
   *
   * @default none: every document of the container is the entity's
   */
  readonly discriminator?: Readonly<Record<string, Scalar>> | undefined;
  /**
   * `"hard"`: a delete removes the document, as other programs expect, for as long as no other store follows. The gate 0 → 1
   * stays closed until it is taken away. A repeated delete is not known by its operation id, and one of a record that was written
   * within the last second waits for that second to pass.
   *
   * @default none: a delete leaves a tombstone
   */
  readonly deletes?: 'hard' | undefined;
  /**
   * `"acknowledged"`: whoever else reads the container has been told what they will meet from phase 1 on. Each document gets the
   * field `_h` (and so appears in their change feeds once more), a deleted record stays as a document with id, partition key and
   * `_h.x: true`, and documents whose ids begin with `hyb:` are the SDK's. The gate 0 → 1 stays closed until this is said, where there
   * is a document that was written without the SDK.
   *
   * @default none
   */
  readonly otherReaders?: 'acknowledged' | undefined;
}

/** Where entities are that are not alone in a container of their own name, by entity; and the permits of groups, by group. */
export type CosmosMap = Readonly<Record<string, CosmosPlacement>>;

/** An entity with its place. */
export interface PlacedEntity {
  readonly entity: Entity;
  readonly container: string;
  readonly discriminator: Discriminator;
  readonly removes: boolean;
  readonly readersAcknowledged: boolean;
}

// Fields that have a meaning of their own in every document.
const TAKEN: ReadonlySet<string> = new Set(['id', 'ttl', STAMP_FIELD, ...SYSTEM_FIELDS]);

/** What is wrong with a map, seen by itself. */
export function mapProblems(map: unknown): readonly string[] {
  if (typeof map !== 'object' || map === null || Array.isArray(map))
    return ['map must be an object with an entry for each entity'];
  return Object.entries(map).flatMap(([name, placement]: [string, unknown]) => {
    if (typeof placement !== 'object' || placement === null)
      return [`map.${name} must be an object with container, discriminator, deletes or otherReaders`];
    const { container, discriminator, deletes, otherReaders, ...others }: Readonly<Record<string, unknown>> =
      {
        ...placement,
      };
    return [
      ...Object.keys(others).map((option) => `map.${name}.${option} is no option of a map`),
      ...(container === undefined || (typeof container === 'string' && container !== '')
        ? []
        : [`map.${name}.container must be the name of a container`]),
      ...(deletes === undefined || deletes === 'hard'
        ? []
        : [`map.${name}.deletes must be "hard", or left out`]),
      ...(otherReaders === undefined || otherReaders === 'acknowledged'
        ? []
        : [`map.${name}.otherReaders must be "acknowledged", or left out`]),
      ...(discriminator === undefined ? [] : discriminatorProblems(name, discriminator)),
    ];
  });
}

function discriminatorProblems(entity: string, fields: unknown): readonly string[] {
  const where = `map.${entity}.discriminator`;
  if (typeof fields !== 'object' || fields === null || Object.keys(fields).length === 0)
    return [`${where} must name at least one field with its value`];
  return Object.entries(fields).flatMap(([field, value]) => [
    ...(isConstant(value) ? [] : [`${where}.${field} must be text, a finite number, a boolean or null`]),
    ...(TAKEN.has(field) ? [`${where}.${field} has a meaning of its own in every document`] : []),
  ]);
}

function isConstant(value: unknown): boolean {
  return value === null || ['string', 'boolean'].includes(typeof value) || Number.isFinite(value);
}

/** The place of an entity by a map. */
export function placeOf(map: CosmosMap, entity: Entity): PlacedEntity {
  const { container, discriminator, deletes, otherReaders } = entryOf(map, entity.name);
  return {
    entity,
    container: container ?? entity.name,
    discriminator: discriminatorOf(entity, discriminator),
    removes: deletes === 'hard',
    readersAcknowledged: otherReaders === 'acknowledged',
  };
}

/** The container that holds the permit of a group. */
export function permitContainer(map: CosmosMap, group: string): string {
  return entryOf(map, group).container ?? group;
}

function entryOf(map: CosmosMap, name: string): CosmosPlacement {
  return (Object.hasOwn(map, name) ? map[name] : undefined) ?? {};
}

/** Each pair of entities that could take one document for theirs: two of one container whose discriminators do not exclude each other. */
export function overlapProblems(places: readonly PlacedEntity[]): readonly string[] {
  return places.flatMap((one, i) =>
    places
      .slice(i + 1)
      .filter((other) => one.container === other.container && !excludes(one, other))
      .map(
        (other) =>
          `Entities "${one.entity.name}" and "${other.entity.name}" are both in container "${one.container}", and a document could be of both; give each a discriminator in map with another value of a common field`,
      ),
  );
}

function excludes(one: PlacedEntity, other: PlacedEntity): boolean {
  return [...one.discriminator.fields].some(([name, value]) => {
    const there = other.discriminator.fields.get(name);
    return there !== undefined && there !== value;
  });
}
