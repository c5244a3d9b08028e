// The parent process of one local engine. It exists so that an engine never outlives the run: when whoever started
// us dies, by whatever signal, our standard input ends, and we stop the engine and remove what was temporary.
// Started as its own session, so that Ctrl-C reaches the run alone and the run decides.
import { spawn } from 'node:child_process';
import { openSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { GuardOrder } from './guarded-process.ts';

const PATIENCE_MS = 10_000;

const order = JSON.parse(process.argv[2] ?? '') as GuardOrder;
const log = openSync(order.logFile, 'a');
const engine = spawn(order.command, order.args, {
  cwd: order.cwd,
  env: { ...process.env, ...order.env },
  stdio: ['ignore', log, log],
  ...order.user,
});

engine.once('error', (error) => {
  process.stderr.write(`${order.command}: ${error.message}\n`);
  process.exitCode = 1;
  input.close();
  process.stdin.destroy();
});
engine.once('exit', (code, signal) => {
  if (abandoned) for (const path of order.removeWhenAbandoned) rmSync(path, { recursive: true, force: true });
  process.exit(code ?? (signal === order.stopSignal ? 0 : 1));
});

let abandoned = false;
function stop(signal: NodeJS.Signals): void {
  engine.kill(signal);
  // an engine that does not obey is not worth the leak
  setTimeout(() => engine.kill('SIGKILL'), PATIENCE_MS).unref();
}

const input = createInterface({ input: process.stdin });
input.on('line', (line) => stop(line as NodeJS.Signals));
input.on('close', () => {
  abandoned = true;
  stop(order.stopSignal);
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => stop(order.stopSignal));
