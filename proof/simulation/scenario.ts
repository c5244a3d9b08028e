import type { StorePolicy } from '@polyphase/core';
import { ConnectionError, ThrottledError } from '@polyphase/core';
import { aimedFaults, lateWrites, randomFaults } from './faults.ts';
import { Random } from './random.ts';
import type { Walk, Wish } from './walk.ts';
import type { World, WorldOptions } from './world.ts';

const COSMOS: StorePolicy = { policy: 'cosmos-only', flip: 'auto' };
const DUAL: StorePolicy = { policy: 'dual-write', flip: 'auto' };
const FRESH: StorePolicy = { policy: 'dual-write', reads: 'postgres', flip: 'auto' };
const POSTGRES: StorePolicy = { policy: 'postgres-primary', flip: 'auto' };
const ALONE: StorePolicy = { policy: 'postgres-primary', reverseSync: false, flip: 'auto' };

/** Ways through the phases, each with where it is to end. */
const ROUTES: readonly [readonly [Wish, ...Wish[]], ...(readonly [Wish, ...Wish[]])[]] = [
  [
    { policy: POSTGRES, until: '6' },
    { policy: DUAL, until: '2' },
  ],
  [
    { policy: ALONE, until: '7' },
    { policy: POSTGRES, until: '6' },
    { policy: DUAL, until: '2' },
  ],
  [
    { policy: POSTGRES, until: '6' },
    { policy: DUAL, until: '2' },
    { policy: POSTGRES, until: '6' },
  ],
  [
    { policy: DUAL, until: '2' },
    { policy: FRESH, until: '3' },
    { policy: POSTGRES, until: '6' },
  ],
  [
    { policy: FRESH, until: '3' },
    { policy: POSTGRES, until: '6' },
    { policy: COSMOS, until: '0' },
  ],
];

/** A config that changes its mind before anything of it is reached. */
function flapping(random: Random): readonly [Wish, ...Wish[]] {
  const one = (policy: StorePolicy): Wish => ({ policy, until: random.between(50, 1_500) });
  const more = Array.from({ length: 3 + random.below(8) }, () =>
    one(random.pick([COSMOS, DUAL, FRESH, POSTGRES, POSTGRES, ALONE])),
  );
  return [
    { policy: POSTGRES, until: random.chance(0.5) ? '6' : random.between(100, 2_000) },
    ...more,
    { policy: random.pick([DUAL, POSTGRES]), until: 100 },
  ];
}

const ALL = ['serve', 'relay', 'controller'] as const;

/** Processes beside each other: what each does besides its calls. */
const FLEETS: readonly [WorldOptions['fleet'], ...WorldOptions['fleet'][]] = [
  [ALL],
  [ALL],
  [ALL, ALL],
  [ALL, ALL, ALL],
  [['serve'], ['relay', 'controller'], ['serve']],
  [
    ['serve', 'relay'],
    ['serve', 'controller'],
  ],
  [ALL, undefined],
];

/** What happens to a world besides faults of single calls. It ends when faults do. */
type Disturbance = (world: World, random: Random) => void;

const DISTURBANCES: readonly [Disturbance, ...Disturbance[]] = [
  (world) => world.process()?.crash(),
  (world, random) => world.replace(random.between(200, 5_000)),
  (world, random) => world.process()?.stop(random.between(100, 3_000)),
  // PostgreSQL is restarted, or is away for longer.
  (world, random) => away(world, random, 'postgres', random.chance(0.5) ? 100 : 3_000),
  (world, random) => away(world, random, 'cosmos', 500),
  (world) => void world.stores.split(),
  (world) => world.stores.cache.flush(),
  (world, random) => throttled(world, random),
  (world, random) => {
    world.stores.offMs = -random.between(0, 3_600_000);
    world.tell(`the stores' clocks are set back by ${Math.round(-world.stores.offMs)} ms`);
  },
];

function away(world: World, random: Random, store: string, longestMs: number): void {
  outage(world, random.between(10, longestMs), (of) =>
    of === store ? new ConnectionError({ message: `${store} is away` }) : undefined,
  );
}

// For a while Cosmos DB answers most calls with 429.
function throttled(world: World, random: Random): void {
  outage(world, random.between(200, 5_000), (of) =>
    of === 'cosmos' && random.chance(0.8)
      ? new ThrottledError({ message: 'Cosmos DB throttles', retryAfterMs: 20 })
      : undefined,
  );
}

function outage(world: World, ms: number, of: World['outage']): void {
  world.tell(`an outage of ${Math.round(ms)} ms`);
  world.outage = of;
  world.scheduler.after(ms, 'outage ends', () => {
    if (world.outage === of) world.outage = () => undefined;
  });
}

// Where a late request, or a late answer, is worth most to whoever looks for mistakes.
const AIMS: ReadonlyMap<string, number> = new Map([
  ['cosmos.records.write', 0.1],
  ['cosmos.permits.renew', 0.1],
  ['cosmos.permits.project', 0.05],
  ['postgres.records.write', 0.05],
  ['postgres.control.advance', 0.05],
  ['postgres.members.beat', 0.03],
  ['postgres.records.apply', 0.08],
  ['postgres.records.read', 0.01],
]);

/**
 * A walk forth and back and forth, of few keys that many write, with pauses where they are worth most. Beside the process that walks
 * there is one that was not given PostgreSQL, or one that does the same.
 */
export function hunt(seed: number): Walk {
  const random = new Random(seed ^ 0x27d4eb2f);
  const there: Wish = { policy: POSTGRES, until: '6' };
  const back: Wish = { policy: DUAL, until: '2' };
  const pause: Wish = { policy: POSTGRES, until: random.between(100, 600) };
  return {
    seed,
    wishes: random.chance(0.5) ? [there, pause, back, there] : [there, pause, back],
    world: {
      pauseMs: random.pick([500, 900, 900, 2_500]),
      latencyMs: random.pick([1, 2, 5]),
      fleet: random.pick<WorldOptions['fleet']>([
        [ALL, undefined],
        [ALL, undefined],
        [ALL, ALL],
      ]),
      clients: 2 + random.below(3),
      keys: random.pick([1, 1, 2, 3]),
      clientPauseMs: random.pick([5, 15, 30]),
      ranges: 1 + random.below(2),
      session: false,
      cached: random.chance(0.25),
    },
    faults: (own, isCalm) => aimedFaults(own, { at: AIMS, until: isCalm }),
  };
}

/**
 * A walk that ends soon after a flip, in which most writes of one process are late: several reach Cosmos DB when it is no longer the
 * authority, and little that comes later covers what becomes of them.
 */
export function stragglers(seed: number): Walk {
  const random = new Random(seed ^ 0x165667b1);
  const there: Wish = { policy: POSTGRES, until: '6' };
  const back: Wish = { policy: DUAL, until: '2' };
  const end: Wish = { policy: POSTGRES, until: random.between(30, 400) };
  return {
    seed,
    wishes: random.chance(0.3) ? [there, back, there, end] : [there, end],
    world: {
      pauseMs: random.pick([900, 1_500]),
      latencyMs: 1,
      fleet: [ALL, undefined],
      clients: 6,
      keys: 2 + random.below(7),
      clientPauseMs: random.pick([15, 30]),
      ranges: 1 + random.below(2),
      session: false,
      cached: false,
    },
    faults: (own, isCalm) => lateWrites(own, { of: 'p1-', until: isCalm }),
  };
}

/** The walk that a seed stands for: its world, its way, its faults and what else goes wrong. */
export function scenario(seed: number): Walk {
  if (seed % 9 === 0) return stragglers(seed);
  if (seed % 3 === 0) return hunt(seed);
  const random = new Random(seed ^ 0x5bd1e995);
  const rate = random.chance(0.1) ? 0 : random.between(0, 0.25) ** 2;
  const wishes = random.chance(0.25) ? flapping(random) : random.pick(ROUTES);
  const disturbances = random.chance(0.4) ? 0 : 1 + random.below(4);
  const session = random.chance(0.3);
  return {
    seed,
    wishes,
    world: {
      pauseMs: random.pick([100, 800, 2_500, 2_500, 6_000]),
      latencyMs: random.pick([1, 2, 10, 30]),
      fleet: random.pick(FLEETS),
      clients: 1 + random.below(3),
      keys: 1 + random.below(8),
      clientPauseMs: random.pick([5, 20, 60]),
      ranges: 1 + random.below(3),
      session,
      // Where replicas lag, a cache that forgets may be filled from one that is behind: what it promises rests on strong accounts.
      cached: random.chance(0.25) && !session,
    },
    faults: (own, isCalm) => randomFaults(own, { rate, until: isCalm }),
    disturb: (world, own, isCalm) => {
      for (let i = 0; i < disturbances; i += 1)
        world.scheduler.after(own.between(0, 8_000), 'disturbance', () => {
          if (!isCalm()) own.pick(DISTURBANCES)(world, own);
        });
    },
  };
}
