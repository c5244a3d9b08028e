import type { Random } from './random.ts';

/**
 * What can happen at a call of a port. `before`: it has no effect. `after`: it has one, and nobody hears of it. A crash ends the
 * process. A pause is longer than a lease: the request, or the answer, travels that long. A stop: the whole process stands still that
 * long before it hears the answer. `twice`: its first answer is lost, and it is sent again.
 */
export const FAULTS = [
  'error before',
  'error after',
  'crash before',
  'crash after',
  'pause before',
  'pause after',
  'stop',
  'twice',
] as const;

/** One of {@link FAULTS}. */
export type Fault = (typeof FAULTS)[number];

/** A call of a port, as whoever picks faults sees it. */
export interface PortCall {
  /** Which call of all processes it is, from 1 on. */
  readonly number: number;
  /** Such as "cosmos.records.write". */
  readonly name: string;
  readonly process: string;
  readonly now: number;
}

/** Decides what happens at a call. */
export type FaultSource = (call: PortCall) => Fault | undefined;

/** Faults at random calls, each as likely as the rate says, until they stop. */
export function randomFaults(
  random: Random,
  options: { readonly rate: number; readonly until: () => boolean },
): FaultSource {
  const { rate, until } = options;
  return () => {
    if (until() || !random.chance(rate)) return undefined;
    // Crashes and stops take a process out; too many of them and nothing else is seen.
    const fault = random.pick(FAULTS);
    return (fault.startsWith('crash') || fault === 'stop') && random.chance(0.7) ? 'pause before' : fault;
  };
}

/** Pauses, and now and then a crash, where the protocol is most in danger by them. */
export function aimedFaults(
  random: Random,
  options: { readonly at: ReadonlyMap<string, number>; readonly until: () => boolean },
): FaultSource {
  return ({ name }) => {
    const rate = options.at.get(name);
    if (rate === undefined || options.until() || !random.chance(rate)) return undefined;
    return random.pick(AIMED);
  };
}

const AIMED: readonly [Fault, ...Fault[]] = [
  'pause before',
  'pause before',
  'pause before',
  'pause after',
  'pause after',
  'error before',
  'error after',
  'stop',
];

/** Most writes of some processes to Cosmos DB are late. */
export function lateWrites(
  random: Random,
  options: { readonly of: string; readonly until: () => boolean },
): FaultSource {
  const { of, until } = options;
  return (call) => {
    const isLate = call.name === 'cosmos.records.write' && call.process.startsWith(of) && !until();
    return isLate && random.chance(0.6) ? 'pause before' : undefined;
  };
}

/** One fault at one call. */
export function faultAt(number: number, fault: Fault): FaultSource {
  return (call) => (call.number === number ? fault : undefined);
}
