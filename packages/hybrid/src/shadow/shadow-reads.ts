import {
  keyLabel,
  type RecordKey,
  type ResolvedShadow,
  type ShadowTally,
  TimeoutError,
} from '@polyphase/core';
import type { Group } from '../phases/group.ts';
import { orAborted } from '../phases/or-aborted.ts';
import { withinTime } from '../phases/time-limit.ts';
import { compareAnswers, type ShadowedRead } from './compare-answers.ts';
import { Sampler } from './sampler.ts';
import { TallyWindow } from './tally-window.ts';

const MAX_SHAPES = 100;
const OTHER_SHAPES = 'other shapes';
const KEPT_MISMATCHES = 10;
const KEPT_KEYS = 5;
// A store that takes longer has failed: the place is wanted for the next.
const LONGEST_MS = 10_000;
// One that has failed is left alone for a while.
const REST_MS = 1_000;

/** A read that PostgreSQL would have answered otherwise. */
export interface ShadowMismatch {
  /** The query shape. */
  readonly shape: string;
  /** `record`: a record that PostgreSQL cannot have. `answer`: the same records, and yet another answer. */
  readonly kind: 'record' | 'answer';
  /** Names of up to five records, as in messages: never values. */
  readonly keys: readonly string[];
}

/** What shadow reads found in this process, lately and in the present phase. */
export interface ShadowStatus {
  /** One for each query shape, at most a hundred; what goes beyond is `other shapes`. */
  readonly shapes: readonly ShadowTally[];
  /** The last few mismatches, newest last. */
  readonly mismatches: readonly ShadowMismatch[];
  /** Comparisons that were left out since the process began, because too many were under way, or a store had just failed one. */
  readonly dropped: number;
  /** Comparisons that a store failed, or took too long for, since the process began. */
  readonly failed: number;
}

interface Shape {
  readonly name: string;
  readonly window: TallyWindow;
  readonly reads: Sampler;
  readonly noise: Sampler;
}

interface Job {
  readonly of: 'reads' | 'noise';
  readonly shape: Shape;
  readonly read: () => ShadowedRead;
  readonly epoch: number;
}

/**
 * Asks PostgreSQL what it would have answered to a sample of the reads that Cosmos DB answered, in phase 2, and counts by query shape
 * what differs. As many reads are asked of Cosmos DB again, which tells how often it disagrees with itself.
 *
 * A caller has its answer before anything is asked, and never waits: so many comparisons go on at a time, so many wait, and the rest
 * is left out and counted.
 */
export class ShadowReads {
  readonly #group: Group;
  readonly #holder: string;
  readonly #onMismatch: (mismatch: ShadowMismatch) => void;
  readonly #stop = new AbortController();
  readonly #waiting: Job[] = [];
  readonly #underWay = new Set<Promise<void>>();
  #shapes = new Map<string, Shape>();
  #mismatches: readonly ShadowMismatch[] = [];
  #epoch: number | undefined;
  #dropped = 0;
  #failed = 0;
  #noting: Promise<void> | undefined;
  #isNoted = true;
  #restUntil = Number.NEGATIVE_INFINITY;
  /** How much is compared, and how much of that at a time. */
  options: ResolvedShadow;

  constructor(options: {
    readonly group: Group;
    readonly shadow: ResolvedShadow;
    /** Name of this process in leases. */
    readonly holder: string;
    readonly onMismatch: (mismatch: ShadowMismatch) => void;
  }) {
    this.#group = options.group;
    this.options = options.shadow;
    this.#holder = options.holder;
    this.#onMismatch = options.onMismatch;
  }

  /** Whether reads are compared now: in phase 2, where config asks for it, or a later phase is wished for and its gate wants to know. */
  get isOn(): boolean {
    const { row, stores } = this.#group;
    if (row?.phase !== '2' || !stores.postgres || this.options.sample === 0) return false;
    return this.options.wanted || !(row.wish.phase === '0' || row.wish.phase === '2');
  }

  /** What was found. */
  get status(): ShadowStatus {
    this.#follow();
    return {
      shapes: [...this.#shapes.values()].map(({ window }) => window.tally),
      mismatches: this.#mismatches,
      dropped: this.#dropped,
      failed: this.#failed,
    };
  }

  /** Takes note of a read that Cosmos DB answered. Returns at once; what it costs comes after the caller has its answer. */
  offer(shape: string, read: () => ShadowedRead): void {
    if (!this.isOn) return;
    const epoch = this.#follow();
    if (epoch === undefined) return;
    const known = this.#shapeOf(shape);
    for (const kind of ['reads', 'noise'] as const)
      if (known[kind].takes(this.options.sample)) this.#put({ of: kind, shape: known, read, epoch });
  }

  /** Ends comparisons that are under way. Resolves when no store is asked any more. */
  async close(): Promise<void> {
    this.#waiting.length = 0;
    this.#stop.abort();
    await Promise.all([...this.#underWay, this.#noting]);
  }

  // Tallies are those of one stay in one phase: what was found before a flip says nothing about now.
  #follow(): number | undefined {
    const epoch = this.#group.row?.epoch;
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#shapes = new Map();
      this.#mismatches = [];
    }
    return epoch;
  }

  #shapeOf(shape: string): Shape {
    const name = this.#shapes.has(shape) || this.#shapes.size < MAX_SHAPES - 1 ? shape : OTHER_SHAPES;
    const known = this.#shapes.get(name);
    if (known) return known;
    const { clock, limits } = this.#group;
    const window = new TallyWindow({ shape: name, clock, limits });
    const made = { name, window, reads: new Sampler(Math.sqrt(5)), noise: new Sampler(Math.sqrt(2)) };
    this.#shapes.set(name, made);
    return made;
  }

  #put(job: Job): void {
    if (this.#group.clock.monotonic() < this.#restUntil) this.#dropped += 1;
    else if (this.#underWay.size < this.options.concurrency) this.#start(job);
    else if (this.#waiting.length < this.options.queue) this.#waiting.push(job);
    else this.#dropped += 1;
  }

  #start(job: Job): void {
    const running = this.#run(job).finally(() => {
      this.#underWay.delete(running);
      const next = this.#waiting.shift();
      if (next) this.#start(next);
    });
    this.#underWay.add(running);
  }

  async #run(job: Job): Promise<void> {
    const { clock } = this.#group;
    const late = () => new TimeoutError({ message: `A comparison took longer than ${LONGEST_MS} ms` });
    try {
      // A turn of the event loop: the caller comes first.
      await clock.sleep(0, this.#stop.signal);
      const limit = { clock, ms: LONGEST_MS, signal: this.#stop.signal, late };
      await withinTime(limit, (signal) => orAborted(this.#compare(job, signal), signal));
    } catch {
      if (this.#stop.signal.aborted) return;
      this.#failed += 1;
      this.#restUntil = clock.monotonic() + REST_MS;
    }
  }

  async #compare({ of, shape, read, epoch }: Job, signal: AbortSignal): Promise<void> {
    const group = this.#group;
    if (group.row?.epoch !== epoch) return;
    const authority = group.records('cosmos');
    const verdict = await compareAnswers(read(), {
      authority,
      other: of === 'noise' ? authority : group.records('postgres'),
      clock: group.clock,
      pauseMs: group.limits.pollMs,
      follows: (atMs) => group.stalenessMs < group.clock.monotonic() - atMs,
      signal,
    });
    // In another phase, with another authority perhaps, the stores were to differ.
    if (group.row?.epoch !== epoch) return;
    this.#noteSoon();
    if (of === 'noise') return shape.window.noteNoise(verdict.kind);
    shape.window.note(verdict.kind);
    if (verdict.kind === 'record' || verdict.kind === 'answer')
      this.#tell({ shape: shape.name, kind: verdict.kind, keys: labelsOf(verdict.keys) });
  }

  // Whoever walks the phases may be another process. What is found in one pause is noted at once; a note that fails is made again later.
  #noteSoon(): void {
    this.#isNoted = false;
    this.#noting ??= this.#note().finally(() => {
      this.#noting = undefined;
    });
  }

  async #note(): Promise<void> {
    const { clock, limits, entity, stores } = this.#group;
    const late = () => new TimeoutError({ message: 'Noting what shadow reads found took too long' });
    while (!this.#isNoted && !this.#stop.signal.aborted) {
      try {
        await clock.sleep(limits.pollMs, this.#stop.signal);
        this.#isNoted = true;
        const epoch = this.#follow();
        if (epoch === undefined) return;
        const noted = { group: entity.name, holder: this.#holder, epoch, tallies: this.status.shapes };
        await withinTime({ clock, ms: LONGEST_MS, signal: this.#stop.signal, late }, (signal) =>
          orAborted(stores.postgres?.shadowTallies.note(noted, { signal }) ?? Promise.resolve(), signal),
        );
      } catch {
        this.#isNoted = false;
      }
    }
  }

  #tell(mismatch: ShadowMismatch): void {
    this.#mismatches = [...this.#mismatches, mismatch].slice(-KEPT_MISMATCHES);
    this.#onMismatch(mismatch);
  }
}

function labelsOf(keys: readonly RecordKey[]): readonly string[] {
  return keys.slice(0, KEPT_KEYS).map(keyLabel);
}
