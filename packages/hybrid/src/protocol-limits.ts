import { type Duration, InvalidOptionsError, parseDuration } from '@polyphase/core';

/** Times and bounds of the protocol. Tests and demos shrink them; none of them can be switched off. */
export interface ProtocolOptions {
  /** Length of a lease to write to Cosmos DB. Arming waits a little longer than one. @default "30s" */
  readonly lease?: Duration;
  /** Length of such a lease once armed. A flip holds calls a little longer than one. @default "1s" */
  readonly armedLease?: Duration;
  /** Longest time that a flip may hold calls before it gives up and leaves everything as it was. @default "15s" */
  readonly sealTimeout?: Duration;
  /** Longest time that one call waits while the authority moves. @default "20s" */
  readonly hold?: Duration;
  /** Calls that may wait at a time. @default 10000 */
  readonly holdCalls?: number;
  /** How long the second write of the dual phases is awaited. @default "50ms" */
  readonly inlineTimeout?: Duration;
  /** Pause between looks at the control row, the feed and the dirty keys when nothing is going on. @default "500ms" */
  readonly poll?: Duration;
  /** How long a process counts as a member after its last beat, and how long what it was at work on waits for it. @default "10s" */
  readonly memberLease?: Duration;
  /** How long a feed range may stand still while a marker waits in it, before the notice `stalled` tells. @default "60s" */
  readonly stallAfter?: Duration;
  /** Reads of each query shape that PostgreSQL must have answered like Cosmos DB before it may answer any (2 → 3). @default 300 */
  readonly shadowReads?: number;
  /** How far back such reads count; and how long they are waited for, before comparing all records takes their place. @default "1h" */
  readonly shadowWindow?: Duration;
  /** How far a copy may be behind when a gate looks, and how long it is given to catch up meanwhile. @default "5s" */
  readonly maxLag?: Duration;
  /** Most records that may have been written between two comparisons right before a seal (4 → 5). @default 2000 */
  readonly roundRecords?: number;
  /** Longest time that the last comparison before a seal may take (4 → 5). @default "1s" */
  readonly round?: Duration;
  /** How old a clean reconciliation may be when a flip begins. @default "10m" */
  readonly reconcileAge?: Duration;
  /** How long PostgreSQL must have been the authority before Cosmos DB is let go (6 → 7). @default "24h" */
  readonly soak?: Duration;
  /** How old the receipt of a drill may be when a flip is armed (3 → 4). @default none is asked for */
  readonly drillAge?: Duration;
}

/** {@link ProtocolOptions} in milliseconds, with every default filled in. */
export interface ProtocolLimits {
  readonly leaseMs: number;
  readonly armedLeaseMs: number;
  readonly sealTimeoutMs: number;
  readonly holdMs: number;
  readonly holdCalls: number;
  readonly inlineTimeoutMs: number;
  readonly pollMs: number;
  readonly memberLeaseMs: number;
  readonly stallAfterMs: number;
  readonly shadowReads: number;
  readonly shadowWindowMs: number;
  readonly maxLagMs: number;
  readonly roundRecords: number;
  readonly roundMs: number;
  readonly reconcileAgeMs: number;
  readonly soakMs: number;
  readonly drillAgeMs: number | undefined;
}

/** Waits for leases are a tenth longer than the leases, for clocks that run at slightly different speeds. */
export const DRIFT = 1.1;

/**
 * Checks the times of the protocol.
 *
 * @throws {@link InvalidOptionsError} with every problem
 */
export function protocolLimits(options: ProtocolOptions): ProtocolLimits {
  const problems: string[] = [];
  const ms = (name: keyof ProtocolOptions, given: Duration | undefined, standard: number): number => {
    const parsed = given === undefined ? standard : parseDuration(given);
    if (parsed === undefined)
      problems.push(
        `protocol.${name} must be milliseconds, or text such as "250ms" or "5m"; it must not be negative`,
      );
    return parsed ?? standard;
  };
  const limits: ProtocolLimits = {
    leaseMs: ms('lease', options.lease, 30_000),
    armedLeaseMs: ms('armedLease', options.armedLease, 1_000),
    sealTimeoutMs: ms('sealTimeout', options.sealTimeout, 15_000),
    holdMs: ms('hold', options.hold, 20_000),
    holdCalls: options.holdCalls ?? 10_000,
    inlineTimeoutMs: ms('inlineTimeout', options.inlineTimeout, 50),
    pollMs: ms('poll', options.poll, 500),
    memberLeaseMs: ms('memberLease', options.memberLease, 10_000),
    stallAfterMs: ms('stallAfter', options.stallAfter, 60_000),
    shadowReads: options.shadowReads ?? 300,
    shadowWindowMs: ms('shadowWindow', options.shadowWindow, 3_600_000),
    maxLagMs: ms('maxLag', options.maxLag, 5_000),
    roundRecords: options.roundRecords ?? 2_000,
    roundMs: ms('round', options.round, 1_000),
    reconcileAgeMs: ms('reconcileAge', options.reconcileAge, 600_000),
    soakMs: ms('soak', options.soak, 86_400_000),
    drillAgeMs: options.drillAge === undefined ? undefined : ms('drillAge', options.drillAge, 0),
  };
  if (!Number.isInteger(limits.holdCalls) || limits.holdCalls < 0)
    problems.push('protocol.holdCalls must be a whole number, 0 or more');
  if (!Number.isInteger(limits.shadowReads) || limits.shadowReads < 1)
    problems.push('protocol.shadowReads must be a whole number, 1 or more');
  if (!Number.isInteger(limits.roundRecords) || limits.roundRecords < 1)
    problems.push('protocol.roundRecords must be a whole number, 1 or more');
  if (limits.maxLagMs < limits.pollMs)
    problems.push('protocol.maxLag must not be shorter than protocol.poll');
  if (limits.shadowWindowMs < limits.pollMs)
    problems.push('protocol.shadowWindow must not be shorter than protocol.poll');
  if (limits.armedLeaseMs < 200)
    problems.push(
      'protocol.armedLease must be at least 200 ms: a lease must outlive the writes made under it',
    );
  if (limits.leaseMs < limits.armedLeaseMs)
    problems.push('protocol.lease must not be shorter than protocol.armedLease');
  if (limits.sealTimeoutMs < limits.armedLeaseMs * DRIFT * 1.5)
    problems.push(
      'protocol.sealTimeout must leave room for the leases to run out: one and a half times protocol.armedLease and a tenth',
    );
  if (limits.pollMs < 1) problems.push('protocol.poll must be at least 1 ms');
  if (limits.stallAfterMs < 1_000) problems.push('protocol.stallAfter must be at least 1 s');
  if (limits.memberLeaseMs < 1_000) problems.push('protocol.memberLease must be at least 1 s');
  if (problems.length > 0)
    throw new InvalidOptionsError({ message: 'The protocol options are not usable', problems });
  return limits;
}
