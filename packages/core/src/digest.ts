// MurmurHash3_x86_128 (Austin Appleby, public domain) over the UTF-16 code units of a text, two bytes each. It guards against
// mistakes, not against an adversary: 128 bits make a chance collision unlikely (1 in 10^20 for 10^9 documents).

// Written out rather than composed of small functions: every document is hashed several times on its way between stores.
const C1 = 0x239b961b;
const C2 = 0xab0e9789;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93;

function finish(x: number): number {
  let h = x ^ (x >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** The 128-bit hash of a text, as four unsigned 32-bit words. */
export function hash128(text: string): readonly [number, number, number, number] {
  let h1 = 0;
  let h2 = 0;
  let h3 = 0;
  let h4 = 0;
  // Zeros fill the last block; the length goes into the end of the hash, so that they are told from zeros in the text.
  const tail = text.length % 8;
  const padded = tail === 0 ? text : text + '\0'.repeat(8 - tail);
  for (let at = 0; at < padded.length; at += 8) {
    let k = Math.imul(padded.charCodeAt(at) | (padded.charCodeAt(at + 1) << 16), C1);
    h1 ^= Math.imul((k << 15) | (k >>> 17), C2);
    h1 = (Math.imul(((h1 << 19) | (h1 >>> 13)) + h2, 5) + 0x561ccd1b) | 0;
    k = Math.imul(padded.charCodeAt(at + 2) | (padded.charCodeAt(at + 3) << 16), C2);
    h2 ^= Math.imul((k << 16) | (k >>> 16), C3);
    h2 = (Math.imul(((h2 << 17) | (h2 >>> 15)) + h3, 5) + 0x0bcaa747) | 0;
    k = Math.imul(padded.charCodeAt(at + 4) | (padded.charCodeAt(at + 5) << 16), C3);
    h3 ^= Math.imul((k << 17) | (k >>> 15), C4);
    h3 = (Math.imul(((h3 << 15) | (h3 >>> 17)) + h4, 5) + 0x96cd1c35) | 0;
    k = Math.imul(padded.charCodeAt(at + 6) | (padded.charCodeAt(at + 7) << 16), C4);
    h4 ^= Math.imul((k << 18) | (k >>> 14), C1);
    h4 = (Math.imul(((h4 << 13) | (h4 >>> 19)) + h1, 5) + 0x32ac3b17) | 0;
  }
  const bytes = text.length * 2;
  h1 ^= bytes;
  h2 ^= bytes;
  h3 ^= bytes;
  h4 ^= bytes;
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  h3 = (h3 + h1) | 0;
  h4 = (h4 + h1) | 0;
  h1 = finish(h1);
  h2 = finish(h2);
  h3 = finish(h3);
  h4 = finish(h4);
  h1 = (h1 + h2 + h3 + h4) | 0;
  return [h1 >>> 0, (h2 + h1) >>> 0, (h3 + h1) >>> 0, (h4 + h1) >>> 0];
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

function hex(word: number): string {
  return `${HEX[word >>> 24]}${HEX[(word >>> 16) & 255]}${HEX[(word >>> 8) & 255]}${HEX[word & 255]}`;
}

/** The hash of a text as 32 hexadecimal digits. Digests are taken of canonical JSON, never of a parsed or reformatted value. */
export function digestOf(text: string): string {
  const [a, b, c, d] = hash128(text);
  return hex(a) + hex(b) + hex(c) + hex(d);
}
