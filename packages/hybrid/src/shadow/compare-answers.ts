import {
  type Clock,
  compareVersions,
  encodeVersion,
  keyText,
  type LiveRecord,
  type RecordKey,
  type RecordStore,
  type RecordVersion,
  recordDigest,
  type StoredRecord,
} from '@polyphase/core';

const CHUNK = 200;

/** What a store answered to a read: the record under each key that was asked for, or the records that a query found, in order. */
export type Answer = readonly (LiveRecord | undefined)[];

/** A read that another store can be asked too. */
export interface ShadowedRead {
  /** What the caller was told by the authority. */
  readonly answer: Answer;
  readonly ask: (records: RecordStore, signal: AbortSignal) => Promise<Answer>;
}

/**
 * What came of comparing two stores' answers to one read. `agrees`: the same. `lags`: the other has older versions of records.
 * `moved`: records were written meanwhile, so nothing can be said. `record`: the other has a record that it cannot have, and
 * `answer`: it has the same records, and yet answers otherwise; both were seen twice.
 */
export type Verdict =
  | { readonly kind: 'agrees' | 'lags' | 'moved' }
  | { readonly kind: 'record' | 'answer'; readonly keys: readonly RecordKey[] };

/** The two stores of a comparison, and how patient it is. */
export interface CompareAnswers {
  readonly authority: RecordStore;
  /** The store that is asked for comparison; the authority itself, where its noise is measured. */
  readonly other: RecordStore;
  readonly clock: Clock;
  /** Pause before what differs is looked at again, in milliseconds. */
  readonly pauseMs: number;
  /** Whether the other store is known to have held everything that the authority had at a moment of the monotonic clock. */
  readonly follows: (atMs: number) => boolean;
  readonly signal: AbortSignal;
}

interface Behind {
  readonly key: RecordKey;
  /** The version that the authority had, and the other had not. */
  readonly version: RecordVersion;
  readonly copied: RecordVersion | undefined;
}

interface Look {
  readonly kind: Verdict['kind'];
  readonly keys: readonly RecordKey[];
  readonly behind: readonly Behind[];
}

/**
 * Compares what another store answers to a read with what the authority answered: versions first, bodies only where versions are the
 * same, so that lag is never called a mismatch. Both stores are read again before a mismatch is one: no verdict from one pair of reads.
 */
export async function compareAnswers(read: ShadowedRead, options: CompareAnswers): Promise<Verdict> {
  const { authority, clock, signal } = options;
  const first = await look(read, read.answer, options);
  if (first.kind === 'agrees' || first.kind === 'moved') return { kind: first.kind };
  const lookedAt = clock.monotonic();
  await clock.sleep(options.pauseMs, signal);
  // Whoever is known to follow is asked for nothing that it may not have yet.
  const follows = options.follows(lookedAt);
  const second = await look(read, await read.ask(authority, signal), options);
  if (second.kind === first.kind && (second.kind === 'record' || second.kind === 'answer'))
    return { kind: second.kind, keys: second.keys };
  const missed = follows ? stillBehind(first.behind, second.behind) : [];
  if (missed.length > 0) return { kind: 'record', keys: missed };
  return { kind: first.kind === 'lags' || second.kind === 'lags' ? 'lags' : 'moved' };
}

async function look(
  read: ShadowedRead,
  answer: Answer,
  { authority, other, signal }: CompareAnswers,
): Promise<Look> {
  const copied = await read.ask(other, signal);
  if (isSameAnswer(answer, copied)) return { kind: 'agrees', keys: [], behind: [] };
  const { keys, told } = differing(answer, copied);
  const copies = await readAll(other, keys, signal);
  const now = await readAll(authority, keys, signal);
  const judged = keys.map((key, i) => judge(told.get(keyText(key)), now[i], copies[i]));
  const of = (kind: Verdict['kind']) => keys.filter((_, i) => judged[i] === kind);
  const wrong = of('record');
  const behind = keys.flatMap((key, i): readonly Behind[] => {
    const version = now[i]?.version;
    return judged[i] === 'lags' && version ? [{ key, version, copied: copies[i]?.version }] : [];
  });
  if (wrong.length > 0) return { kind: 'record', keys: wrong, behind };
  if (behind.length > 0) return { kind: 'lags', keys: [], behind };
  if (of('moved').length > 0) return { kind: 'moved', keys: [], behind: [] };
  // The caller has the answer, and may have changed what is in it: what counts then is what both stores have under that version.
  return { kind: isSameList(answer, copied) ? 'agrees' : 'answer', keys, behind: [] };
}

function isSameAnswer(answer: Answer, copied: Answer): boolean {
  return isSameList(answer, copied) && answer.every((record, i) => isSame(record, copied[i]));
}

/** Whether two answers hold the same records in the same versions and places. */
function isSameList(answer: Answer, copied: Answer): boolean {
  return answer.length === copied.length && answer.every((record, i) => isSameVersion(record, copied[i]));
}

function isSameVersion(record: LiveRecord | undefined, copy: LiveRecord | undefined): boolean {
  if (!record || !copy) return record === copy;
  return record.version === copy.version && keyText(record.key) === keyText(copy.key);
}

function isSame(record: LiveRecord | undefined, copy: LiveRecord | undefined): boolean {
  return isSameVersion(record, copy) && recordDigest(record?.value) === recordDigest(copy?.value);
}

function differing(answer: Answer, copied: Answer) {
  const told = liveOf(answer);
  const copies = liveOf(copied);
  const all = new Map([...copies, ...told]);
  const keys = [...all.values()]
    .filter(({ key }) => !isSame(told.get(keyText(key)), copies.get(keyText(key))))
    .map(({ key }) => key);
  return { keys, told };
}

function liveOf(answer: Answer): ReadonlyMap<string, LiveRecord> {
  return new Map(answer.flatMap((it) => (it ? [[keyText(it.key), it]] : [])));
}

async function readAll(
  records: RecordStore,
  keys: readonly RecordKey[],
  signal: AbortSignal,
): Promise<readonly (StoredRecord | undefined)[]> {
  const found: (StoredRecord | undefined)[] = [];
  for (let at = 0; at < keys.length; at += CHUNK)
    found.push(...(await records.readMany(keys.slice(at, at + CHUNK), { signal })));
  return found;
}

// The copy is read before the authority is read again: a copy that is newer then was never written by the authority.
function judge(
  told: LiveRecord | undefined,
  now: StoredRecord | undefined,
  copy: StoredRecord | undefined,
): Verdict['kind'] {
  if (told && (!now || told.version !== encodeVersion(now.version, now.etag))) return 'moved';
  if (now?.value === undefined && copy?.value === undefined) return 'agrees';
  // One store may forget a record a moment before the other.
  if ((now?.value === undefined) !== (copy?.value === undefined) && (expires(now) || expires(copy)))
    return 'moved';
  if (!now) return 'record';
  if (!copy || now.version.term === 0) return 'lags';
  const order = compareVersions(copy.version, now.version);
  if (order !== 0) return order < 0 ? 'lags' : 'record';
  // What a row says of its body was written with it; what counts is the body that would be served.
  return now.digest === recordDigest(copy.value) ? 'agrees' : 'record';
}

function expires(record: StoredRecord | undefined): boolean {
  return record?.expiresAtMs !== undefined;
}

// Behind at both looks, and at the second not even where the authority was at the first.
function stillBehind(first: readonly Behind[], second: readonly Behind[]): readonly RecordKey[] {
  const before = new Map(first.map((it) => [keyText(it.key), it.version]));
  return second.flatMap(({ key, copied }) => {
    const wanted = before.get(keyText(key));
    const isMissing = wanted && wanted.term > 0 && (!copied || compareVersions(copied, wanted) < 0);
    return isMissing ? [key] : [];
  });
}
