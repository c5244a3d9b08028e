import { InvalidDataError } from './errors.ts';

declare const brand: unique symbol;

/**
 * The version of a record as callers hold it: opaque, JSON-safe, and good for `ifVersion` whichever store answers.
 * Compare two only for equality.
 */
export type Version = string & { readonly [brand]: 'Version' };

/**
 * What a version is inside: the term of the authority that wrote it and a counter within the record. Compared in that order;
 * the counter alone, or a timestamp, would lose acknowledged writes when the authority moves.
 */
export interface RecordVersion {
  readonly term: number;
  readonly counter: number;
}

/** The version of a document that carries no stamp: older than the SDK, or written around it. */
export const UNSTAMPED: RecordVersion = Object.freeze({ term: 0, counter: 0 });

/** Negative when `a` is older than `b`, positive when newer, 0 when they are the same version. */
export function compareVersions(a: RecordVersion, b: RecordVersion): number {
  return a.term - b.term || a.counter - b.counter;
}

/** The opaque text of a version. An unstamped document's carries the store's own ETag, so that `ifVersion` still means something. */
export function encodeVersion(
  version: { readonly [Part in keyof RecordVersion]: number | string },
  etag?: string,
): Version {
  const text =
    etag !== undefined && Number(version.term) === 0 ? `0.0~${etag}` : `${version.term}.${version.counter}`;
  return text as Version; // the one place where a Version is made
}

/**
 * The inside of a version that {@link encodeVersion} made.
 *
 * @throws {@link InvalidDataError} when the text is none of ours
 */
export function decodeVersion(version: Version | string): RecordVersion & { readonly etag?: string } {
  const match = /^(\d{1,15})\.(\d{1,16})(?:~([\s\S]*))?$/.exec(version);
  if (!match)
    throw new InvalidDataError({
      message: 'ifVersion is not a version that this SDK gave out; pass on what get or a write returned',
    });
  const decoded = { term: Number(match[1]), counter: Number(match[2]) };
  return match[3] === undefined ? decoded : { ...decoded, etag: match[3] };
}

/**
 * The counter of a record that is created, or stamped for the first time: the server's date in milliseconds × 1024. Never 1 and
 * never a process clock: "purged" and "never existed" look alike, and a counter that starts low again is refused by the other store.
 */
export function firstCounter(serverNowMs: number): number {
  return Math.floor(serverNowMs) * 1024;
}
