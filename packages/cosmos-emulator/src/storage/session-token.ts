import { badRequest } from '../service-error.ts';
import type { PhysicalPartition } from './physical-partition.ts';

/** What a session has seen: the number of the last write, by the id of the partition. */
export type SessionProgress = ReadonlyMap<string, number>;

/**
 * Reads session tokens such as `0:-1#12,1:3#7#4=5`: for each partition a version, the number of the last write, and the
 * progress of regions, of which there is but one here. Throws status 400.
 */
export function readSessionToken(header: string): SessionProgress {
  const progress = header.split(',').map((token) => {
    const [, id, lsn] = /^(\d+):(?:-?\d+#)?(-?\d+)(?:#\d+=-?\d+)*$/.exec(token.trim()) ?? [];
    if (id === undefined) throw badRequest(`The session token provided '${header}' is invalid.`);
    return [id, Number(lsn)] as const;
  });
  return new Map(progress);
}

/** Tells whether partitions have all that a session has seen of them, and of those that were split into them. */
export function hasReached(partitions: readonly PhysicalPartition[], progress: SessionProgress): boolean {
  return partitions.every(({ id, parents, lsn }) =>
    [id, ...parents].every((one) => (progress.get(one) ?? 0) <= lsn),
  );
}
