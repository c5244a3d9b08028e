import {
  BUCKETS,
  compareVersions,
  keyText,
  type RecordKey,
  type RecordStore,
  type RecordSummary,
  type RecordVersion,
  type ScanOptions,
  type StoredRecord,
  sameExpiry,
} from '@polyphase/core';
import type { Group } from '../phases/group.ts';

/** Records in one slice of a comparison, about: what bounds its memory. */
const SLICE = 100_000;
const CHUNK = 200;

/** A record that the two stores do not agree on, as classified by version. */
export interface Difference {
  readonly key: RecordKey;
  /**
   * `lag`: older in the copy, or not there yet. `corrupt`: one version, two bodies. `foreign`: newer in the copy than in the
   * authority. `removed`: Cosmos DB, the authority, has neither document nor tombstone where PostgreSQL has a record, twice in a
   * row: another program removed the document. It is reported and never repeated. `expiry`: the same in both, but they would forget
   * it at different moments.
   */
  readonly kind: 'lag' | 'corrupt' | 'foreign' | 'removed' | 'expiry';
}

/** What a comparison found. */
export interface Comparison {
  /** Records that were looked at, tombstones included. */
  readonly compared: number;
  readonly differences: readonly Difference[];
  /** When it began, on the monotonic clock. */
  readonly startedAt: number;
}

/** What a comparison covers, and how patient it is. */
export interface CompareOptions {
  readonly signal: AbortSignal;
  /** How long a record that lags is looked at again before it counts as a difference, in milliseconds. */
  readonly patienceMs: number;
}

/** A difference, and the versions that were found. */
interface Found extends Difference {
  readonly version: RecordVersion | undefined;
  readonly copied: RecordVersion | undefined;
  /** Whether one of the two is to expire: then the other may have done so a moment before, which is no difference. */
  readonly expires: boolean;
}

interface Sides {
  readonly authority: RecordStore;
  readonly copy: RecordStore;
  /** What it means that the authority has nothing where the copy has a record. */
  readonly missing: 'foreign' | 'removed';
}

/**
 * Compares every record of both stores by version, digest and expiry. Nothing is concluded from one pair of reads: what differs is read
 * again as authority, copy, authority, and what lags is given time.
 */
export async function compareStores(group: Group, options: CompareOptions): Promise<Comparison> {
  const startedAt = group.clock.monotonic();
  const sides = sidesOf(group);
  const slices = Math.max(1, Math.ceil((await sides.copy.count({ signal: options.signal })) / SLICE));
  const differences: Difference[] = [];
  let compared = 0;
  for (let slice = 0; slice < slices; slice += 1) {
    const buckets = {
      from: Math.floor((slice * BUCKETS) / slices),
      to: Math.floor(((slice + 1) * BUCKETS) / slices),
    };
    const scan: ScanOptions = slices === 1 ? { signal: options.signal } : { signal: options.signal, buckets };
    const { suspects, seen } = await scanBoth(sides, scan);
    compared += seen;
    differences.push(...(await lookAgain(group, sides, suspects, options)));
  }
  return { compared, differences, startedAt };
}

/** Compares the records that were written to Cosmos DB since a date of its own clock, one by one. */
export async function compareRecent(
  group: Group,
  sinceMs: number,
  options: CompareOptions,
): Promise<Comparison> {
  const startedAt = group.clock.monotonic();
  const keys: RecordKey[] = [];
  for await (const page of group.records('cosmos').scan({ changedSinceMs: sinceMs, signal: options.signal }))
    keys.push(...page.map((summary) => summary.key));
  const differences = await lookAgain(group, sidesOf(group), keys, options);
  return { compared: keys.length, differences, startedAt };
}

function sidesOf(group: Group): Sides {
  const cosmos = group.records('cosmos');
  const postgres = group.records('postgres');
  return group.rules.authority === 'cosmos'
    ? { authority: cosmos, copy: postgres, missing: 'removed' }
    : { authority: postgres, copy: cosmos, missing: 'foreign' };
}

async function scanBoth(
  sides: Sides,
  scan: ScanOptions,
): Promise<{ readonly suspects: readonly RecordKey[]; readonly seen: number }> {
  const copies = new Map<string, RecordSummary>();
  for await (const page of sides.copy.scan(scan))
    for (const summary of page) copies.set(keyText(summary.key), summary);
  const suspects: RecordKey[] = [];
  let seen = 0;
  for await (const page of sides.authority.scan(scan)) {
    for (const summary of page) {
      seen += 1;
      const text = keyText(summary.key);
      const copy = copies.get(text);
      copies.delete(text);
      if (!copy || !sameSummary(copy, summary)) suspects.push(summary.key);
    }
  }
  for (const copy of copies.values()) suspects.push(copy.key);
  return { suspects, seen };
}

function sameSummary(a: RecordSummary, b: RecordSummary): boolean {
  return a.digest === b.digest && compareVersions(a.version, b.version) === 0 && sameExpiry(a, b);
}

async function lookAgain(
  group: Group,
  sides: Sides,
  keys: readonly RecordKey[],
  options: CompareOptions,
): Promise<readonly Difference[]> {
  const { clock, limits } = group;
  const until = clock.monotonic() + options.patienceMs;
  const differences: Difference[] = [];
  const first = new Map<string, RecordVersion | undefined>();
  const missed = new Set<string>();
  let pending = keys;
  for (;;) {
    const lagging: Difference[] = [];
    for (let at = 0; at < pending.length; at += CHUNK) {
      const found = await judge(sides, pending.slice(at, at + CHUNK), options.signal);
      for (const { key, kind, version, copied, expires } of found) {
        const text = keyText(key);
        if (expires && kind !== 'lag' && kind !== 'corrupt') {
          lagging.push({ key, kind });
          continue;
        }
        // One look proves nothing: the record may be on its way back.
        if (kind === 'removed' && !missed.has(text)) {
          missed.add(text);
          lagging.push({ key, kind: 'lag' });
        } else if (kind !== 'lag') differences.push({ key, kind });
        else if (!hasReached(copied, first.get(text))) {
          lagging.push({ key, kind });
          if (!first.has(text)) first.set(text, version);
        }
      }
    }
    if (lagging.length === 0 || clock.monotonic() >= until) return [...differences, ...lagging];
    await clock.sleep(Math.min(limits.pollMs, 50), options.signal);
    pending = lagging.map((difference) => difference.key);
  }
}

// A record that is written all the time is always a little older in its copy. It follows, if the copy comes to where the
// authority was when it was looked at first. What carries no stamp has no such place.
function hasReached(copied: RecordVersion | undefined, first: RecordVersion | undefined): boolean {
  return first !== undefined && first.term > 0 && copied !== undefined && compareVersions(copied, first) >= 0;
}

async function judge(
  sides: Sides,
  keys: readonly RecordKey[],
  signal: AbortSignal,
): Promise<readonly Found[]> {
  const before = await sides.authority.readMany(keys, { signal });
  const copies = await sides.copy.readMany(keys, { signal });
  const after = await sides.authority.readMany(keys, { signal });
  return keys.flatMap((key, i) => {
    const expires = [after[i], copies[i]].some((record) => record?.expiresAtMs !== undefined);
    const found = { key, version: after[i]?.version, copied: copies[i]?.version, expires };
    const kind = verdict(sides, before[i], copies[i]);
    // Written meanwhile: the copy may be of before, of after, or of between; what was written is in the next comparison.
    if (kind === undefined || sameCopy(before[i], after[i]))
      return kind === undefined ? [] : [{ ...found, kind }];
    return verdict(sides, after[i], copies[i]) === undefined ? [] : [{ ...found, kind: 'lag' as const }];
  });
}

function sameCopy(a: StoredRecord | undefined, b: StoredRecord | undefined): boolean {
  return (
    a?.digest === b?.digest &&
    (a === undefined || b === undefined || compareVersions(a.version, b.version) === 0)
  );
}

function verdict(
  { missing }: Sides,
  authority: StoredRecord | undefined,
  copy: StoredRecord | undefined,
): Difference['kind'] | undefined {
  // A tombstone and nothing are the same to every reader. But of a delete in Cosmos DB, the authority, the row must know: what operations
  // the record remembers would be lost in a flip.
  if (authority?.value === undefined && copy?.value === undefined)
    return missing === 'removed' && isTombstone(authority) && isBehind(copy, authority) ? 'lag' : undefined;
  if (!authority) return missing;
  if (!copy) return 'lag';
  const order = compareVersions(copy.version, authority.version);
  if (order < 0 || authority.version.term === 0) return 'lag';
  if (order > 0) return 'foreign';
  if (copy.digest !== authority.digest) return 'corrupt';
  return sameExpiry(copy, authority) ? undefined : 'expiry';
}

// What has expired leaves nothing behind in Cosmos DB.
function isTombstone(record: StoredRecord | undefined): record is StoredRecord {
  return record !== undefined && record.value === undefined && record.expiresAtMs === undefined;
}

function isBehind(copy: StoredRecord | undefined, authority: StoredRecord): boolean {
  return copy === undefined || compareVersions(copy.version, authority.version) < 0;
}
