/** Values by chance, the same ones for the same seed. */
export interface Random {
  /** From 0 up to 1. */
  unit(): number;
  /** A whole number from 0 up to a limit. */
  below(limit: number): number;
  /** True in so many of 1 cases. */
  chance(share: number): boolean;
  pick<T>(values: readonly T[]): T;
  /** Text of any characters. */
  text(length: number): string;
  /** JSON of a depth. */
  json(depth: number): unknown;
}

const numbers = [0, -0, 1, -1, 0.1, 1e308, -1e308, 5e-324, 2 ** 53, -(2 ** 53), 2 ** 31, 1e21];
const texts = [
  '',
  ' ',
  '\u0000',
  '"',
  '\\',
  '/',
  '#',
  '?',
  '%',
  '%zz',
  '\ud800',
  'ü',
  '😀',
  '../..',
  '__proto__',
  'constructor',
];
const names = [
  'id',
  'pk',
  'a',
  '_rid',
  '_etag',
  'ttl',
  'paths',
  'kind',
  'query',
  '__proto__',
  'toString',
  '',
  '0',
];

/** Creates a source of chance (mulberry32). */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const unit = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number): number => Math.floor(unit() * limit);
  const pick = <T>(values: readonly T[]): T => {
    const picked = values[below(values.length)];
    if (picked === undefined) throw new RangeError('There is nothing to pick from.');
    return picked;
  };
  const text = (length: number): string =>
    String.fromCharCode(...Array.from({ length }, () => below(unit() < 0.8 ? 0x7f : 0xffff)));
  const leaf = (): unknown =>
    pick<() => unknown>([
      () => null,
      () => unit() < 0.5,
      () => pick(numbers),
      () => below(1000),
      () => pick(texts),
      () => text(below(20)),
    ])();
  const json = (depth: number): unknown => {
    if (depth === 0 || unit() < 0.3) return leaf();
    if (unit() < 0.4) return Array.from({ length: below(4) }, () => json(depth - 1));
    return Object.fromEntries(Array.from({ length: below(5) }, () => [pick(names), json(depth - 1)]));
  };
  return { unit, below, pick, text, json, chance: (share) => unit() < share };
}

/** Changes one place of a JSON value, or several. */
export function mutateJson(value: unknown, random: Random): unknown {
  if (random.chance(0.2)) return random.json(3);
  if (Array.isArray(value)) {
    const items: unknown[] = [...value];
    const at = random.below(items.length + 1);
    if (random.chance(0.3)) items.splice(at, random.below(2), random.json(2));
    else if (at < items.length) items[at] = mutateJson(items[at], random);
    return items;
  }
  if (typeof value === 'object' && value !== null) {
    const entries: [string, unknown][] = Object.entries(value);
    const at = random.below(entries.length + 1);
    const entry = entries[at];
    if (entry === undefined) entries.push([random.pick(names), random.json(2)]);
    else if (random.chance(0.2)) entries.splice(at, 1);
    else entries[at] = [entry[0], mutateJson(entry[1], random)];
    return Object.fromEntries(entries);
  }
  return typeof value === 'string' && random.chance(0.5) ? mutateText(value, random) : random.json(1);
}

/** Cuts, doubles, moves and replaces pieces of a text. */
export function mutateText(value: string, random: Random): string {
  let text = value;
  for (let left = 1 + random.below(3); left > 0; left--) {
    const start = random.below(text.length + 1);
    const end = Math.min(text.length, start + 1 + random.below(8));
    const piece = random.pick([
      '',
      text.slice(start, end).repeat(2 + random.below(3)),
      random.text(1 + random.below(4)),
      random.pick(texts),
      String(random.pick(numbers)),
    ]);
    text = text.slice(0, start) + piece + text.slice(end);
  }
  return text;
}
