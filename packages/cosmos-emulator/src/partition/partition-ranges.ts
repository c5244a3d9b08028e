import { encodeNumber, hex } from './effective-key.ts';
import type { PartitionKeyDefinition } from './partition-key.ts';

/** A half-open stretch of effective partition keys. */
export interface KeyRange {
  readonly min: string;
  readonly max: string;
}

/** The least effective partition key. */
export const minimumKey = '';

/** Above every effective partition key. */
export const maximumKey = 'FF';

/** Cuts the space of effective partition keys into so many ranges of the same size. */
export function evenRanges(count: number, definition: PartitionKeyDefinition): KeyRange[] {
  const edges = [minimumKey];
  for (let at = 1; at < count; at++) edges.push(edge(at / count, definition));
  edges.push(maximumKey);
  return edges.slice(1).map((max, at) => ({ min: edges[at] ?? minimumKey, max }));
}

function edge(share: number, definition: PartitionKeyDefinition): string {
  if (definition.kind === 'Hash' && definition.version === 1)
    return hex(encodeNumber(Math.floor(share * 2 ** 32)));
  const leading = Math.floor(share * 0x4000)
    .toString(16)
    .toUpperCase()
    .padStart(4, '0');
  return leading.padEnd(32, '0');
}

/** Tells whether a range covers every key. */
export function isFullRange(range: KeyRange): boolean {
  return range.min <= minimumKey && range.max >= maximumKey;
}

/** Tells whether a key lies inside a range. */
export function inRange(range: KeyRange, key: string): boolean {
  return key >= range.min && key < range.max;
}
