import {
  ConnectionError,
  type DocumentStore,
  isJsonObject,
  type RelationalStore,
  UnknownOutcomeError,
} from '@polyphase/core';

/**
 * What happens at one call of a port. A crash is followed by silence: no later call of the process has any effect. A pause is longer
 * than every lease: the call is sent that late, or its answer comes that late.
 */
export type Fault =
  | 'error before'
  | 'error after'
  | 'crash before'
  | 'crash after'
  | 'pause before'
  | 'pause after';

/** What {@link FaultPlan} takes. */
export interface FaultPlanOptions {
  /** The fault at a call, by its number from 1 on and its name. @default none */
  readonly faultAt?: (call: number, name: string) => Fault | undefined;
  /** What a pause waits for. */
  readonly pause?: () => Promise<void>;
}

/** Counts every call that one process makes of its stores, and breaks those that it is told to. */
export class FaultPlan {
  readonly #options: FaultPlanOptions;
  readonly #names: string[] = [];
  #dead = false;

  constructor(options: FaultPlanOptions = {}) {
    this.#options = options;
  }

  /** Names of the calls, in their order. */
  get calls(): readonly string[] {
    return this.#names;
  }

  /** Whether the process is gone. */
  get isDead(): boolean {
    return this.#dead;
  }

  /** Ends the process here and now. */
  kill(): void {
    this.#dead = true;
  }

  /** What is to happen at the next call. */
  next(name: string): Fault | undefined {
    if (this.#dead) return 'crash before';
    this.#names.push(name);
    return this.#options.faultAt?.(this.#names.length, name);
  }

  /** Carries out the part of a fault that lies before, or after, the effect. */
  async strike(fault: Fault | undefined, when: 'before' | 'after', error: () => Error): Promise<void> {
    if (fault === undefined || !fault.endsWith(when)) return;
    if (fault.startsWith('pause')) return this.#options.pause?.();
    if (fault.startsWith('crash')) this.#dead = true;
    throw error();
  }
}

// Calls that only read: a lost answer means nothing. Of all others, nobody knows whether they took effect.
const READS = new Set([
  'read',
  'readMany',
  'getMany',
  'query',
  'count',
  'scan',
  'list',
  'lag',
  'ranges',
  'verify',
]);
// Calls that answer at once, from what is there already.
const LOCAL = new Set(['passed', 'positionOf', 'behind']);

function lost(name: string, args: readonly unknown[]): Error {
  const method = name.slice(name.lastIndexOf('.') + 1);
  if (READS.has(method)) return new ConnectionError({ message: `the answer of ${name} was lost` });
  const [first] = args;
  const given = isJsonObject(first) ? first['operationId'] : undefined;
  const operationId = typeof given === 'string' ? given : name;
  return new UnknownOutcomeError({ message: `the answer of ${name} was lost`, operationId });
}

function around(plan: FaultPlan, name: string, args: readonly unknown[], call: () => unknown): unknown {
  const fault = plan.next(name);
  const refused = () => new ConnectionError({ message: `${name} could not be sent` });
  if (name.endsWith('.scan')) {
    return (async function* pages() {
      await plan.strike(fault, 'before', refused);
      // `scan` is the one port that answers with pages.
      yield* call() as AsyncIterable<unknown>;
      await plan.strike(fault, 'after', () => lost(name, args));
    })();
  }
  return (async () => {
    await plan.strike(fault, 'before', refused);
    const answer = await call();
    await plan.strike(fault, 'after', () => lost(name, args));
    return answer;
  })();
}

function wrap<Port extends object>(port: Port, name: string, plan: FaultPlan): Port {
  return new Proxy(port, {
    get(target, property) {
      const member: unknown = Reflect.get(target, property, target);
      const path = `${name}.${String(property)}`;
      if (typeof member === 'object' && member !== null) return wrap(member, path, plan);
      if (typeof member !== 'function' || LOCAL.has(String(property))) {
        return typeof member === 'function'
          ? (...args: unknown[]) => Reflect.apply(member, target, args)
          : member;
      }
      return (...args: unknown[]) => {
        const call = (): unknown => Reflect.apply(member, target, args);
        if (property !== 'records' && property !== 'changes') return around(plan, path, args, call);
        const made = call();
        return typeof made === 'object' && made !== null ? wrap(made, path, plan) : made;
      };
    },
  });
}

/** The same stores as one process sees them, whose calls break as planned. */
export function faultyStores<Cosmos extends DocumentStore, Postgres extends RelationalStore>(
  stores: { readonly cosmos: Cosmos; readonly postgres: Postgres },
  plan: FaultPlan,
): { readonly cosmos: Cosmos; readonly postgres: Postgres } {
  return {
    cosmos: wrap(stores.cosmos, 'cosmos', plan),
    postgres: wrap(stores.postgres, 'postgres', plan),
  };
}
