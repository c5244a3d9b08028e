import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { FROM_SOURCE, type FromAccount, type ToAccount } from './messages.ts';

const PROGRAM = fileURLToPath(new URL('./account-process.ts', import.meta.url));

/** A Cosmos DB account over HTTP, in a process of its own. */
export class Account {
  readonly url: string;
  readonly key: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, { url, key }: FromAccount) {
    this.#child = child;
    this.url = url;
    this.key = key;
  }

  static async start(): Promise<Account> {
    const child = fork(PROGRAM, [], { execArgv: FROM_SOURCE });
    const [ready] = (await once(child, 'message')) as [FromAccount];
    return new Account(child, ready);
  }

  /** Answers every request with 429, or does so no longer. */
  throttle(isOn: boolean): void {
    this.#say({ kind: 'throttle', isOn });
  }

  /** Splits the first range of the fleet's container. */
  split(database: string): void {
    this.#say({ kind: 'split', database });
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }

  #say(message: ToAccount): void {
    this.#child.send(message);
  }
}
