import { effectivePartitionKey, encodeNumber, hex } from './effective-key.ts';
import type { PartitionKey, PartitionKeyDefinition } from './partition-key.ts';

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
  const leading = Math.floor(share * 0x40000000)
    .toString(16)
    .toUpperCase()
    .padStart(8, '0');
  return leading.padEnd(32, '0');
}

/** Cuts a range in two of the same size. Throws a RangeError where it is too narrow. */
export function halves(range: KeyRange, definition: PartitionKeyDefinition): [KeyRange, KeyRange] {
  const middle = edge((shareOf(range.min, definition) + shareOf(range.max, definition)) / 2, definition);
  if (middle <= range.min || middle >= range.max)
    throw new RangeError('The range is too narrow to be split.');
  return [
    { min: range.min, max: middle },
    { min: middle, max: range.max },
  ];
}

/** The part of the whole space that lies below a key: edges rise with it, so it is found by halving. */
function shareOf(key: string, definition: PartitionKeyDefinition): number {
  let low = 0;
  let high = 1;
  for (let step = 0; step < 40; step++) {
    const middle = (low + high) / 2;
    if (edge(middle, definition) < key) low = middle;
    else high = middle;
  }
  return high;
}

/** Gives the stretch in which every key lies that starts with the components of a hierarchical one. */
export function prefixRange(prefix: PartitionKey, definition: PartitionKeyDefinition): KeyRange {
  const min = effectivePartitionKey(prefix, definition);
  return { min, max: `${min}${maximumKey}` };
}

/** Tells whether a range covers every key. */
export function isFullRange(range: KeyRange): boolean {
  return range.min <= minimumKey && range.max >= maximumKey;
}

/** Tells whether a key lies inside a range. */
export function inRange(range: KeyRange, key: string): boolean {
  return key >= range.min && key < range.max;
}

/** Tells whether two ranges share a key. */
export function overlaps(left: KeyRange, right: KeyRange): boolean {
  return left.min < right.max && right.min < left.max;
}
