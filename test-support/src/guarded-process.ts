import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const GUARD = fileURLToPath(new URL('./engine-guard.ts', import.meta.url));
const START_TIMEOUT_MS = 60_000;
const POLL_MS = 15;

/** The user that an engine runs as; empty for our own. */
export interface RunAs {
  readonly uid?: number;
  readonly gid?: number;
}

/** What the guard is told, as JSON on its command line. */
export interface GuardOrder {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly user: RunAs;
  /** Takes the engine's output. A file and not a pipe, so that a busy reader never blocks the engine. */
  readonly logFile: string;
  /** The signal that ends the engine when the run ends without a word. */
  readonly stopSignal: NodeJS.Signals;
  /** Paths that go away with an abandoned engine. */
  readonly removeWhenAbandoned: readonly string[];
}

/** A local engine under its guard; it never keeps this process alive, and never outlives it. */
export class GuardedProcess {
  readonly #guard: ChildProcessByStdio<Writable, null, Readable>;
  readonly #ended: Promise<void>;
  readonly #order: GuardOrder;

  private constructor(order: GuardOrder, guard: ChildProcessByStdio<Writable, null, Readable>) {
    this.#order = order;
    this.#guard = guard;
    this.#ended = once(guard, 'exit').then(() => undefined);
    guard.stdin.on('error', () => undefined); // the guard may be gone when it is told to stop
  }

  /** Resolves when the log shows `ready`; rejects with the end of the log when the engine exits before. */
  static async start(order: GuardOrder, ready: RegExp): Promise<GuardedProcess> {
    const seen = existsSync(order.logFile) ? statSync(order.logFile).size : 0;
    const guard = spawn(process.execPath, [GUARD, JSON.stringify(order)], {
      stdio: ['pipe', 'ignore', 'pipe'],
      detached: true,
      windowsHide: true,
    });
    let complaint = '';
    guard.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()));
    const started = new GuardedProcess(order, guard);
    const deadline = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      const log = readLog(order.logFile).subarray(seen).toString();
      if (ready.test(log)) break;
      const why = started.running ? undefined : `exited with ${guard.exitCode ?? guard.signalCode}`;
      if (why !== undefined || Date.now() > deadline) {
        await started.stop('SIGKILL');
        throw new Error(`${order.command} ${why ?? 'is not ready'}: ${complaint}${log.slice(-2000)}`);
      }
      await delay(POLL_MS);
    }
    guard.unref();
    // a pipe of a child is a socket, which can be let go
    for (const pipe of [guard.stdin, guard.stderr])
      if ('unref' in pipe && typeof pipe.unref === 'function') pipe.unref();
    return started;
  }

  /** Whether the guard, and so the engine, is still there. */
  get running(): boolean {
    return this.#guard.exitCode === null && this.#guard.signalCode === null;
  }

  /** Resolves once the engine is gone. */
  async stop(signal: NodeJS.Signals = this.#order.stopSignal): Promise<void> {
    if (!this.running) return;
    this.#guard.ref();
    this.#guard.stdin.write(`${signal}\n`);
    await this.#ended;
  }

  /** What the engine has written, over all its starts with this log file. */
  log(): string {
    return readLog(this.#order.logFile).toString();
  }
}

function readLog(file: string): Buffer {
  return existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
}
