import type { CacheStore, DocumentStore, RelationalStore, UnitOfWork } from '@polyphase/core';
import type { Caller, Network } from './network.ts';

/** What {@link portsOf} works with. */
export interface PortOptions {
  readonly network: Network;
  readonly caller: Caller;
  /** Whether a store hears that its caller gave up, or goes on. */
  readonly tellsAbort: () => boolean;
  /** Aborts when the caller ends: what it had open in a store is rolled back. */
  readonly ended: AbortSignal;
}

// Calls that answer at once, from what is there already.
const LOCAL = new Set(['passed', 'positionOf', 'behind']);
// Calls that give ports of their own.
const NESTED = new Set(['records', 'changes', 'cache']);

/** A store as one process has it: every call of it goes over the network. */
export function portsOf<Store extends CacheStore | DocumentStore | RelationalStore>(
  store: Store,
  name: string,
  options: PortOptions,
): Store {
  return wrap(store, name, options);
}

function wrap<Port extends object>(port: Port, name: string, options: PortOptions): Port {
  const known = new Map<PropertyKey, unknown>();
  return new Proxy(port, {
    get(target, property) {
      if (!known.has(property))
        known.set(property, member(target, property, `${name}.${String(property)}`, options));
      return known.get(property);
    },
  });
}

function member(target: object, property: PropertyKey, name: string, options: PortOptions): unknown {
  const found: unknown = Reflect.get(target, property, target);
  if (typeof found === 'object' && found !== null) return wrap(found, name, options);
  if (typeof found !== 'function' || LOCAL.has(String(property))) return bound(found, target);
  const send = (args: readonly unknown[]): unknown => Reflect.apply(found, target, args);
  if (NESTED.has(String(property))) return nested(send, name, options);
  if (property === 'scan') return (...args: unknown[]) => scan(send, name, args, options);
  if (property === 'runUnit') return (...args: unknown[]) => runUnit(send, name, args, options);
  return (...args: unknown[]) => sendOne(send, name, args, options);
}

function bound(found: unknown, target: object): unknown {
  return typeof found === 'function' ? (...args: unknown[]) => Reflect.apply(found, target, args) : found;
}

function nested(send: (args: readonly unknown[]) => unknown, name: string, options: PortOptions): unknown {
  const made = new Map<unknown, unknown>();
  return (of: unknown) => {
    const there = made.get(of);
    if (there) return there;
    const port = send([of]);
    const wrapped = typeof port === 'object' && port !== null ? wrap(port, name, options) : port;
    made.set(of, wrapped);
    return wrapped;
  };
}

function sendOne(
  send: (args: readonly unknown[]) => unknown,
  name: string,
  args: readonly unknown[],
  { network, caller, tellsAbort }: PortOptions,
): Promise<unknown> {
  const signal = signalOf(args);
  const sent = signal && !tellsAbort() ? args.map(withoutSignal) : args;
  return network.call(caller, { name, args, signal }, async () => send(sent));
}

async function* scan(
  send: (args: readonly unknown[]) => unknown,
  name: string,
  args: readonly unknown[],
  options: PortOptions,
): AsyncGenerator<unknown, void, undefined> {
  // `scan` is the one port that answers with pages.
  const pages = (send(args.map(withoutSignal)) as AsyncIterable<unknown>)[Symbol.asyncIterator]();
  const { network, caller } = options;
  for (;;) {
    const call = { name: `${name}.next`, args, signal: signalOf(args) };
    const step = await network.call(caller, call, () => pages.next());
    if (step.done === true) return;
    yield step.value;
  }
}

// The work is done by the process, its calls go over the network, and it is rolled back when the process ends.
function runUnit(
  send: (args: readonly unknown[]) => unknown,
  name: string,
  [work, ...rest]: readonly unknown[],
  options: PortOptions,
): Promise<unknown> {
  const { network, caller, ended } = options;
  const isOver = new Promise<never>((_, reject) => {
    ended.addEventListener('abort', () => reject(ended.reason), { once: true });
  });
  isOver.catch(() => undefined);
  const bounded = (unit: UnitOfWork): Promise<unknown> => {
    const done = (work as (unit: UnitOfWork) => Promise<unknown>)(wrap(unit, `${name}.unit`, options));
    return Promise.race([isOver, done]);
  };
  const call = { name, args: rest, signal: signalOf(rest) };
  return network.call(caller, call, async () => send([bounded, ...rest]));
}

function signalOf(args: readonly unknown[]): AbortSignal | undefined {
  for (const arg of args)
    if (typeof arg === 'object' && arg !== null && 'signal' in arg && arg.signal instanceof AbortSignal)
      return arg.signal;
  return undefined;
}

function withoutSignal(arg: unknown): unknown {
  return typeof arg === 'object' && arg !== null && 'signal' in arg ? { ...arg, signal: undefined } : arg;
}
