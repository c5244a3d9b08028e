const mask = (1n << 64n) - 1n;
const c1 = 0x87c37b91114253d5n;
const c2 = 0x4cf5ad432745937fn;

function rotate(value: bigint, bits: bigint): bigint {
  return ((value << bits) | (value >> (64n - bits))) & mask;
}

function finalMix(value: bigint): bigint {
  let k = value;
  k = ((k ^ (k >> 33n)) * 0xff51afd7ed558ccdn) & mask;
  k = ((k ^ (k >> 33n)) * 0xc4ceb9fe1a85ec53n) & mask;
  return k ^ (k >> 33n);
}

function mixFirst(word: bigint): bigint {
  return (rotate((word * c1) & mask, 31n) * c2) & mask;
}

function mixSecond(word: bigint): bigint {
  return (rotate((word * c2) & mask, 33n) * c1) & mask;
}

function littleEndian(bytes: Uint8Array, from: number, to: number): bigint {
  let word = 0n;
  for (let at = to - 1; at >= from; at--) word = (word << 8n) | BigInt(bytes[at] ?? 0);
  return word;
}

/**
 * MurmurHash3 x64 128 with seed 0, after Austin Appleby's public-domain reference (smhasher).
 * Gives both halves as numbers, the low one first.
 */
export function murmur128(bytes: Uint8Array): readonly [bigint, bigint] {
  let h1 = 0n;
  let h2 = 0n;
  const whole = bytes.length - (bytes.length % 16);
  for (let at = 0; at < whole; at += 16) {
    h1 ^= mixFirst(littleEndian(bytes, at, at + 8));
    h1 = (((rotate(h1, 27n) + h2) & mask) * 5n + 0x52dce729n) & mask;
    h2 ^= mixSecond(littleEndian(bytes, at + 8, at + 16));
    h2 = (((rotate(h2, 31n) + h1) & mask) * 5n + 0x38495ab5n) & mask;
  }
  const middle = Math.min(whole + 8, bytes.length);
  h2 ^= mixSecond(littleEndian(bytes, middle, bytes.length));
  h1 ^= mixFirst(littleEndian(bytes, whole, middle));
  const length = BigInt(bytes.length);
  h1 ^= length;
  h2 ^= length;
  h1 = (h1 + h2) & mask;
  h2 = (h2 + h1) & mask;
  h1 = finalMix(h1);
  h2 = finalMix(h2);
  h1 = (h1 + h2) & mask;
  h2 = (h2 + h1) & mask;
  return [h1, h2];
}

/** MurmurHash3 x86 32 with seed 0, after the same reference. */
export function murmur32(bytes: Uint8Array): number {
  let hash = 0;
  const whole = bytes.length - (bytes.length % 4);
  for (let at = 0; at < whole; at += 4) {
    hash ^= mix32(word32(bytes, at, at + 4));
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  if (whole < bytes.length) hash ^= mix32(word32(bytes, whole, bytes.length));
  hash ^= bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function word32(bytes: Uint8Array, from: number, to: number): number {
  let word = 0;
  for (let at = to - 1; at >= from; at--) word = (word << 8) | (bytes[at] ?? 0);
  return word;
}

function mix32(word: number): number {
  const k = Math.imul(word, 0xcc9e2d51);
  return Math.imul((k << 15) | (k >>> 17), 0x1b873593);
}
