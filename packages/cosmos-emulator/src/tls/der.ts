/** Encodes one value as DER: its tag, its length and its content. */
export function der(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const bytes = Buffer.concat(content);
  return Buffer.concat([Buffer.from([tag, ...lengthOf(bytes.length)]), bytes]);
}

/** Values in their order. */
export function sequence(...values: readonly Uint8Array[]): Buffer {
  return der(0x30, ...values);
}

/** Values without an order. */
export function set(...values: readonly Uint8Array[]): Buffer {
  return der(0x31, ...values);
}

/** A whole number, from its bytes as two's complement without needless ones in front. */
export function integer(bytes: readonly number[]): Buffer {
  return der(0x02, Buffer.from(bytes));
}

/** An object identifier, such as `2.5.4.3`. */
export function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return der(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

/** Bits, the last so many of which do not count. */
export function bitString(bytes: Uint8Array, unused = 0): Buffer {
  return der(0x03, Buffer.of(unused), bytes);
}

/** Bytes. */
export function octetString(bytes: Uint8Array): Buffer {
  return der(0x04, bytes);
}

/** Yes; what is false is left out in DER wherever it is the default. */
export const yes = der(0x01, Buffer.of(0xff));

/** Text. */
export function utf8(text: string): Buffer {
  return der(0x0c, Buffer.from(text));
}

/** A moment before the year 2050, in whole seconds. */
export function utcTime(time: Date): Buffer {
  const digits = time.toISOString().replace(/\.\d+|[-:T]/g, '');
  return der(0x17, Buffer.from(digits.slice(2)));
}

function lengthOf(length: number): number[] {
  if (length < 0x80) return [length];
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest >>>= 8) bytes.unshift(rest & 0xff);
  return [0x80 | bytes.length, ...bytes];
}

function base128(number: number): number[] {
  const bytes = [number & 0x7f];
  for (let rest = number >>> 7; rest > 0; rest >>>= 7) bytes.unshift(0x80 | (rest & 0x7f));
  return bytes;
}
