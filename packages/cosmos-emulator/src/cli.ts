#!/usr/bin/env node
import { readFileSync, writeFileSync } from 'node:fs';
import { wellKnownKey } from './authorization/master-key.ts';
import { type Command, help, parseCommandLine, UsageError } from './command-line.ts';
import { CosmosEmulator } from './emulator.ts';
import type { Listener } from './server.ts';

const usageExitCode = 2;

async function main(): Promise<void> {
  const command = parseCommandLine(process.argv.slice(2));
  if (command.kind === 'serve') await serve(command);
  else process.stdout.write(command.kind === 'help' ? help : `${version()}\n`);
}

async function serve(command: Extract<Command, { kind: 'serve' }>): Promise<void> {
  const emulator = new CosmosEmulator(command.emulator);
  const listener = await listening(emulator, command);
  const key = emulator.key === wellKnownKey ? 'the well-known key' : 'the key that was given';
  process.stdout.write(`Cosmos DB emulator ready at ${listener.url} with ${key}\n`);
  let closing = false;
  const stop = (): void => {
    // Whoever asks twice does not want to wait.
    if (closing) process.exit(1);
    closing = true;
    void emulator.close().then(() => process.exit(0), fail);
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
}

async function listening(
  emulator: CosmosEmulator,
  { listen, certificateFile }: Extract<Command, { kind: 'serve' }>,
): Promise<Listener> {
  const listener = await emulator.listen(listen).catch((error: unknown) => {
    throw new Error(bindFailure(error, listen), { cause: error });
  });
  if (certificateFile !== undefined) {
    writeFileSync(certificateFile, listener.certificate ?? '');
    process.stdout.write(`Certificate in ${certificateFile}; Node.js trusts it by NODE_EXTRA_CA_CERTS\n`);
  }
  return listener;
}

function bindFailure(error: unknown, { port, host }: { port?: number; host?: string }): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE') return `Port ${port} of ${host} is taken; --port N chooses another.`;
  if (code === 'EACCES')
    return `Port ${port} of ${host} is not allowed to this user; --port N chooses another.`;
  return `Cannot listen on port ${port} of ${host}: ${error instanceof Error ? error.message : String(error)}`;
}

/** One level up, from the sources as well as from what is built. */
function version(): string {
  const manifest: { version: string } = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  );
  return manifest.version;
}

function fail(error: unknown): void {
  process.stderr.write(`cosmos-emulator: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(error instanceof UsageError ? usageExitCode : 1);
}

main().catch(fail);
