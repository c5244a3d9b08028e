import type { ChangeFeed, ControlRow, Phase } from '@polyphase/core';
import { memoryDocumentStore, memoryRelationalStore } from '@polyphase/core/memory';
import { manualClock } from '@polyphase/core/testing';
import { BackfillLedger } from '../src/backfill/backfill-ledger.ts';
import { Loops } from '../src/loops.ts';
import { Pace } from '../src/pace/pace.ts';
import { Group } from '../src/phases/group.ts';
import { protocolLimits } from '../src/protocol-limits.ts';
import { FeedPulse } from '../src/relay/feed-pulse.ts';
import { FeedRelay } from '../src/relay/feed-relay.ts';
import type { StalledRange } from '../src/relay/stall-alarm.ts';
import { FaultPlan, type FaultPlanOptions, faultyStores } from './faulty-stores.ts';
import { Note } from './virtual-world.ts';

const wish = { phase: '2', flip: 'auto', revision: 1 } as const;

/** What may happen to the feed of one process. */
export interface FeedHooks {
  /** Runs when a page was read, before anybody has it. */
  readonly afterPage?: () => Promise<unknown>;
  /** Runs before the ranges are told. */
  readonly beforeRanges?: () => Promise<unknown>;
  /** Runs before a marker is written. */
  readonly beforeMark?: () => Promise<unknown>;
  /** Changes in a page, at most. @default what the relay asks for */
  readonly limit?: () => number | undefined;
  /** What is to go wrong at a call of the stores. */
  readonly faultAt?: FaultPlanOptions['faultAt'];
  /** What each page costs. @default 0 */
  readonly requestUnits?: () => number;
}

/** A process that copies. */
export interface Copier {
  readonly group: Group;
  readonly relay: FeedRelay;
  readonly pulse: FeedPulse;
  /** What its notices would tell. */
  readonly troubles: unknown[];
  readonly stalls: StalledRange[];
  /** Its calls have no effect any more, and it never ends in good order. */
  kill(): void;
  stop(): Promise<void>;
}

/** Processes that copy one entity from a feed to PostgreSQL, over the same stores in memory, in time that passes only when somebody waits. */
export class RelayFleet {
  readonly clock = manualClock();
  readonly cosmos;
  readonly postgres = memoryRelationalStore({ clock: this.clock });
  readonly signal = new AbortController().signal;
  readonly #row: ControlRow;
  readonly #copiers: Copier[] = [];
  #members = 0;

  private constructor(row: ControlRow, ranges: number) {
    this.#row = row;
    this.cosmos = memoryDocumentStore({ clock: this.clock, ranges });
  }

  /** A fleet without processes, in a phase. */
  static async in(phase: Phase, options: { readonly ranges?: number; readonly term?: number } = {}) {
    const { ranges = 1, term = 1 } = options;
    const fleet = new RelayFleet({ group: 'notes', epoch: 1, phase, term, wish }, ranges);
    await fleet.postgres.control.create(fleet.#row);
    return fleet;
  }

  /** A process; with `roles` it does only part of the work. */
  join(hooks: FeedHooks = {}, roles: { readonly copies?: boolean; readonly watches?: boolean } = {}): Copier {
    const { clock } = this;
    const plan = new FaultPlan(hooks.faultAt && { faultAt: hooks.faultAt });
    const { cosmos, postgres } = faultyStores(this, plan);
    this.#members += 1;
    const holder = `process ${this.#members}`;
    const group = new Group({
      entity: Note,
      stores: { cosmos, postgres },
      clock,
      limits: protocolLimits({}),
      holder,
      isMember: () => true,
      onPhase: () => undefined,
    });
    group.observe(this.#row);
    const troubles: unknown[] = [];
    const stalls: StalledRange[] = [];
    const { checkpoints, leases } = postgres;
    const feed = hooked(cosmos.changes(Note), hooks);
    const loops = new Loops({
      clock,
      pollMs: group.limits.pollMs,
      onFailure: (_, error) => {
        troubles.push(error);
        return false;
      },
    });
    const following = {
      group,
      feed,
      checkpoints,
      leases,
      holder,
      goesOn: () => !plan.isDead && group.rules.feed,
    };
    const relay = new FeedRelay({
      ...following,
      ledger: new BackfillLedger({ checkpoints, entity: Note.name }),
      pace: new Pace({ clock, mostPerSecond: 100 }),
      onCopied: () => undefined,
      onTrouble: (error) => troubles.push(error),
    });
    const pulse = new FeedPulse({
      ...following,
      onFresh: async (asOf) => {
        for (const it of this.#copiers) it.group.noteFresh(asOf);
      },
      onStalled: (stalled) => stalls.push(stalled),
    });
    if (roles.copies !== false) {
      loops.start('ranges', () => relay.look(loops.signal));
      loops.start('relay', () => relay.share(loops.signal));
    }
    if (roles.watches !== false) loops.start('pulse', () => pulse.turn(loops.signal));
    let isStopped = false;
    const stop = async (): Promise<void> => {
      if (isStopped) return;
      isStopped = true;
      await loops.stop('The test is over');
      await relay.ended();
      if (!plan.isDead) await Promise.all([relay.leave(), pulse.leave()]);
    };
    const copier = { group, relay, pulse, troubles, stalls, kill: () => plan.kill(), stop };
    this.#copiers.push(copier);
    return copier;
  }

  /** Documents that are written through the SDK. */
  async put(...ids: readonly string[]): Promise<void> {
    const { term } = this.#row;
    for (const id of ids) {
      const key = { partition: [id], id };
      const value = { id, owner: id, text: id };
      await this.cosmos.records(Note).write({ kind: 'create', key, operationId: id, value }, { term });
    }
  }

  /** A document without a stamp, as an application of before wrote it. */
  async putForeign(id: string): Promise<void> {
    await this.cosmos.foreign.put(Note, { id, owner: id, text: id });
  }

  /** Which of them PostgreSQL has. */
  async copied(...ids: readonly string[]): Promise<readonly string[]> {
    const found = await this.postgres.records(Note).readMany(ids.map((id) => ({ partition: [id], id })));
    return ids.filter((_, i) => found[i]?.value !== undefined);
  }

  /** Revisions of the checkpoints, by range: how many pages were committed. */
  async revisions(): Promise<ReadonlyMap<string, number>> {
    const known = await this.postgres.checkpoints.list('feed:notes:');
    return new Map([...known].map(([name, { revision }]) => [name.slice('feed:notes:'.length), revision]));
  }

  /** Who has which range. */
  async holders(): Promise<ReadonlyMap<string, string>> {
    const held = await this.postgres.leases.list('feed:notes:range:');
    return new Map([...held].map(([name, { holder }]) => [name.slice('feed:notes:range:'.length), holder]));
  }

  /** Lets time pass. */
  async pass(ms: number): Promise<void> {
    const end = this.clock.monotonic() + ms;
    while (this.clock.monotonic() < end)
      await this.clock.advance(Math.min(this.clock.nextMs ?? ms, end - this.clock.monotonic()) || 1);
  }

  /** Lets time pass until it is so. */
  async until(what: string, holds: () => boolean | Promise<boolean>, limitMs = 60_000): Promise<void> {
    const end = this.clock.monotonic() + limitMs;
    while (!(await holds())) {
      if (this.clock.monotonic() > end)
        throw new RangeError(
          `${what}: not within ${limitMs} ms\n${this.#copiers.flatMap((it) => it.troubles.map(String)).join('\n')}`,
        );
      await this.clock.advance(this.clock.nextMs ?? 1);
    }
  }

  /** Ends every process. */
  async close(): Promise<void> {
    const over = new AbortController();
    const stopping = Promise.all(this.#copiers.map((it) => it.stop())).finally(() => over.abort());
    stopping.catch(() => undefined);
    for (let i = 0; !over.signal.aborted && i < 10_000; i += 1)
      await this.clock.advance(this.clock.nextMs ?? 1);
    await stopping;
  }
}

function hooked(feed: ChangeFeed, hooks: FeedHooks): ChangeFeed {
  return {
    ranges: async (options) => {
      await hooks.beforeRanges?.();
      return feed.ranges(options);
    },
    positionOf: (range, known) => feed.positionOf(range, known),
    passed: (position, marker) => feed.passed(position, marker),
    behind: (position, marker) => feed.behind(position, marker),
    mark: async (range, options) => {
      await hooks.beforeMark?.();
      return feed.mark(range, options);
    },
    read: async (range, position, options) => {
      const limit = hooks.limit?.();
      const page = await feed.read(range, position, limit === undefined ? options : { ...options, limit });
      await hooks.afterPage?.();
      options?.meter?.({ requestUnits: hooks.requestUnits?.() ?? 0, throttled: 0 });
      return page;
    },
  };
}
