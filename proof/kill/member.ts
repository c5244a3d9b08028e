import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { JsonObject } from '@polyphase/core';
import type { Attempted, Draft, Service } from '../simulation/client.ts';
import { CANNOT_OPEN, FROM_SOURCE, type FromMember, type MemberOrder, type ToMember } from './messages.ts';
import { errorOf } from './told-error.ts';

const PROGRAM = fileURLToPath(new URL('./member-process.ts', import.meta.url));

interface Call {
  resolve(result: Attempted): void;
  reject(error: Error): void;
}

/**
 * One process of the fleet, from outside: it can be asked, killed, stopped and continued.
 *
 * States: opening; open; ended, for good. Stopped (SIGSTOP) is no state that it tells: calls just are not answered.
 */
export class Member implements Service {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #end = new AbortController();
  readonly #calls = new Map<number, Call>();
  readonly #tell: (what: string) => void;
  #isOpen = false;
  #isKilled = false;
  #count = 0;

  constructor(
    order: MemberOrder,
    hears: {
      readonly tell: (what: string) => void;
      /** Hears of an end that nobody wanted. */
      readonly astonish: (what: string) => void;
    },
  ) {
    this.name = order.name;
    this.#tell = (what) => hears.tell(`${order.name} ${what}`);
    this.#child = fork(PROGRAM, [JSON.stringify(order)], { execArgv: FROM_SOURCE });
    this.#child.on('message', (message: FromMember) => this.#hear(message));
    this.#child.once('exit', (code, signal) => {
      if (!this.#isKilled && code !== CANNOT_OPEN)
        hears.astonish(`${order.name} ended by itself: ${code ?? signal}`);
      this.#tell('ended');
      this.#end.abort();
    });
  }

  get hasEnded(): boolean {
    return this.#end.signal.aborted;
  }

  get ended(): AbortSignal {
    return this.#end.signal;
  }

  get perform(): Service['perform'] {
    if (!this.#isOpen || this.hasEnded) return undefined;
    return (draft: Draft) => this.#ask({ kind: 'perform', draft });
  }

  /** Takes another config. */
  async configure(config: JsonObject): Promise<void> {
    await this.#ask({ kind: 'configure', config });
  }

  kill(): void {
    this.#isKilled = true;
    this.#tell('is killed');
    this.#child.kill('SIGKILL');
  }

  stop(): void {
    this.#tell('stands still');
    this.#child.kill('SIGSTOP');
  }

  continue(): void {
    this.#tell('goes on');
    this.#child.kill('SIGCONT');
  }

  #ask(
    what: { kind: 'perform'; draft: Draft } | { kind: 'configure'; config: JsonObject },
  ): Promise<Attempted> {
    this.#count += 1;
    const message: ToMember = { call: this.#count, ...what };
    return new Promise((resolve, reject) => {
      this.#calls.set(message.call, { resolve, reject });
      // A process that ends is told by its end.
      this.#child.send(message, () => undefined);
    });
  }

  #hear(message: FromMember): void {
    if (message.kind === 'told') this.#tell(message.what);
    else if (message.kind === 'open') {
      this.#isOpen = true;
      this.#tell('is open');
    } else {
      const call = this.#calls.get(message.call);
      this.#calls.delete(message.call);
      if (message.kind === 'done') call?.resolve(message.result);
      else call?.reject(errorOf(message));
    }
  }
}
