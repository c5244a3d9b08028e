import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CosmosClient } from '@azure/cosmos';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { CosmosEmulator } from '../src/index.ts';

const cli = fileURLToPath(new URL('../src/cli.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'cosmos-emulator-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

const running: ChildProcess[] = [];
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
});

interface Run {
  readonly child: ChildProcess;
  /** What it has printed so far. */
  readonly printed: { out: string; error: string };
  readonly exit: Promise<number | null>;
}

function run(...args: string[]): Run {
  const child = spawn(process.execPath, ['--conditions=@polyphase/source', cli, ...args]);
  running.push(child);
  const printed = { out: '', error: '' };
  child.stdout.on('data', (chunk: Buffer) => (printed.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (printed.error += chunk.toString()));
  return { child, printed, exit: once(child, 'close').then(([code]) => code) };
}

async function ready({ printed }: Run): Promise<string> {
  await expect.poll(() => printed.out, { timeout: 10_000 }).toContain(' ready at ');
  return / ready at (\S+)/.exec(printed.out)?.[1] ?? '';
}

describe('the command', () => {
  it('serves over TLS, writes its certificate, and ends on SIGTERM', async () => {
    const cert = join(folder, 'cert.pem');
    const command = run(
      '--port',
      '0',
      '--tls',
      '--cert',
      cert,
      '--partitions',
      '3',
      '--consistency',
      'strong',
    );
    const endpoint = await ready(command);
    expect(endpoint).toMatch(/^https:\/\/localhost:\d+\/$/);
    const agent = new Agent({ ca: readFileSync(cert), keepAlive: true });
    const client = new CosmosClient({ endpoint, key: new CosmosEmulator().key, agent });
    const { database } = await client.databases.create({ id: 'db' });
    const { container } = await database.containers.create({ id: 'items', partitionKey: '/pk' });
    expect((await container.readPartitionKeyRanges().fetchAll()).resources).toHaveLength(3);
    expect((await client.getDatabaseAccount()).resource?.consistencyPolicy).toBe('Strong');
    command.child.kill('SIGTERM');
    expect(await command.exit).toBe(0);
    expect(command.printed).toEqual({
      out: expect.stringMatching(
        /^Certificate in .*\nCosmos DB emulator ready at .* with the well-known key\n$/,
      ),
      error: '',
    });
    client.dispose();
    agent.destroy();
  });

  it('takes a key of its own, and ends on SIGINT', async () => {
    const key = Buffer.from('another key').toString('base64');
    const command = run('--port=0', '--key', key, '--host', '127.0.0.1');
    const endpoint = await ready(command);
    expect(endpoint).toMatch(/^http:\/\/127/);
    const [known, own] = [new CosmosEmulator().key, key].map((k) => new CosmosClient({ endpoint, key: k }));
    await expect(known?.databases.readAll().fetchAll()).rejects.toMatchObject({ code: 401 });
    expect((await own?.databases.create({ id: 'db' }))?.statusCode).toBe(201);
    command.child.kill('SIGINT');
    expect(await command.exit).toBe(0);
    for (const client of [known, own]) client?.dispose();
  });

  it('says that its port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    const port = String(typeof address === 'object' ? address?.port : '');
    const command = run('--port', port);
    expect(await command.exit).toBe(1);
    expect(command.printed).toEqual({
      out: '',
      error: `cosmos-emulator: Port ${port} of localhost is taken; --port N chooses another.\n`,
    });
    other.close();
  });

  it('refuses what it does not understand in one line', async () => {
    const command = run('--prot', '1');
    expect(await command.exit).toBe(2);
    expect(command.printed.out).toBe('');
    expect(command.printed.error).toMatch(/^cosmos-emulator: Unknown option '--prot'[^\n]*\n$/);
  });

  it('tells how to use it, and which version it is', async () => {
    const [help, version] = [run('--help'), run('-v')];
    expect(await Promise.all([help.exit, version.exit])).toEqual([0, 0]);
    expect(help.printed.out).toContain('--partitions N');
    expect(version.printed.out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
