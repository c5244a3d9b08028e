import { type Clock, ConnectionError, TimeoutError } from '@polyphase/core';
import { type Admission, RedisCircuit } from './redis-circuit.ts';
import { isNoScript, mapRedisError } from './redis-errors.ts';
import type { RedisScript } from './redis-script.ts';

const FAILURES_TO_OPEN = 3;
// Commands that ran into the time-out wait in the driver's queue until it gives up; past this many no more are added.
const MAX_UNANSWERED = 1_000;

/** The part of an ioredis client (`Redis` or `Cluster`) that is called. */
export interface RedisClient {
  /** What it was made with: whether it reads from replicas. */
  readonly options?: { readonly scaleReads?: unknown; readonly role?: unknown; readonly readOnly?: unknown };
  /** GET. */
  get(key: string): Promise<string | null>;
  /** EVAL. */
  eval(script: string, keys: number, ...args: string[]): Promise<unknown>;
  /** EVALSHA. */
  evalsha(sha: string, keys: number, ...args: string[]): Promise<unknown>;
  /** Hears of lost connections, so that one does not end the process. */
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/** How one command is sent. */
export interface LinkCall {
  readonly signal?: AbortSignal | undefined;
  /** Sent even while the circuit is open, because leaving it out would cost more than waiting. @default false */
  readonly urgent?: boolean | undefined;
}

const heard = new WeakSet<RedisClient>();

/**
 * Sends commands over a client that was passed in, and never waits longer than the time-out for one: ioredis on its own queues
 * and retries for many seconds. After failures in a row, calls fail at once for a while.
 */
export class RedisLink {
  readonly #client: RedisClient;
  readonly #timeoutMs: number;
  readonly #circuit: RedisCircuit;
  #unanswered = 0;

  constructor(options: {
    readonly client: RedisClient;
    readonly timeoutMs: number;
    readonly pauseMs: number;
    readonly clock: Clock;
  }) {
    this.#client = options.client;
    this.#timeoutMs = options.timeoutMs;
    this.#circuit = new RedisCircuit({ ...options, failures: FAILURES_TO_OPEN });
    listen(options.client);
  }

  /** The text under a key, or null. */
  get(key: string, call: LinkCall): Promise<string | null> {
    return this.#send('get', () => this.#client.get(key), call);
  }

  /** Runs a script over one key, and sends its text where the server that has the key does not know it: each learns it by itself. */
  run(script: RedisScript, args: readonly string[], call: LinkCall): Promise<unknown> {
    const command = async (): Promise<unknown> => {
      try {
        return await this.#client.evalsha(script.sha, 1, ...args);
      } catch (error) {
        if (!isNoScript(error)) throw error;
        return this.#client.eval(script.text, 1, ...args);
      }
    };
    return this.#send(script.name, command, call);
  }

  async #send<Reply>(operation: string, command: () => Promise<Reply>, call: LinkCall): Promise<Reply> {
    call.signal?.throwIfAborted();
    const admission = call.urgent === true ? 'pass' : this.#circuit.admit();
    if (admission === 'refused' || this.#unanswered >= MAX_UNANSWERED)
      throw new ConnectionError({
        message: 'Redis did not answer the last calls and is left alone for a while',
        operation,
      });
    try {
      const reply = await this.#inTime(operation, command, call.signal);
      this.#circuit.succeeded();
      return reply;
    } catch (error) {
      throw this.#failure(error, { operation, admission, signal: call.signal });
    }
  }

  #failure(
    error: unknown,
    call: { operation: string; admission: Admission; signal: AbortSignal | undefined },
  ): unknown {
    if (call.signal?.aborted === true && error === call.signal.reason) {
      this.#circuit.abandoned(call.admission);
      return error;
    }
    const mapped = mapRedisError(error, call.operation);
    // Any other reply, an error among them, shows that Redis is there.
    if (mapped.code === 'connection' || mapped.code === 'timeout') this.#circuit.failed(call.admission);
    else this.#circuit.succeeded();
    return mapped;
  }

  #inTime<Reply>(operation: string, command: () => Promise<Reply>, signal?: AbortSignal): Promise<Reply> {
    return new Promise((resolve, reject) => {
      let waiting = true;
      const end = (): boolean => {
        const first = waiting;
        waiting = false;
        if (!first) this.#unanswered -= 1;
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
        return first;
      };
      const leave = (error: unknown): void => {
        if (!waiting) return;
        end();
        this.#unanswered += 1;
        reject(error);
      };
      const abort = (): void => leave(signal?.reason);
      const late = (): void =>
        leave(new TimeoutError({ message: `Redis did not answer in ${this.#timeoutMs} ms`, operation }));
      // A process that was busy past the time-out first gets to see the replies that came meanwhile.
      const timer = setTimeout(() => setImmediate(late), this.#timeoutMs);
      signal?.addEventListener('abort', abort, { once: true });
      command().then(
        (reply) => void (end() && resolve(reply)),
        (error: unknown) => void (end() && reject(error)),
      );
    });
  }
}

// Without a listener ioredis prints each failed connection attempt. One per client: a listener per store would add up.
function listen(client: RedisClient): void {
  if (heard.has(client)) return;
  heard.add(client);
  client.on('error', () => undefined);
}
