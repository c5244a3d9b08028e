import { type CacheEntry, InvalidDataError, type RecordVersion, StoreError } from '@polyphase/core';

// What stands under a key: one letter for the state, 16 digits of the term, 16 digits of the counter, ":", what the state needs
// (a lease's end and token, the ends of guards), "|", the payload. States: V live value, N live absence, L leased, G guarded,
// T tombstone. Versions have a fixed width because Lua's numbers hold a counter only just: as text they compare exactly.
const DIGITS = 16;
const AFTER_VERSION = 1 + 2 * DIGITS;
const VALUE = 86;
const NONE = 78;

/** The Redis key of a cache key in a namespace. */
export function redisKey(prefix: string, namespace: string, key: string): string {
  return `${prefix}${namespace}:${key}`;
}

/**
 * A version as text of a fixed width, so that it compares as text.
 *
 * @throws {@link InvalidDataError} when a part is negative, not whole, or past 2^53 − 1
 */
export function versionText({ term, counter }: RecordVersion): string {
  if (!Number.isSafeInteger(term) || !Number.isSafeInteger(counter) || term < 0 || counter < 0)
    throw new InvalidDataError({ message: 'A version must be two whole numbers from 0 to 2^53 - 1' });
  return String(term).padStart(DIGITS, '0') + String(counter).padStart(DIGITS, '0');
}

/** The text of a live entry. */
export function liveText(entry: CacheEntry): string {
  const version = versionText(entry.version);
  return entry.payload === undefined ? `N${version}:|` : `V${version}:|${entry.payload}`;
}

/**
 * The entry in the text under a key, or undefined when the text is no live entry.
 *
 * @throws {@link StoreError} when it says that it is live and is not of our making
 */
export function parseLive(text: string): CacheEntry | undefined {
  const state = text.charCodeAt(0);
  if (state !== VALUE && state !== NONE) return undefined;
  const bar = text.indexOf('|', AFTER_VERSION);
  const version = {
    term: Number(text.slice(1, 1 + DIGITS)),
    counter: Number(text.slice(1 + DIGITS, AFTER_VERSION)),
  };
  if (bar < 0 || Number.isNaN(version.term) || Number.isNaN(version.counter))
    throw new StoreError({
      message: 'The value under a cache key was not written by this SDK; give the cache a prefix of its own',
    });
  return { version, payload: state === NONE ? undefined : text.slice(bar + 1) };
}
