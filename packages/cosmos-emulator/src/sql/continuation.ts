import { isObject, type Json, type JsonObject, type Value } from '../json.ts';
import { badRequest } from '../service-error.ts';
import type { ResultPlace } from './run.ts';

/** Where an ordered query goes on: after a place, of which a long key was left out, and after so many results. */
export interface Resumption {
  readonly place: Pick<ResultPlace, 'sequence' | 'ordinal'> & {
    readonly keys: ResultPlace['keys'] | undefined;
  };
  readonly taken: number;
}

/** Where the next page begins: at a document or result, after some of its own, and after so many of them all. */
export interface Position {
  readonly start: number;
  readonly skip: number;
  readonly taken: number;
}

/** Writes where a page ended. */
export function writePosition(start: number, skip: number, taken: number): string {
  return JSON.stringify({ start, skip, taken });
}

/** Reads what `writePosition` wrote; the beginning where there is nothing. Throws status 400. */
export function readPosition(text: string | undefined): Position {
  if (text === undefined || text === '') return { start: 0, skip: 0, taken: 0 };
  const { start, skip, taken } = readToken(text);
  if (isCount(start) && isCount(skip) && isCount(taken)) return { start, skip, taken };
  throw invalid();
}

/**
 * Writes the place of the last result of an ordered page, in ASCII, since it travels in a header. Keys that are no
 * scalars, or make the token longer than the client allows, stay away.
 */
export function writePlace({ keys, sequence, ordinal }: ResultPlace, taken: number, limit: number): string {
  const short = JSON.stringify({ sequence, ordinal, taken });
  if (!keys.every(isScalar)) return short;
  // JSON has no undefined: each key travels in a list that is empty for it.
  const wrapped = keys.map((key) => (key === undefined ? [] : [key]));
  const text = JSON.stringify({ keys: wrapped, sequence, ordinal, taken }).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return text.length > limit ? short : text;
}

/** Reads what `writePlace` wrote; undefined where there is nothing. Throws status 400. */
export function readPlace(text: string | undefined, keyCount: number): Resumption | undefined {
  if (text === undefined || text === '') return undefined;
  const { keys, sequence, ordinal, taken } = readToken(text);
  if (!isCount(sequence) || !isCount(ordinal) || !isCount(taken)) throw invalid();
  return {
    place: { keys: keys === undefined ? undefined : readKeys(keys, keyCount), sequence, ordinal },
    taken,
  };
}

function readKeys(keys: Json, count: number): Value[] {
  if (!Array.isArray(keys) || keys.length !== count) throw invalid();
  return keys.map((wrapped) => {
    if (!Array.isArray(wrapped) || wrapped.length > 1 || !wrapped.every(isScalar)) throw invalid();
    return wrapped[0];
  });
}

function readToken(text: string): JsonObject {
  try {
    const token: Json = JSON.parse(text);
    if (isObject(token)) return token;
  } catch {
    // Not JSON: as invalid as JSON that is no object.
  }
  throw invalid();
}

function invalid(): Error {
  return badRequest('Invalid Continuation Token');
}

function isScalar(value: Value): boolean {
  return value === null || typeof value !== 'object';
}

function isCount(value: Value): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
