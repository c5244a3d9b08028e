import { type GateAnswer, type Journal, keyLabel, type Phase, type RelationalStore } from '@polyphase/core';
import { DRIFT } from '../protocol-limits.ts';
import { type Comparison, compareRecent, compareStores } from '../reconcile/compare-stores.ts';
import type { FeedWatch } from '../relay/feed-watch.ts';
import { shadowAnswers } from '../shadow/shadow-gate.ts';
import type { Group } from './group.ts';

const PATIENCE_MS = 5_000;
const MAX_LAG_MS = 5_000;
// One round of recently changed records before a seal: this small, or the seal would hold calls for too long.
const ROUND_RECORDS = 2_000;
const ROUND_MS = 1_000;
// Cosmos DB keeps the date of a write in whole seconds, and its replicas' clocks may differ a little.
const DATE_MARGIN_MS = 2_000;

/** What the gates of one group remember from step to step. */
export class Gates {
  readonly #group: Group;
  readonly #postgres: RelationalStore;
  readonly #watch: FeedWatch | undefined;
  #clean: Comparison | undefined;
  #cleanSinceMs: number | undefined;

  constructor(options: {
    readonly group: Group;
    readonly postgres: RelationalStore;
    readonly watch: FeedWatch | undefined;
  }) {
    this.#group = options.group;
    this.#postgres = options.postgres;
    this.#watch = options.watch;
  }

  /** Everything that must hold before the step from one phase to the next. Answers come in order; the first that fails ends the list. */
  async check(from: Phase, to: Phase, signal: AbortSignal): Promise<readonly GateAnswer[]> {
    const answers: GateAnswer[] = [];
    for (const gate of this.#gates(from, to)) {
      const found = await gate(signal);
      answers.push(...found);
      if (found.some(({ passed }) => !passed)) break;
    }
    return answers;
  }

  #gates(from: Phase, to: Phase): readonly ((signal: AbortSignal) => Promise<readonly GateAnswer[]>)[] {
    switch (`${from} ${to}`) {
      case '0 1':
        return [(signal) => this.#fits(signal)];
      case '1 2':
        return [
          (signal) => this.#backfilled(signal),
          () => this.#everyDeleteLeavesATombstone(),
          (signal) => this.deadLettersMended(signal),
          (signal) => this.#documentsFit(signal),
          (signal) => this.#sameInBoth(0, signal),
        ];
      case '2 3':
        return [
          () => this.#following(),
          (signal) => this.deadLettersMended(signal),
          (signal) => this.#readsAgree(signal),
        ];
      case '3 4':
        return [
          () => this.#following(),
          (signal) => this.deadLettersMended(signal),
          (signal) => this.#documentsFit(signal),
          (signal) => this.#rowsFit(signal),
          (signal) => this.#sameInBoth(this.#group.limits.reconcileAgeMs, signal),
        ];
      case '4 5':
        return [
          (signal) => this.deadLettersMended(signal),
          (signal) => this.#documentsFit(signal),
          (signal) => this.#rowsFit(signal),
          (signal) => this.#recentSame(signal),
        ];
      case "6 5'":
        return [
          (signal) => this.deadLettersMended(signal),
          (signal) => this.#reverseSmall(signal),
          (signal) => this.conflictsDecided(signal),
          (signal) => this.#documentsFit(signal),
          (signal) => this.#sameInBoth(0, signal),
        ];
      case '6 7':
        return [
          () => this.#soaked(),
          (signal) => this.deadLettersMended(signal),
          (signal) => this.#reverseSmall(signal),
          (signal) => this.conflictsDecided(signal),
          (signal) => this.#sameInBoth(0, signal),
        ];
      case '7r 6':
        return [
          (signal) => this.deadLettersMended(signal),
          (signal) => this.#reverseSmall(signal),
          (signal) => this.#sameInBoth(0, signal),
        ];
      default:
        return [];
    }
  }

  /** Whether nothing waits in the journal for a person to say which of two bodies holds. */
  async conflictsDecided(signal: AbortSignal): Promise<readonly GateAnswer[]> {
    return this.#journalEmpty('conflicts', signal);
  }

  /** Whether nothing that could not be copied, or that others changed in PostgreSQL, waits in the journal to be mended. */
  async deadLettersMended(signal: AbortSignal): Promise<readonly GateAnswer[]> {
    return this.#journalEmpty('deadLetters', signal);
  }

  /** Forgets comparisons: the stores have changed hands since. */
  reset(): void {
    this.#clean = undefined;
    this.#cleanSinceMs = undefined;
  }

  async #fits(signal: AbortSignal): Promise<readonly GateAnswer[]> {
    const { entity } = this.#group;
    await this.#postgres.prepare([entity], { signal });
    return [...(await this.#documentsFit(signal)), ...(await this.#postgres.verify(entity, { signal }))];
  }

  // Looked at again on the way: somebody may have changed the container, its default time to live above all.
  async #documentsFit(signal: AbortSignal): Promise<readonly GateAnswer[]> {
    const { entity, stores } = this.#group;
    return (await stores.cosmos?.verify(entity, { signal })) ?? [];
  }

  // Before PostgreSQL can be the authority, its unique indexes must hold every row: values that clash are kept out of them.
  async #rowsFit(signal: AbortSignal): Promise<readonly GateAnswer[]> {
    return this.#postgres.verify(this.#group.entity, { signal });
  }

  async #backfilled(signal: AbortSignal): Promise<readonly GateAnswer[]> {
    const isRead = (await this.#watch?.historyRead(signal)) === true;
    return [
      answer(
        'backfill done',
        isRead,
        `end of the feed ${isRead ? 'reached' : 'not reached yet'}`,
        'every change that was there when it began is in PostgreSQL',
      ),
    ];
  }

  // A lease of phase 0 may let a process without PostgreSQL remove documents for good; what is compared before it ends proves nothing.
  async #everyDeleteLeavesATombstone(): Promise<readonly GateAnswer[]> {
    const { phaseMs, limits, stores } = this.#group;
    const wantedMs = stores.cosmos ? Math.ceil(limits.leaseMs * DRIFT) : 0;
    return [
      answer(
        'every delete leaves a tombstone',
        phaseMs >= wantedMs,
        `phase 1 for ${Math.round(phaseMs)} ms under this process`,
        `${wantedMs} ms: leases to write that were granted before end by then`,
      ),
    ];
  }

  async #readsAgree(signal: AbortSignal): Promise<readonly GateAnswer[]> {
    const { entity, row, limits, phaseMs } = this.#group;
    const { shadowWindowMs } = limits;
    const found = await this.#postgres.shadowTallies.list(entity.name, row?.epoch ?? 0, shadowWindowMs, {
      signal,
    });
    const { answers, enough } = shadowAnswers(found, limits, phaseMs);
    if (enough || answers.some(({ passed }) => !passed)) return answers;
    return [...answers, ...(await this.#sameInBoth(0, signal))];
  }

  async #following(): Promise<readonly GateAnswer[]> {
    const { stalenessMs } = this.#group;
    return [
      answer(
        'PostgreSQL follows',
        stalenessMs <= MAX_LAG_MS,
        Number.isFinite(stalenessMs) ? `up to date ${Math.round(stalenessMs)} ms ago` : 'not up to date yet',
        `up to date within ${MAX_LAG_MS} ms`,
      ),
    ];
  }

  async #journalEmpty(
    kind: keyof Awaited<ReturnType<Journal['count']>>,
    signal: AbortSignal,
  ): Promise<readonly GateAnswer[]> {
    const { name } = this.#group.entity;
    const count = (await this.#postgres.journal.count(name, { signal }))[kind];
    const mend = {
      deadLetters: ['no dead letters', `0: read them with journal.list("${name}"), and mend each document`],
      conflicts: [
        'no conflicts',
        `0: read them with journal.list("${name}"); write the body that holds, and close the entry with journal.resolve`,
      ],
    } as const;
    const [gate, wanted] = mend[kind];
    return [answer(gate, count === 0, `${count}`, wanted)];
  }

  async #sameInBoth(maxAgeMs: number, signal: AbortSignal): Promise<readonly GateAnswer[]> {
    const age = this.#clean && this.#group.clock.monotonic() - this.#clean.startedAt;
    if (age === undefined || age > maxAgeMs) {
      const startedAtMs = await this.#watch?.serverNowMs(signal);
      const found = this.#note(
        await compareStores(this.#group, { signal, patienceMs: PATIENCE_MS }),
        startedAtMs,
      );
      if (found.differences.length > 0)
        return [answer('both stores hold the same', false, describe(found), wantedOf(found))];
    }
    return [
      answer(
        'both stores hold the same',
        true,
        `${this.#clean?.compared ?? 0} records compared, no difference`,
        'no difference',
      ),
    ];
  }

  async #reverseSmall(signal: AbortSignal): Promise<readonly GateAnswer[]> {
    const lag = await this.#postgres.dirtyKeys.lag(this.#group.entity.name, { signal });
    return [
      answer(
        'Cosmos DB follows',
        lag.oldestMs <= MAX_LAG_MS,
        `${lag.count} keys to copy, the oldest since ${Math.round(lag.oldestMs)} ms`,
        `none older than ${MAX_LAG_MS} ms`,
      ),
    ];
  }

  async #soaked(): Promise<readonly GateAnswer[]> {
    const { phaseMs, limits } = this.#group;
    return [
      answer(
        'soaked',
        phaseMs >= limits.soakMs,
        `PostgreSQL has been the authority for ${Math.round(phaseMs)} ms under this process`,
        `${limits.soakMs} ms`,
      ),
    ];
  }

  async #recentSame(signal: AbortSignal): Promise<readonly GateAnswer[]> {
    const round = await this.compareSinceClean(signal);
    const tookMs = this.#group.clock.monotonic() - round.startedAt;
    return [
      answer(
        'recent writes are the same in both stores',
        round.differences.length === 0,
        describe(round),
        'no difference',
      ),
      answer(
        'a round is short enough to hold calls for',
        round.compared <= ROUND_RECORDS && tookMs <= ROUND_MS,
        `${round.compared} records in ${Math.round(tookMs)} ms`,
        `${ROUND_RECORDS} records and ${ROUND_MS} ms at most; write less for a moment`,
      ),
    ];
  }

  /** Compares what was written to Cosmos DB since the last clean comparison began; a clean answer becomes the new beginning. */
  async compareSinceClean(signal: AbortSignal): Promise<Comparison> {
    const startedAtMs = await this.#watch?.serverNowMs(signal);
    if (this.#cleanSinceMs === undefined) {
      const whole = await compareStores(this.#group, { signal, patienceMs: PATIENCE_MS });
      return this.#note(whole, startedAtMs);
    }
    const recent = await compareRecent(this.#group, this.#cleanSinceMs - DATE_MARGIN_MS, {
      signal,
      patienceMs: PATIENCE_MS,
    });
    return this.#note(recent, startedAtMs);
  }

  #note(found: Comparison, startedAtMs: number | undefined): Comparison {
    if (found.differences.length === 0) {
      this.#clean = found;
      this.#cleanSinceMs = startedAtMs;
    }
    return found;
  }
}

function answer(name: string, passed: boolean, seen: string, wanted: string): GateAnswer {
  return { name, passed, seen, wanted };
}

function wantedOf({ differences }: Comparison): string {
  return differences.some(({ kind }) => kind === 'removed')
    ? 'no difference; of a removed record Cosmos DB has neither document nor tombstone: delete it through the repository if it is to be gone, or write it again'
    : 'no difference';
}

/** What a comparison found, in one line without values. */
export function describe({ compared, differences }: Comparison): string {
  const shown = differences.slice(0, 5).map((it) => `${keyLabel(it.key)} (${it.kind})`);
  return `${compared} records compared, ${differences.length} differ: ${shown.join(', ')}${differences.length > 5 ? ', …' : ''}`;
}
