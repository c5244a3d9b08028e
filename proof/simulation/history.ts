import type { Journaled, JsonObject, Phase, RecordVersion, StoredRecord } from '@polyphase/core';

/** What a client does with one key. */
export type OperationKind = 'create' | 'upsert' | 'replace' | 'patch' | 'delete' | 'get';

/**
 * One operation of a client, from its first attempt to the end of its last. Every write has a value of its own: its `text` is the
 * operation's id, and its `marks` name the operations that the value descends from, the last full write and the patches since.
 */
export interface Operation {
  readonly id: string;
  /** Who did it, and through which process: what a session token would cover. */
  readonly session: string;
  readonly kind: OperationKind;
  readonly key: string;
  readonly invokedAt: number;
  /** Infinity: it never ended. */
  readonly endedAt: number;
  /** `unknown`: it may have taken effect, or may still. `refused`: it did not and will not. */
  readonly outcome: 'done' | 'refused' | 'unknown';
  /** What a done write made, or a read found. Undefined for a read that found nothing. */
  readonly version?: RecordVersion | undefined;
  /** The version that a conditional write named. */
  readonly ifVersion?: RecordVersion | undefined;
  /** What a full write wrote: its field that patches leave alone. */
  readonly rank?: number | undefined;
  /** What a read found. */
  readonly seen?: JsonObject | undefined;
  /** Whether a delete found a record. */
  readonly existed?: boolean | undefined;
  /** Whether PostgreSQL may have answered a read while Cosmos DB was the authority. */
  readonly mayLag?: boolean | undefined;
}

/** A move of the authority, when its row was written. */
export interface Move {
  /** When it was there. */
  readonly at: number;
  /** Since when it may have been there. @default at */
  readonly notBefore?: number;
  readonly term: number;
  readonly phase: Phase;
}

/** A write of an earlier term that reached Cosmos DB after the authority had moved. */
export interface Straggler {
  readonly at: number;
  readonly key: string;
  readonly operationId: string;
  readonly value: JsonObject | undefined;
}

/** What was found when everything had come to rest. */
export interface Rest {
  readonly phase: Phase;
  readonly cosmos: ReadonlyMap<string, StoredRecord>;
  readonly postgres: ReadonlyMap<string, StoredRecord>;
  readonly journal: readonly Journaled[];
  /** What kept it from coming to rest, if anything did. */
  readonly stuck?: string | undefined;
}

/** Everything that is checked of one run. */
export interface History {
  readonly operations: readonly Operation[];
  readonly moves: readonly Move[];
  readonly stragglers: readonly Straggler[];
  readonly rest: Rest;
  /** Whether a read sees what was acknowledged to anybody before it, or only what its own session has seen. */
  readonly realTime: boolean;
  /** How far reads that {@link Operation.mayLag} may be behind, in milliseconds. */
  readonly staleMs: number;
  /** Whether a cache answers reads: then they see what was acknowledged, and may be behind what another read saw before that. */
  readonly isCached?: boolean;
}

/** Negative when a version is older than another. The checks have their own, since they check those who have one as well. */
export function order(a: RecordVersion, b: RecordVersion): number {
  return a.term === b.term ? a.counter - b.counter : a.term - b.term;
}

/** The invariants that histories are checked for. */
export const INVARIANTS = {
  D1: 'every acknowledged write is in the lineage of the authority, from then on',
  D2: 'an acknowledged delete stays deleted until a later write',
  D3: 'an operation takes effect at most once, and one that was refused never',
  D4: 'nothing is served that nobody wrote',
  D5: 'at rest, in the phases that synchronise, both stores hold the same',
  D6: 'an operation that begins after the authority has moved belongs to the new term, and none is told before',
  D7: 'what took effect and is not in the lineage of the authority is in the journal, with both bodies',
  D8: 'a session reads its writes, and reads monotonically',
  D9: 'when faults stop, the wish is reached and lag is zero',
} as const;

/** The letter of an invariant. */
export type Invariant = keyof typeof INVARIANTS;

/** How an invariant was broken. */
export interface Violation {
  readonly breaks: Invariant;
  readonly why: string;
}
