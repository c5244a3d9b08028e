import { isJsonObject, type JsonObject, type JsonValue } from './json.ts';

/** The field names that a schema declares, at each depth: what is not in here is unknown and belongs to the record. */
export interface Shape {
  /** Shape of each declared field; a field that is no object with declared fields has an empty shape. May hold itself. */
  readonly fields: ReadonlyMap<string, Shape>;
  /** Whether the schema gives all other fields a type too, as that of a map of values does: then none is unknown. @default false */
  readonly open?: boolean;
}

// Assignment to "__proto__" would set the prototype; a document may well have a field of that name.
function setField(target: Record<string, JsonValue>, name: string, value: JsonValue): void {
  Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
}

/**
 * The document after a merge patch: null removes a field, an object merges, all else replaces.
 *
 * @see RFC 7396, JSON Merge Patch
 */
export function mergePatch(target: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (!isJsonObject(patch)) return patch;
  const merged: Record<string, JsonValue> = isJsonObject(target) ? { ...target } : {};
  for (const [name, change] of Object.entries(patch)) {
    if (change === undefined) continue;
    if (change === null) delete merged[name];
    else setField(merged, name, mergePatch(Object.hasOwn(merged, name) ? merged[name] : undefined, change));
  }
  return merged;
}

/**
 * The new value together with the fields of the old one that the schema does not name, at every depth that objects of both
 * share. Arrays are values: their elements have no identity, so nothing is carried over inside them. So are maps and fields of
 * any type, inside which the schema names nothing: what the new value leaves out of them is gone.
 */
export function keepUnknown(previous: JsonObject, next: JsonObject, shape: Shape): JsonObject {
  const kept: Record<string, JsonValue> = { ...next };
  for (const [name, before] of Object.entries(previous)) {
    const known = shape.fields.get(name);
    const now = Object.hasOwn(next, name) ? next[name] : undefined;
    if (known === undefined) {
      if (now === undefined && shape.open !== true) setField(kept, name, before);
    } else if (known.fields.size > 0 && isJsonObject(before) && isJsonObject(now))
      setField(kept, name, keepUnknown(before, now, known));
  }
  return kept;
}
