import { InvalidOptionsError, isJsonObject, type JsonValue } from '@polyphase/core';
import { type FeedPosition, tokenSequence } from './feed-position.ts';

/** A marker in one physical partition: its bounds, and the sequence number there. */
export interface Mark {
  readonly min: string;
  readonly max: string;
  readonly sequence: number;
}

/** Markers of a range, in the container that they were written to. None: nothing was in the range. */
export interface Marker {
  readonly rid: string;
  readonly marks: readonly Mark[];
}

/** The text of a marker. */
export function formatMarker({ rid, marks }: Marker): string {
  return JSON.stringify({ rid, marks });
}

/** The marker that a text stands for. */
export function parseMarker(text: string): Marker {
  try {
    const data: unknown = JSON.parse(text);
    if (isJsonObject(data) && typeof data['rid'] === 'string' && Array.isArray(data['marks'])) {
      const items: readonly JsonValue[] = data['marks'];
      const marks = items.map(toMark).filter((mark) => mark !== undefined);
      if (marks.length === items.length) return { rid: data['rid'], marks };
    }
  } catch {
    // Falls through to the one message.
  }
  throw new InvalidOptionsError({
    message: 'The marker is not one of a Cosmos DB change feed',
    operation: 'feed',
  });
}

function toMark(mark: JsonValue): Mark | undefined {
  if (!isJsonObject(mark)) return undefined;
  const { min, max, sequence } = mark;
  return typeof min === 'string' && typeof max === 'string' && typeof sequence === 'number'
    ? { min, max, sequence }
    : undefined;
}

/**
 * Whether a reader at a position has read all that was committed before a marker: in each part of its range that a marked partition
 * overlaps, the number in its token has reached the marker's. A marker of nothing is passed by everybody; a position in another
 * container has passed nothing else. [service]
 */
export function hasPassed(position: FeedPosition | undefined, { rid, marks }: Marker): boolean {
  if (marks.length === 0) return true;
  if (!position || position.rid !== rid) return false;
  return marks.every((mark) => {
    const sequence = sequenceIn(position, mark);
    return sequence !== undefined && sequence >= mark.sequence;
  });
}

/**
 * How many numbers lie between a position and a marker. Each write of a partition takes one, and all of a transactional batch take one
 * together. [service]
 */
export function numbersBetween(position: FeedPosition | undefined, { rid, marks }: Marker): number {
  const from = (mark: Mark): number => (position?.rid === rid && sequenceIn(position, mark)) || 0;
  // The last of them is the marker's own.
  return marks.reduce((sum, mark) => sum + Math.max(0, mark.sequence - 1 - from(mark)), 0);
}

// The lowest number that a reader has reached in what a marked partition covers; undefined where it has read nothing of that.
function sequenceIn(position: FeedPosition, mark: Mark): number | undefined {
  const parts = position.parts.filter((part) => part.min < mark.max && part.max > mark.min);
  return parts.length > 0 ? Math.min(...parts.map((part) => tokenSequence(part.token))) : undefined;
}
