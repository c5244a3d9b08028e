import { spawn } from 'node:child_process';
import { workerData } from 'node:worker_threads';
import type { RelayStart } from './script-messages.ts';

// The thread between the emulator, which waits, and the process that runs scripts: it owns the pipes, for which a thread
// that waits has no time. A line from one side goes to the other; null tells the emulator that the process is gone, and this thread to end it.

const { port, signals, program }: RelayStart = workerData;

/** Megabytes that scripts may hold in memory; arrays of bytes are not counted. */
const heapMegabytes = 128;

const child = spawn(process.execPath, [`--max-old-space-size=${heapMegabytes}`, program], {
  stdio: ['pipe', 'pipe', 'ignore'],
});

function post(line: string | null): void {
  port.postMessage(line);
  Atomics.store(signals, 0, 1);
  Atomics.notify(signals, 0);
}

let rest = '';
child.stdout.setEncoding('utf8').on('data', (text: string) => {
  const lines = (rest + text).split('\n');
  rest = lines.pop() ?? '';
  for (const line of lines) post(line);
});
// Its end is told by `exit`; a pipe that breaks on the way is part of it.
child.stdin.on('error', () => undefined);
child.on('error', () => post(null));
child.on('exit', () => post(null));
port.on('message', (line: string | null) => {
  if (line !== null) child.stdin.write(`${line}\n`);
  else end();
});

function end(): void {
  child.kill('SIGKILL');
  process.exit();
}
