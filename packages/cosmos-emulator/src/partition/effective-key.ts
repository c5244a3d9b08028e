import { murmur32, murmur128 } from './murmur3.ts';
import type { PartitionKey, PartitionKeyComponent, PartitionKeyDefinition } from './partition-key.ts';

/** Type marks of the binary encoding of key components. */
const marks = { absent: 0x00, null: 0x01, false: 0x02, true: 0x03, number: 0x05, string: 0x08, end: 0xff };

const encoder = new TextEncoder();

/**
 * Gives the effective partition key: the place, in upper-case hexadecimal, that decides which physical partition holds
 * an item. The algorithms are those that the service's clients carry; the unit test pins them to the SDK's own.
 */
export function effectivePartitionKey(key: PartitionKey, definition: PartitionKeyDefinition): string {
  if (definition.kind === 'MultiHash') return key.map((part) => hashVersion2([part])).join('');
  return definition.version === 1 ? hashVersion1(key[0]) : hashVersion2(key);
}

function hashVersion2(key: PartitionKey): string {
  const bytes = key.flatMap((part) => [...encodeForHash(part, marks.end)]);
  const [low, high] = murmur128(Uint8Array.from(bytes));
  // The hash is read backwards, and its two highest bits are dropped.
  const hash = ((high << 64n) | low) & ((1n << 126n) - 1n);
  return hash.toString(16).padStart(32, '0').toUpperCase();
}

/** Version 1 hashes 32 bits of the first hundred characters, then spells out the key itself. */
function hashVersion1(part: PartitionKeyComponent): string {
  const short = typeof part === 'string' ? part.slice(0, 100) : part;
  const hash = murmur32(Uint8Array.from(encodeForHash(short, marks.absent)));
  return hex([...encodeNumber(hash), ...encodeForOrder(short)]);
}

function encodeForHash(part: PartitionKeyComponent, end: number): number[] {
  if (typeof part === 'string') return [marks.string, ...encoder.encode(part), end];
  if (typeof part !== 'number') return [markOf(part)];
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(part);
  return [marks.number, ...bytes];
}

function markOf(part: boolean | null | undefined): number {
  if (part === undefined) return marks.absent;
  if (part === null) return marks.null;
  return part ? marks.true : marks.false;
}

function encodeForOrder(part: PartitionKeyComponent): number[] {
  if (typeof part === 'number') return encodeNumber(part);
  if (typeof part !== 'string') return [markOf(part)];
  const bytes = [...encoder.encode(part)].map((byte) => (byte < 0xff ? byte + 1 : byte));
  return [marks.string, ...bytes, marks.absent];
}

/** Encodes a number so that byte order is number order, seven bits at a time after the first byte. */
export function encodeNumber(value: number): number[] {
  const bits = Buffer.alloc(8);
  bits.writeDoubleBE(value);
  const raw = bits.readBigUInt64BE();
  const sign = 1n << 63n;
  let payload = BigInt.asUintN(64, raw < sign ? raw ^ sign : ~raw + 1n);
  const bytes = [marks.number, Number(payload >> 56n)];
  payload = BigInt.asUintN(64, payload << 8n);
  const groups: number[] = [];
  do {
    groups.push(Number(payload >> 56n) | 1);
    payload = BigInt.asUintN(64, payload << 7n);
  } while (payload !== 0n);
  // The last group has no continuation bit; a zero byte is left out, as the clients do.
  const last = (groups.pop() ?? 0) & 0xfe;
  return [...bytes, ...groups, ...(last === 0 ? [] : [last])];
}

/** Writes bytes in upper-case hexadecimal. */
export function hex(bytes: readonly number[]): string {
  return Buffer.from(bytes).toString('hex').toUpperCase();
}
