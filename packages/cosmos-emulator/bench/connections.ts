import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CosmosClient } from '@azure/cosmos';
import { CosmosEmulator, type CosmosEmulatorOptions } from '../src/index.ts';

/** A client and the emulator that it reaches. */
export interface Connection {
  readonly client: CosmosClient;
  close(): Promise<void>;
}

const cli = fileURLToPath(new URL('../src/cli.ts', import.meta.url));

/** An emulator in this process. */
export function inProcess(options: CosmosEmulatorOptions = {}): Connection {
  const emulator = new CosmosEmulator(options);
  const client = new CosmosClient(emulator.clientOptions());
  return {
    client,
    async close() {
      client.dispose();
      await emulator.close();
    },
  };
}

/** An emulator in this process whose data is in a folder. */
export function inFolder(durability: 'process' | 'power'): Connection {
  const data = mkdtempSync(join(tmpdir(), 'cosmos-emulator-bench-'));
  const connection = inProcess({ data, durability });
  return {
    client: connection.client,
    async close() {
      await connection.close();
      rmSync(data, { recursive: true });
    },
  };
}

/** The command in a process of its own, over HTTP or HTTPS. */
export async function overNetwork(tls: boolean): Promise<Connection> {
  const args = ['--conditions=@polyphase/source', cli, '--port', '0', ...(tls ? ['--tls'] : [])];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  for await (const chunk of child.stdout) {
    printed += String(chunk);
    if (printed.includes(' ready at ')) break;
  }
  const endpoint = / ready at (\S+)/.exec(printed)?.[1] ?? '';
  // Without TLS, the client makes an agent of its own, which keeps connections as well.
  const agent = tls ? new Agent({ keepAlive: true, rejectUnauthorized: false }) : undefined;
  const options = { endpoint, key: new CosmosEmulator().key };
  const client = new CosmosClient(agent === undefined ? options : { ...options, agent });
  return {
    client,
    async close() {
      client.dispose();
      agent?.destroy();
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}
