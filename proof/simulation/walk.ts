import type { Phase, StorePolicy } from '@polyphase/core';
import { checkHistory } from './check-history.ts';
import type { FaultSource } from './faults.ts';
import type { Violation } from './history.ts';
import { Random } from './random.ts';
import { holdSame, World, type WorldOptions } from './world.ts';

/** A config that is wished for, and how long it is followed: until it is reached, or for a time. */
export interface Wish {
  readonly policy: StorePolicy;
  readonly until: Phase | number;
}

/** What one walk came to. */
export interface Walked {
  readonly violations: readonly Violation[];
  /** Names of the calls of ports, in their order. */
  readonly calls: readonly string[];
  /** How many calls there had been when each wish was no longer waited for. */
  readonly callsAt: readonly number[];
  readonly faults: number;
  readonly operations: number;
  readonly simulatedMs: number;
  readonly events: number;
  /** Two walks with the same trace are the same. */
  readonly trace: string;
  /** What happened, in words. */
  readonly told: readonly string[];
}

/** A walk through phases, under load and faults. */
export interface Walk {
  readonly seed: number;
  readonly wishes: readonly [Wish, ...Wish[]];
  readonly world: Omit<WorldOptions, 'random' | 'faults'>;
  /** @default none */
  readonly faults?: (random: Random, isCalm: () => boolean) => FaultSource;
  /** What else happens. */
  readonly disturb?: (world: World, random: Random, isCalm: () => boolean) => void;
}

const PHASE_MS = 20_000;
// What policies say by default, on a clock that runs a little slow.
const STALE_MS = 1_050;
const REST_MS = 60_000;

/** Walks from phase 0 through the wishes, lets everything come to rest, and checks what happened. */
export async function walk(options: Walk): Promise<Walked> {
  const random = new Random(options.seed);
  let calm = false;
  const isCalm = (): boolean => calm;
  const world = new World({
    ...options.world,
    random,
    faults: options.faults?.(random, isCalm) ?? (() => undefined),
  });
  await world.begin();
  options.disturb?.(world, random, isCalm);
  const callsAt: number[] = [];
  for (const { policy, until } of options.wishes) {
    world.wish(policy);
    const reached = (): boolean => world.stores.last?.phase === until;
    await world.scheduler.run(reached, typeof until === 'number' ? until : PHASE_MS);
    callsAt.push(world.network.calls.length);
  }
  calm = true;
  const stuck = await rest(world, options.wishes.at(-1) ?? options.wishes[0]);
  const violations = checkHistory(await world.history({ stuck, staleMs: STALE_MS }));
  const { scheduler, network, operations, told } = world;
  return {
    violations,
    calls: network.calls,
    callsAt,
    faults: network.faults,
    operations: operations.length,
    simulatedMs: scheduler.now,
    events: scheduler.events,
    trace: scheduler.trace,
    told,
  };
}

function phaseOf(policy: StorePolicy): Phase {
  if (policy.policy === 'cosmos-only') return '0';
  if (policy.policy === 'dual-write') return policy.reads === 'postgres' ? '3' : '2';
  return policy.reverseSync === false ? '7' : '6';
}

// Faults have stopped. Clients end, the wish is reached, nothing waits to be copied: or what keeps it is told.
async function rest(world: World, { policy }: Wish): Promise<string | undefined> {
  const wanted = phaseOf(policy);
  if (!(await world.endClients(REST_MS))) return 'an operation does not end';
  const isThere = (): boolean => world.stores.last?.phase === wanted && world.process() !== undefined;
  if (!(await world.scheduler.run(isThere, REST_MS)))
    return `phase ${wanted} is not reached from ${world.stores.last?.phase ?? '0'}`;
  if (wanted === '7' || wanted === '0') return undefined;
  const end = world.scheduler.now + REST_MS;
  while (world.scheduler.now < end) {
    const { cosmos, postgres, dirty } = await world.stores.contents();
    if (dirty === 0 && holdSame(cosmos, postgres)) return undefined;
    await world.scheduler.run(() => false, 50);
  }
  return 'one store lags behind the other and does not catch up';
}
