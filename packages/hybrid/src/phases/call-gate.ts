import { type Clock, SealedError } from '@polyphase/core';
import { withinTime } from './time-limit.ts';

/** Bounds on calls that wait while the authority moves. */
export interface HoldLimits {
  /** Longest wait of one call, in milliseconds. */
  readonly holdMs: number;
  /** Calls that may wait at a time. */
  readonly holdCalls: number;
}

/** What a call holds while it is under way. */
export interface Ticket {
  /** The call is over, however it ended. */
  leave(): void;
}

/**
 * Lets calls through while it is open, holds them while it is closed, and tells when none is under way any more.
 *
 * States: open; closed with calls still under way; closed and idle. Calls that find it closed wait, bounded in time and number;
 * past either bound they fail with `SealedError`, and nothing was written.
 */
export class CallGate {
  readonly #clock: Clock;
  readonly #limits: HoldLimits;
  readonly #entity: string;
  #closed = false;
  #ended: (() => Error) | undefined;
  #inFlight = 0;
  #held = 0;
  #heldSinceMs: number | undefined;
  #heldMs = 0;
  readonly #opened = new Set<() => void>();
  readonly #idle = new Set<() => void>();

  constructor(options: { readonly clock: Clock; readonly limits: HoldLimits; readonly entity: string }) {
    this.#clock = options.clock;
    this.#limits = options.limits;
    this.#entity = options.entity;
  }

  /** How long the gate was closed since it was made, in milliseconds: every time that is over, in sum. */
  get heldMs(): number {
    return this.#heldMs;
  }

  /** Whether no call is under way. */
  get isIdle(): boolean {
    return this.#inFlight === 0;
  }

  /** Whether a call would wait. */
  get isClosed(): boolean {
    return this.#closed && !this.#ended;
  }

  /** The end of a wait that begins now, on the monotonic clock. */
  get waitEndsAt(): number {
    return this.#clock.monotonic() + this.#limits.holdMs;
  }

  /**
   * Waits until the gate is open, then counts the call in.
   *
   * @param until - end of the wait on the monotonic clock. @default as long as the limits allow
   */
  async enter(signal?: AbortSignal, until = this.waitEndsAt): Promise<Ticket> {
    signal?.throwIfAborted();
    // A call that was held looks again: the gate may have been closed anew before it had its turn.
    for (;;) {
      if (this.#ended) throw this.#ended();
      if (!this.#closed) break;
      await this.#hold(until, signal);
    }
    this.#inFlight += 1;
    let left = false;
    return {
      leave: () => {
        if (left) return;
        left = true;
        this.#inFlight -= 1;
        if (this.#inFlight === 0) this.#settle(this.#idle);
      },
    };
  }

  /** Holds every call from now on. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#heldSinceMs = this.#clock.monotonic();
  }

  /** Lets held calls and new ones through. */
  open(): void {
    if (!this.#closed) return;
    this.#closed = false;
    this.#heldMs += this.#clock.monotonic() - (this.#heldSinceMs ?? 0);
    this.#settle(this.#opened);
  }

  /** Refuses every call from now on, those that are held at once. */
  end(error: () => Error): void {
    this.#ended ??= error;
    this.#settle(this.#opened);
  }

  /** Resolves when no call is under way. */
  async whenIdle(signal?: AbortSignal): Promise<void> {
    while (this.#inFlight > 0) await this.#next(this.#idle, signal);
  }

  async #hold(until: number, signal: AbortSignal | undefined): Promise<void> {
    const sealed = (why: string) =>
      new SealedError({
        message: `The authority is moving and ${why}; nothing was done, try again`,
        entity: this.#entity,
      });
    if (this.#held >= this.#limits.holdCalls) throw sealed(`${this.#limits.holdCalls} calls wait already`);
    this.#held += 1;
    const limit = {
      clock: this.#clock,
      ms: Math.max(0, until - this.#clock.monotonic()),
      signal,
      late: () => sealed(`the call waited ${this.#limits.holdMs} ms`),
    };
    try {
      await withinTime(limit, (bounded) => this.#next(this.#opened, bounded));
    } finally {
      this.#held -= 1;
    }
  }

  #settle(waiting: Set<() => void>): void {
    const all = [...waiting];
    waiting.clear();
    for (const wake of all) wake();
  }

  #next(waiting: Set<() => void>, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        waiting.delete(wake);
        reject(signal?.reason);
      };
      const wake = (): void => {
        signal?.removeEventListener('abort', stop);
        resolve();
      };
      if (signal?.aborted === true) stop();
      else {
        signal?.addEventListener('abort', stop, { once: true });
        waiting.add(wake);
      }
    });
  }
}

/**
 * Enters several gates at a moment when all are open: who held one while it waited for another would keep the first from getting idle.
 *
 * @param options - `until`: end of the wait on the monotonic clock
 * @throws `SealedError` as {@link CallGate.enter}
 */
export async function enterAll(
  gates: readonly CallGate[],
  { signal, until }: { readonly signal: AbortSignal | undefined; readonly until: number | undefined },
): Promise<readonly Ticket[]> {
  for (;;) {
    const closed = gates.find((gate) => gate.isClosed);
    // Open gates count the call in at once.
    if (!closed) return Promise.all(gates.map((gate) => gate.enter(signal, until)));
    (await closed.enter(signal, until)).leave();
  }
}
