import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { LoadedConfig } from '@polyphase/core';

/** What a service is started with, as JSON on its command line. */
export interface ServiceOrder {
  readonly endpoint: string;
  readonly key: string;
  readonly postgresUrl: string;
  readonly config: LoadedConfig;
}

/** What a service is told to do. */
export type ToService =
  | 'go on'
  | { readonly kind: 'write' | 'unit'; readonly text: string; readonly operationId: string };

/** What a service says. */
export type FromService =
  | { readonly kind: 'open' | 'in the unit' | 'acknowledged' }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string };

const PROGRAM = fileURLToPath(new URL('./faults-process.ts', import.meta.url));

/** A service in a process of its own. */
export class Service {
  readonly #child: ChildProcess;
  readonly #heard: FromService[] = [];
  readonly #waiting: ((message: FromService) => void)[] = [];

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', (message: FromService) => {
      const next = this.#waiting.shift();
      if (next) next(message);
      else this.#heard.push(message);
    });
  }

  /** Starts one, and waits until it takes calls. */
  static async start(order: ServiceOrder): Promise<Service> {
    const child = fork(PROGRAM, [JSON.stringify(order)], { execArgv: ['--conditions=@polyphase/source'] });
    const service = new Service(child);
    await service.hear();
    return service;
  }

  tell(message: ToService): void {
    this.#child.send(message);
  }

  /** The next thing that it says. */
  hear(): Promise<FromService> {
    const heard = this.#heard.shift();
    if (heard) return Promise.resolve(heard);
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  stop(): void {
    this.#child.kill('SIGSTOP');
  }

  continue(): void {
    this.#child.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }
}
