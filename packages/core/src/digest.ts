// MurmurHash3_x86_128 (Austin Appleby, public domain) over the UTF-16 code units of a text, two bytes each. It guards against
// mistakes, not against an adversary: 128 bits make a chance collision unlikely (1 in 10^20 for 10^9 documents).

const rotate = (x: number, by: number): number => (x << by) | (x >>> (32 - by));

function finish(x: number): number {
  let h = x ^ (x >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

const C = [0x239b961b, 0xab0e9789, 0x38b34ae5, 0xa1e38b93] as const;

/** The 128-bit hash of a text, as four unsigned 32-bit words. */
export function hash128(text: string): readonly [number, number, number, number] {
  let h1 = 0;
  let h2 = 0;
  let h3 = 0;
  let h4 = 0;
  const word = (at: number): number => text.charCodeAt(at) | (text.charCodeAt(at + 1) << 16) | 0;
  // charCodeAt past the end is NaN, which counts as 0 in a bit operation: the tail is padded with zeros.
  for (let at = 0; at < text.length; at += 8) {
    h1 ^= Math.imul(rotate(Math.imul(word(at), C[0]), 15), C[1]);
    h1 = (Math.imul(rotate(h1, 19) + h2, 5) + 0x561ccd1b) | 0;
    h2 ^= Math.imul(rotate(Math.imul(word(at + 2), C[1]), 16), C[2]);
    h2 = (Math.imul(rotate(h2, 17) + h3, 5) + 0x0bcaa747) | 0;
    h3 ^= Math.imul(rotate(Math.imul(word(at + 4), C[2]), 17), C[3]);
    h3 = (Math.imul(rotate(h3, 15) + h4, 5) + 0x96cd1c35) | 0;
    h4 ^= Math.imul(rotate(Math.imul(word(at + 6), C[3]), 18), C[0]);
    h4 = (Math.imul(rotate(h4, 13) + h1, 5) + 0x32ac3b17) | 0;
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

/** The hash of a text as 32 hexadecimal digits. Digests are taken of canonical JSON, never of a parsed or reformatted value. */
export function digestOf(text: string): string {
  return hash128(text)
    .map((part) => part.toString(16).padStart(8, '0'))
    .join('');
}
