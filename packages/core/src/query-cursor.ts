import type { Entity } from './entity.ts';
import { InvalidOptionsError } from './errors.ts';
import { isJsonObject } from './json.ts';
import { partitionOf, partitionText } from './key.ts';
import { isScalar } from './query.ts';
import type { PlanPosition } from './query-plan.ts';

/** The cursor after a record, for queries of one shape (the digest of everything but the page). */
export function encodeCursor(shape: string, position: PlanPosition): string {
  const data = [
    shape,
    position.values.map((value, i) => {
      if (value !== undefined) return value;
      return position.others?.includes(i) === true ? {} : [];
    }),
    partitionText(position.key.partition),
    position.key.id,
  ];
  const bytes = new TextEncoder().encode(JSON.stringify(data));
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

/**
 * The position that {@link encodeCursor} wrote.
 *
 * @throws {@link InvalidOptionsError} when it is no cursor, or belongs to another query
 */
export function decodeCursor(cursor: string, shape: string, entity: Entity): PlanPosition {
  try {
    const binary = atob(cursor.replaceAll('-', '+').replaceAll('_', '/'));
    const data: unknown = JSON.parse(
      new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(binary, (char) => char.charCodeAt(0))),
    );
    const [owner, values, partition, id]: readonly unknown[] = Array.isArray(data) ? data : [];
    if (
      owner === shape &&
      Array.isArray(values) &&
      values.every((it) => isScalar(it) || Array.isArray(it) || isJsonObject(it)) &&
      typeof partition === 'string' &&
      typeof id === 'string'
    ) {
      return {
        values: values.map((value: unknown) => (isScalar(value) ? value : undefined)),
        others: values.flatMap((value: unknown, i) => (isJsonObject(value) ? [i] : [])),
        key: { partition: partitionOf(partition), id },
      };
    }
  } catch {
    // Falls through to the one message: what is wrong inside a cursor is nobody's business but ours.
  }
  throw new InvalidOptionsError({
    message:
      'cursor does not belong to this query; pass on the cursor of the page before, with the same where and orderBy',
    entity: entity.name,
  });
}
