import { Worker } from 'node:worker_threads';

/** How work is shared. */
export interface ShareOptions<Result> {
  /** The module that does a piece of it: it posts one message when it is done. */
  readonly module: URL;
  readonly threads: number;
  readonly onDone: (result: Result, left: number) => void;
}

/** Runs a module once with each piece of data, in threads, some at a time. */
export async function share<Result>(pieces: readonly object[], options: ShareOptions<Result>): Promise<void> {
  const queue = [...pieces];
  const work = async (): Promise<void> => {
    for (let piece = queue.shift(); piece !== undefined; piece = queue.shift()) {
      const result = await runIn<Result>(options.module, piece);
      options.onDone(result, queue.length);
    }
  };
  await Promise.all(Array.from({ length: options.threads }, work));
}

/** Runs a module with data in a thread of its own, and gives what it posts. */
export function runIn<Result>(module: URL, workerData: object): Promise<Result> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(module, {
      workerData,
      execArgv: ['--conditions=@polyphase/source', '--disable-warning=ExperimentalWarning'],
    });
    worker.once('error', reject);
    // A world in which nothing can go on any more ends its thread without a word.
    worker.once('exit', (code) =>
      reject(new Error(`A thread of the proof ended with ${code} and no result`)),
    );
    worker.once('message', (result: Result) => {
      resolve(result);
      void worker.terminate();
    });
  });
}
