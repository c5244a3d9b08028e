import { InvalidOptionsError, isJsonObject, type JsonValue } from '@polyphase/core';

/** A stretch of the key space with the driver's token for it; an empty token stands for the beginning. */
export interface RangePosition {
  readonly min: string;
  /** Not part of the stretch. */
  readonly max: string;
  readonly token: string;
}

/** Where a reader of a range stands: in which container, and how far in each part of the range (a split makes several). */
export interface FeedPosition {
  /** Identity of the container. */
  readonly rid: string;
  readonly parts: readonly RangePosition[];
}

/** The position that a text stands for: the driver's own continuation of a feed over ranges. */
export function parsePosition(text: string): FeedPosition {
  try {
    const data: unknown = JSON.parse(text);
    if (isJsonObject(data) && typeof data['rid'] === 'string' && Array.isArray(data['Continuation'])) {
      const items: readonly JsonValue[] = data['Continuation'];
      const parts = items.map(toPart).filter((part) => part !== undefined);
      if (parts.length === items.length) return { rid: data['rid'], parts };
    }
  } catch {
    // Falls through to the one message.
  }
  throw new InvalidOptionsError({
    message: 'The position is not one of a Cosmos DB change feed',
    operation: 'feed',
  });
}

function toPart(part: JsonValue): RangePosition | undefined {
  if (!isJsonObject(part)) return undefined;
  const { minInclusive: min, maxExclusive: max, continuationToken: token } = part;
  if (typeof min !== 'string' || typeof max !== 'string') return undefined;
  return { min, max, token: typeof token === 'string' ? token : '' };
}

/** The text of a position, as the driver continues from. */
export function formatPosition({ rid, parts }: FeedPosition): string {
  return JSON.stringify({
    rid,
    Continuation: parts.map(({ min, max, token }) => ({
      minInclusive: min,
      maxExclusive: max,
      continuationToken: token,
    })),
  });
}

/** The name of a range: its bounds. It stays when partitions are split, whose halves have names of their own. */
export function rangeId(min: string, max: string): string {
  return `${min}-${max}`;
}

/** The bounds in a range's name. */
export function boundsOf(id: string): { readonly min: string; readonly max: string } {
  const match = /^([0-9A-Fa-f]*)-([0-9A-Fa-f]+)$/.exec(id);
  if (!match)
    throw new InvalidOptionsError({
      message: `"${id}" is not a range of a Cosmos DB change feed`,
      operation: 'feed',
    });
  return { min: match[1] ?? '', max: match[2] ?? '' };
}

/**
 * A position confined to a range: after a split each half goes on from where the whole was. What the position does not cover starts
 * from the beginning.
 */
export function clipPosition(parts: readonly RangePosition[], id: string): readonly RangePosition[] {
  const { min, max } = boundsOf(id);
  const clipped: RangePosition[] = [];
  let at = min;
  for (const part of parts.toSorted((a, b) => (a.min < b.min ? -1 : 1))) {
    const from = part.min > at ? part.min : at;
    const to = part.max < max ? part.max : max;
    if (from >= to) continue;
    if (from > at) clipped.push({ min: at, max: from, token: '' });
    clipped.push({ min: from, max: to, token: part.token });
    at = to;
  }
  if (at < max) clipped.push({ min: at, max, token: '' });
  return clipped;
}

/**
 * The position of a range, put together from those of other ranges, by their names: its own where that is known, else each stretch of
 * it from the smallest range that covers the stretch. What none covers starts from the beginning; undefined where that is all.
 */
export function assemblePosition(
  id: string,
  known: ReadonlyMap<string, FeedPosition>,
): FeedPosition | undefined {
  const own = known.get(id);
  if (own) return own;
  const { min, max } = boundsOf(id);
  const overlapping = [...known]
    .map(([name, position]) => ({ name, position, ...boundsOf(name) }))
    .filter((it) => it.min < max && it.max > min)
    .toSorted((a, b) => widthOf(a) - widthOf(b));
  const [first] = overlapping;
  if (!first) return undefined;
  // Positions in another container of the same name say nothing about this one.
  const pieces = overlapping
    .filter((it) => it.position.rid === first.position.rid)
    .flatMap((it) => clipPosition(it.position.parts, it.name));
  const edges = new Set([min, max, ...pieces.flatMap((it) => [it.min, it.max])]);
  const stops = [...edges].filter((it) => it >= min && it <= max).toSorted();
  const parts: RangePosition[] = [];
  for (const [i, from] of stops.slice(0, -1).entries()) {
    const to = stops[i + 1] ?? max;
    const token = pieces.find((it) => it.min <= from && it.max >= to)?.token ?? '';
    const last = parts.at(-1);
    if (last?.token === token) parts[parts.length - 1] = { ...last, max: to };
    else parts.push({ min: from, max: to, token });
  }
  return { rid: first.position.rid, parts };
}

// Bounds are digits after a hexadecimal point. Twelve of them tell ranges apart, and a number holds them exactly.
const PRECISION = 12;

function widthOf({ min, max }: { readonly min: string; readonly max: string }): number {
  const [from, to] = [min, max].map((it) =>
    Number.parseInt(it.slice(0, PRECISION).padEnd(PRECISION, '0'), 16),
  );
  return (to ?? 0) - (from ?? 0);
}

/** The sequence number in a feed's token: an ETag such as `"42"`. 0 at the beginning. [service] */
export function tokenSequence(token: string): number {
  const match = /(\d+)/.exec(token);
  return match ? Number(match[1]) : 0;
}

/**
 * The sequence number of a write, from the session token of its answer: `0:-1#42`, with regions behind a further `#`. [service]
 */
export function sessionSequence(sessionToken: string | undefined): number | undefined {
  const match = /^[^:]*:[^#]*#(\d+)/.exec(sessionToken ?? '');
  return match ? Number(match[1]) : undefined;
}
