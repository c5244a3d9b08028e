import { ConnectionError, isJsonObject, UnknownOutcomeError } from '@polyphase/core';
import type { Fault, FaultSource } from './faults.ts';
import type { Random } from './random.ts';
import type { Owner, Scheduler } from './scheduler.ts';

/** A process as the network sees it. */
export interface Caller extends Owner {
  /** Ends it: nothing of it happens any more. */
  crash(): void;
  /** Makes it stand still. */
  stop(ms: number): void;
}

/** What keeps a store from answering now, if anything does. */
export type Outage = (store: string) => Error | undefined;

/** What {@link Network} works with. */
export interface NetworkOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly faults: FaultSource;
  readonly outage: Outage;
  /** Longest pause of a request or an answer, in milliseconds. */
  readonly pauseMs: number;
  /** Longest journey of a request where nothing is wrong, in milliseconds. @default 2 */
  readonly latencyMs: number;
}

// Calls that only read: a lost answer means nothing. Of all others nobody knows whether they took effect.
const READS = new Set([
  'read',
  'readMany',
  'getMany',
  'query',
  'count',
  'next',
  'list',
  'lag',
  'ranges',
  'verify',
]);

// Where guard and invalidation of one write both fail, others may read an older entry of the cache for a while: that is no part of the
// promise. So these only come late.
const SURE = /^cache\..*\.(?:guard|invalidate)$/;

// A page of a scan is asked for once, and a unit is run once.
const ONCE = /\.(?:next|runUnit)$/;

/** Between processes and stores: each call travels there, takes effect and travels back, and may be broken on the way. */
export class Network {
  readonly #options: NetworkOptions;
  #calls: string[] = [];
  #faults = 0;

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  /** Names of the calls, in their order. */
  get calls(): readonly string[] {
    return this.#calls;
  }

  /** Number of faults that struck. */
  get faults(): number {
    return this.#faults;
  }

  /** Sends a call. What it leads to happens in the store, whatever becomes of whoever asked. */
  call<Answer>(
    from: Caller,
    call: {
      readonly name: string;
      readonly args: readonly unknown[];
      readonly signal: AbortSignal | undefined;
    },
    send: () => Promise<Answer>,
  ): Promise<Answer> {
    const { scheduler, faults, random, pauseMs } = this.#options;
    const { name } = call;
    this.#calls.push(name);
    const number = this.#calls.length;
    const picked = faults({ number, name, process: from.name, now: scheduler.now });
    const fault = picked?.startsWith('error') === true && SURE.test(name) ? 'pause before' : picked;
    if (fault) {
      this.#faults += 1;
      scheduler.note(fault);
      // Whatever holds up a request may hold up whoever sent it.
      if (fault === 'pause before' && random.chance(0.15)) from.stop(random.between(pauseMs / 4, pauseMs));
    }
    return new Promise((resolve, reject) => {
      const { signal } = call;
      const abort = (): void => reject(isRead(name) ? signal?.reason : unknown(call, signal?.reason));
      if (signal?.aborted === true) return reject(signal.reason);
      signal?.addEventListener('abort', abort, { once: true });
      const answer = (end: () => void): void => {
        this.#deliver(from, name, fault, () => {
          signal?.removeEventListener('abort', abort);
          end();
        });
      };
      const onWay = this.#journey(fault === 'pause before');
      scheduler.after(onWay, name, () => this.#arrive({ from, call, fault, send, answer, resolve, reject }));
    });
  }

  #arrive<Answer>(arrival: {
    readonly from: Caller;
    readonly call: { readonly name: string; readonly args: readonly unknown[] };
    readonly fault: Fault | undefined;
    readonly send: () => Promise<Answer>;
    readonly answer: (end: () => void) => void;
    readonly resolve: (answer: Answer) => void;
    readonly reject: (error: unknown) => void;
  }): void {
    const { from, call, fault, send, answer, resolve, reject } = arrival;
    const { random, outage } = this.#options;
    // What a process had sent before it ended may arrive, or may not.
    if (from.hasEnded && random.chance(0.5)) return;
    const [store = ''] = call.name.split('.');
    const down = outage(store);
    if (fault === 'crash before') return from.crash();
    if (down || fault === 'error before')
      return answer(() => reject(down ?? new ConnectionError({ message: `${call.name} could not be sent` })));
    // A store that is asked again, because its first answer was lost on the way, answers the second time.
    const done = fault === 'twice' && !ONCE.test(call.name) ? this.#twice(call.name, send) : send();
    if (fault === 'crash after') {
      done.catch(() => undefined);
      return from.crash();
    }
    done.then(
      (result) => {
        // A store that went down meanwhile answers nobody.
        const isLost = fault === 'error after' || outage(store);
        return answer(() => (isLost ? reject(lost(call)) : resolve(result)));
      },
      (error: unknown) => answer(() => reject(error)),
    );
  }

  async #twice<Answer>(name: string, send: () => Promise<Answer>): Promise<Answer> {
    await send();
    await this.#options.scheduler.wait(0, this.#options.latencyMs, `${name} twice`);
    return send();
  }

  #deliver(from: Caller, name: string, fault: Fault | undefined, end: () => void): void {
    const { scheduler, pauseMs, random } = this.#options;
    if (fault === 'stop') from.stop(random.between(pauseMs / 4, pauseMs));
    // Now and then an answer is as late as its request was.
    const isLate = fault === 'pause after' || (fault === 'pause before' && random.chance(0.3));
    const onWay = this.#journey(isLate);
    scheduler.after(onWay, `${name} answered`, end, from);
  }

  #journey(isPaused: boolean): number {
    const { random, pauseMs, latencyMs } = this.#options;
    if (isPaused) return random.between(pauseMs / 4, pauseMs);
    // Now and then one takes much longer than the others.
    return random.chance(0.02) ? random.between(0, latencyMs * 30) : random.between(0.1, latencyMs);
  }
}

function isRead(name: string): boolean {
  return READS.has(name.slice(name.lastIndexOf('.') + 1));
}

function lost(call: { readonly name: string; readonly args: readonly unknown[] }): Error {
  const message = `the answer of ${call.name} was lost`;
  return isRead(call.name) ? new ConnectionError({ message }) : unknown(call, undefined);
}

function unknown(
  { name, args }: { readonly name: string; readonly args: readonly unknown[] },
  cause: unknown,
): Error {
  const [operationId] = args.flatMap((arg) => (isJsonObject(arg) ? [arg['operationId']] : []));
  return new UnknownOutcomeError({
    message: `the answer of ${name} was lost`,
    operationId: typeof operationId === 'string' ? operationId : name,
    cause,
  });
}
