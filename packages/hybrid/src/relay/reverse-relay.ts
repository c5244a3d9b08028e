import {
  type CopyOutcome,
  type DirtyKey,
  type Journaled,
  keyText,
  type RecordBase,
  type RelationalStore,
  type StoredRecord,
  UNSTAMPED,
} from '@polyphase/core';
import type { Group } from '../phases/group.ts';
import { applyFitting, type RefusedCopy } from './apply-fitting.ts';
import { Turns } from './turns.ts';

const BATCH = 200;

// A row that was made while PostgreSQL was the authority descends from no document, so one that is there is somebody else's.
const FROM_NOTHING: RecordBase = { ...UNSTAMPED, digest: '' };

/** What one round of the reverse relay did. */
export interface ReverseRound {
  /** Records that reached Cosmos DB. */
  readonly copied: number;
  /** Whether there was nothing to copy. */
  readonly idle: boolean;
}

/**
 * Copies what changed in PostgreSQL back to Cosmos DB, while PostgreSQL is the authority: it claims dirty keys, reads the rows as
 * they are now, and applies them under the ETag. An entry is removed only if the version that was copied is still the newest.
 *
 * Safe to repeat at any step: a batch that died half way is claimed again, and applies nothing twice.
 */
export class ReverseRelay {
  readonly #group: Group;
  readonly #postgres: RelationalStore;
  readonly #turns = new Turns();

  constructor(options: {
    readonly group: Group;
    readonly postgres: RelationalStore;
  }) {
    this.#group = options.group;
    this.#postgres = options.postgres;
  }

  /** Copies one batch; tells how many records were copied, and whether there was nothing to copy. */
  round(signal: AbortSignal): Promise<ReverseRound> {
    return this.#turns.run(() => this.#round(signal), signal);
  }

  /** Copies until no dirty key is left. */
  async drain(signal: AbortSignal): Promise<void> {
    const { entity, clock } = this.#group;
    while ((await this.#postgres.dirtyKeys.lag(entity.name, { signal })).count > 0) {
      signal.throwIfAborted();
      // Keys that a dead process claimed come free when its hold ends.
      if ((await this.round(signal)).idle) await clock.sleep(10, signal);
    }
  }

  async #round(signal: AbortSignal): Promise<ReverseRound> {
    const { entity, limits } = this.#group;
    // What a process claimed that died is free again when its membership would be over.
    const claimed = await this.#postgres.dirtyKeys.claim(entity.name, BATCH, limits.memberLeaseMs, {
      signal,
    });
    if (claimed.length === 0) return { copied: 0, idle: true };
    const rows = await this.#group.records('postgres').readMany(
      claimed.map((dirty) => dirty.key),
      { signal },
    );
    const records = rows.filter((row) => row !== undefined);
    const { settled, refused } = await this.#copy(records, signal);
    const copied = new Set(settled.map((dirty) => keyText(dirty.key)));
    // A key whose row is gone (purged) has nothing left to copy. A row that a copy made newer than its entry (a straggler) has
    // been copied as well, so an entry counts as done under the version it was claimed with, too.
    const done = claimed.filter((dirty, i) => rows[i] === undefined || copied.has(keyText(dirty.key)));
    await this.#postgres.dirtyKeys.settle(entity.name, [...settled, ...done], { signal });
    // It stays a dirty key, and is tried again when its hold is over: somebody has to mend it.
    if (refused) throw refused.error;
    return { copied: settled.length, idle: false };
  }

  async #copy(
    records: readonly StoredRecord[],
    signal: AbortSignal,
  ): Promise<{ readonly settled: readonly DirtyKey[]; readonly refused: RefusedCopy | undefined }> {
    const copies = records.map((record) => ({ record, base: record.base ?? FROM_NOTHING }));
    const { outcomes, refused } = await applyFitting(this.#group.records('cosmos'), copies, { signal });
    const settled: DirtyKey[] = [];
    for (const [i, record] of records.entries()) {
      const outcome = outcomes[i];
      if (outcome && (await this.#finish(record, outcome, signal)))
        settled.push({ key: record.key, version: record.version });
    }
    return { settled, refused: refused[0] };
  }

  // Whether nothing is left to do for this version of the record.
  async #finish(record: StoredRecord, outcome: CopyOutcome, signal: AbortSignal): Promise<boolean> {
    switch (outcome.kind) {
      case 'applied':
      case 'same':
        return true;
      case 'changed':
        return false;
      case 'straggler': {
        // Both bodies are kept before one is overwritten; then the copy descends from what was seen.
        await this.#keep(record, outcome.there, signal);
        const there = outcome.there && { ...outcome.there.version, digest: outcome.there.digest };
        const [again] = await this.#group.records('cosmos').apply([{ record, base: there }], { signal });
        return again?.kind === 'applied' || again?.kind === 'same';
      }
      case 'older':
        // The authority has moved on while this process stood still: nobody is in conflict with anybody.
        if (outcome.there && outcome.there.version.term > record.version.term) return false;
        await this.#keep(record, outcome.there, signal);
        return true;
      case 'diverged':
        await this.#keep(record, outcome.there, signal);
        return true;
    }
  }

  async #keep(ours: StoredRecord, theirs: StoredRecord | undefined, signal: AbortSignal): Promise<void> {
    const text = (record: StoredRecord | undefined) =>
      record?.value === undefined ? undefined : JSON.stringify(record.value);
    const entry: Journaled = {
      kind: 'conflict',
      entity: this.#group.entity.name,
      key: keyText(ours.key),
      reason:
        'Cosmos DB holds a write that the record in PostgreSQL does not descend from; decide which body holds',
      issues: [],
      bodies: { theirs: text(theirs), ours: text(ours) },
    };
    await this.#postgres.journal.append([entry], { signal });
  }
}
