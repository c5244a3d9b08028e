import { fileURLToPath } from 'node:url';
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { ServiceError } from '../service-error.ts';
import type { HostMessage, ProcessMessage, RelayStart, ScriptJob, ScriptOutcome } from './script-messages.ts';

/** Performs an operation that a script asks for, and gives its answer as JSON text. */
export type CollectionCaller = (operation: string, details: string) => string;

/** A running process for scripts, and this side of the channel to it. */
interface Connection {
  readonly worker: Worker;
  readonly port: MessagePort;
  readonly signals: Int32Array;
}

/** Time for the process to start. A busy machine may need some of it; nothing else does. */
const startMs = 30_000;

/**
 * Runs scripts in a process of their own, while this thread waits for them: a script holds its partition until it ends,
 * and requests run one at a time anyway. The process is ended where a script is over its time or takes too much memory;
 * the next script starts another. Only a process can be ended so: a thread whose optimized code allocates in a loop goes
 * on whatever it is told, and takes everything with it when memory is gone. This bounds mistakes. It is no security
 * boundary.
 */
export class ScriptHost {
  #connection: Connection | undefined;

  /**
   * Runs a job. Throws 408 when it takes longer than `timeoutMs`, 403 when it takes too much memory; the operations that
   * it asked for are the caller's to undo. While it waits for an operation, a further job may run.
   */
  run(job: ScriptJob, timeoutMs: number, call: CollectionCaller = refuseCall): ScriptOutcome {
    const connection = (this.#connection ??= connect());
    const deadline = performance.now() + timeoutMs;
    try {
      let message = exchange(connection, { type: 'job', job }, deadline);
      while (message.type === 'call') {
        const text = call(message.operation, message.details);
        // A job within this one may have been too slow for both.
        if (this.#connection !== connection) throw outOfTime();
        message = exchange(connection, { type: 'answer', text }, deadline);
      }
      return message;
    } catch (error) {
      // The process is busy, or gone, or waits for an answer that will not come.
      void this.close();
      throw error;
    }
  }

  /** Ends the process, if there is one. The next job starts another. */
  async close(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection === undefined) return;
    const { worker, port } = connection;
    const gone = Promise.withResolvers<void>();
    worker.once('exit', () => gone.resolve());
    port.postMessage(null);
    await gone.promise;
  }
}

function connect(): Connection {
  const { port1: port, port2 } = new MessageChannel();
  const signals = new Int32Array(new SharedArrayBuffer(4));
  const workerData: RelayStart = {
    port: port2,
    signals,
    program: fileURLToPath(fileBeside('script-process')),
  };
  const worker = new Worker(fileBeside('script-relay'), {
    workerData,
    transferList: [port2],
    // Nothing of how this process was started concerns scripts.
    execArgv: [],
    env: {},
  });
  worker.unref();
  const connection = { worker, port, signals };
  try {
    receive(connection, performance.now() + startMs);
  } catch (error) {
    port.postMessage(null);
    throw error;
  }
  return connection;
}

/** From the sources the files are TypeScript, as this one is; in the package all are JavaScript, side by side. */
function fileBeside(name: string): URL {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return new URL(`./${name}.${extension}`, import.meta.url);
}

function exchange(connection: Connection, message: HostMessage, deadline: number): ProcessMessage {
  const { port } = connection;
  port.postMessage(JSON.stringify(message));
  return receive(connection, deadline);
}

/** Waits for the next line of the process. */
function receive({ port, signals }: Connection, deadline: number): ProcessMessage {
  let received: { message: string | null } | undefined;
  while ((received = receiveMessageOnPort(port)) === undefined) {
    Atomics.wait(signals, 0, 0, Math.max(0, deadline - performance.now()));
    Atomics.store(signals, 0, 0);
    if (performance.now() >= deadline) throw outOfTime();
  }
  if (received.message === null) throw outOfMemory();
  const message: ProcessMessage = JSON.parse(received.message);
  return message;
}

function outOfTime(): ServiceError {
  return refusal(408, 'RequestTimeout', 'The requested operation exceeded maximum alloted time.');
}

/** The process ended by itself, which scripts bring about only by their use of memory. */
function outOfMemory(): ServiceError {
  return refusal(403, 'Forbidden', 'The script exceeded its allowed resource limit.');
}

function refusal(status: number, code: string, text: string): ServiceError {
  return new ServiceError({ status, code, message: `Message: ${JSON.stringify({ Errors: [text] })}` });
}

function refuseCall(): never {
  throw new TypeError('A function has no collection.');
}
