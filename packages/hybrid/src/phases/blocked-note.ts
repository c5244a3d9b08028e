import {
  type CheckpointStore,
  FencedError,
  type GateAnswer,
  type HeldLease,
  isJsonObject,
  type LeaseManager,
} from '@polyphase/core';
import type { Group } from './group.ts';
import { nextPhase } from './phase-table.ts';

/** How often what was seen is told anew while the same gates refuse, in milliseconds. */
const REPEAT_MS = 2_000;

/**
 * What keeps a group from its next phase, as the process sees that walks it, kept beside the control row: so any process of the group
 * can say why it does not go on.
 *
 * What is noted belongs to one epoch of the row. It is written under the lease of the process that walks, so one that was paused cannot
 * speak for its successor.
 */
export class BlockedNote {
  readonly #group: Group;
  readonly #checkpoints: CheckpointStore;
  readonly #leases: LeaseManager;
  readonly #leaseName: string;
  #revision: number | undefined;
  #told = '';
  #toldAt = Number.NEGATIVE_INFINITY;
  #heard: readonly GateAnswer[] = [];
  #nobodySince: number | undefined;

  constructor(options: {
    readonly group: Group;
    readonly checkpoints: CheckpointStore;
    readonly leases: LeaseManager;
    /** Name of the lease under which one process walks the group. */
    readonly leaseName: string;
  }) {
    this.#group = options.group;
    this.#checkpoints = options.checkpoints;
    this.#leases = options.leases;
    this.#leaseName = options.leaseName;
  }

  /** What the process that walks was refused with when this process listened last; empty where nothing is in the way. */
  get heard(): readonly GateAnswer[] {
    return this.#heard;
  }

  /** Tells every process what refuses, once for each change and every few seconds. */
  async tell(answers: readonly GateAnswer[], lease: HeldLease, signal: AbortSignal): Promise<void> {
    const { row, clock } = this.#group;
    if (!row || !lease.isProven) return;
    const what = JSON.stringify([row.epoch, answers.map(({ name, wanted }) => [name, wanted])]);
    if (what === this.#told && (answers.length === 0 || clock.monotonic() - this.#toldAt < REPEAT_MS)) return;
    const name = noteName(row.group);
    try {
      // Where nothing was ever refused, nothing need be taken back.
      this.#revision ??= (await this.#checkpoints.read(name, { signal }))?.revision ?? 0;
      if (answers.length > 0 || this.#revision > 0) {
        const position = JSON.stringify({ epoch: row.epoch, answers });
        const step = { name, expected: this.#revision, position, lease: lease.proof() };
        this.#revision = (await this.#checkpoints.advance(step, { signal })).revision;
      }
    } catch (error) {
      this.#revision = undefined;
      // Another process walks by now, or the answer of the last note was lost: the next look begins from what is there.
      if (!FencedError.isInstance(error)) throw error;
      return;
    }
    this.#told = what;
    this.#toldAt = clock.monotonic();
  }

  /** Learns what the process that walks was refused with. Asks nobody where there is no step to take. */
  async listen(signal: AbortSignal): Promise<void> {
    const { row } = this.#group;
    if (!row || nextPhase(row.phase, row.wish.phase) === undefined) {
      this.#nobodySince = undefined;
      this.#heard = [];
      return;
    }
    const walking = (await this.#leases.list(this.#leaseName, { signal })).has(this.#leaseName);
    const answers = walking ? await this.#noted(row.group, row.epoch, signal) : this.#nobody();
    this.#nobodySince = walking ? undefined : (this.#nobodySince ?? this.#group.clock.monotonic());
    this.#heard = answers;
  }

  async #noted(group: string, epoch: number, signal: AbortSignal): Promise<readonly GateAnswer[]> {
    const there = await this.#checkpoints.read(noteName(group), { signal });
    return there ? answersIn(there.position, epoch) : [];
  }

  // A process that ends gives its lease up, and the next takes it after a moment.
  #nobody(): readonly GateAnswer[] {
    const { clock, limits } = this.#group;
    const forMs = clock.monotonic() - (this.#nobodySince ?? clock.monotonic());
    if (forMs < limits.memberLeaseMs) return [];
    return [
      {
        name: 'somebody walks',
        passed: false,
        seen: `no process has walked this entity for ${Math.round(forMs)} ms`,
        wanted: 'a process with the role "controller" and both stores',
      },
    ];
  }
}

function noteName(group: string): string {
  return `blocked:${group}`;
}

// Another version may have written it otherwise: then nothing is known.
function answersIn(text: string, epoch: number): readonly GateAnswer[] {
  const note = parsed(text);
  if (!isJsonObject(note) || note['epoch'] !== epoch || !Array.isArray(note['answers'])) return [];
  return note['answers'].filter(isAnswer);
}

function isAnswer(it: unknown): it is GateAnswer {
  return (
    isJsonObject(it) &&
    typeof it['name'] === 'string' &&
    typeof it['passed'] === 'boolean' &&
    typeof it['seen'] === 'string' &&
    typeof it['wanted'] === 'string'
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
