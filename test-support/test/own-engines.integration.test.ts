import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Engine, startPostgres, startRedis } from '../src/index.ts';
import { describeWith } from '../src/vitest.ts';

const FIXTURE = fileURLToPath(new URL('./fixtures/run.ts', import.meta.url));
const PATIENCE = { timeout: 20_000, interval: 20 };

let home: string;
let started: Engine | undefined;
const runs: Run[] = [];

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'polyphase-run-'));
  chmodSync(home, 0o755); // PostgreSQL may run as another user, who has to get in
  // these tests break engines, so they take their own, whatever the run uses
  vi.stubEnv('TEST_POSTGRES_URL', '');
  vi.stubEnv('TEST_REDIS_URL', '');
  vi.stubEnv('POLYPHASE_ENGINES', 'fetch');
});
afterEach(async () => {
  await started?.stop();
  started = undefined;
  for (const run of runs.splice(0)) if (run.exitCode === null) run.kill('SIGKILL');
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true, force: true });
});

type Run = ChildProcessByStdio<null, Readable, null>;

function beginRun(...args: string[]): Run {
  const run = spawn(process.execPath, [FIXTURE, ...args], {
    env: { ...process.env, TMPDIR: home },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  runs.push(run);
  return run;
}

async function startRun(...args: string[]): Promise<{ run: Run; url: string }> {
  const run = beginRun(...args);
  const [url] = (await once(createInterface({ input: run.stdout }), 'line')) as [string];
  return { run, url };
}

function clusters(): string[] {
  return readdirSync(home).filter((name) => name.startsWith('polyphase-postgres-'));
}

async function killed(run: Run): Promise<void> {
  run.kill('SIGKILL');
  await once(run, 'exit');
}

async function listens(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

async function query(url: string, statement: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(statement)).rows;
  } finally {
    await client.end();
  }
}

describeWith('postgres')('a PostgreSQL of our own', () => {
  test('is gone soon after its run was killed, with its files', async () => {
    const { run, url } = await startRun();
    expect(await listens(url)).toBe(true);
    expect(clusters()).toHaveLength(1);
    await killed(run);
    await vi.waitUntil(async () => !(await listens(url)), PATIENCE);
    await vi.waitUntil(() => clusters().length === 0, PATIENCE);
  });

  test('whose run was killed while it made the cluster is removed by the next run', async () => {
    const unborn = beginRun();
    await vi.waitUntil(() => clusters().length === 1, PATIENCE);
    await killed(unborn);
    const [left = ''] = clusters();
    // initdb outlives the run that started it by a moment
    const commands = () => execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' });
    await vi.waitUntil(() => !commands().includes(join(home, left)), PATIENCE);
    const { run } = await startRun();
    expect(clusters()).toHaveLength(1);
    expect(clusters()).not.toContain(left);
    await killed(run);
    await vi.waitUntil(() => clusters().length === 0, PATIENCE);
  });

  test('crashes and comes back at the same URL with the same rows', async () => {
    started = await startPostgres();
    await query(started.url, 'create table t as select 7 as n');
    await started.process?.kill();
    expect(await listens(started.url)).toBe(false);
    await started.process?.restart();
    expect(await query(started.url, 'select n from t')).toEqual([{ n: 7 }]);
    expect(started.process?.log()).toContain('automatic recovery');
  });

  test('keeps its rows in a data folder when its run is killed', async () => {
    const dataDir = join(home, 'kept');
    const { run, url } = await startRun(dataDir);
    await query(url, 'create table t as select 7 as n');
    await killed(run);
    started = await startPostgres({ dataDir });
    expect(await query(started.url, 'select n from t')).toEqual([{ n: 7 }]);
  });

  test('replaces a server that outlived both its run and its guard', async () => {
    const dataDir = join(home, 'kept');
    const { run, url } = await startRun(dataDir);
    await query(url, 'create table t as select 7 as n');
    const server = readFileSync(join(dataDir, 'data', 'postmaster.pid'), 'utf8').split('\n', 1)[0] ?? '';
    const guard = Number(execFileSync('ps', ['-o', 'ppid=', '-p', server], { encoding: 'utf8' }));
    process.kill(guard, 'SIGKILL');
    await killed(run);
    expect(await listens(url)).toBe(true);
    started = await startPostgres({ dataDir });
    expect(await listens(url)).toBe(false);
    expect(await query(started.url, 'select n from t')).toEqual([{ n: 7 }]);
  });
});

describeWith('redis')('a Redis of our own', () => {
  test('is gone soon after its run was killed', async () => {
    const { run, url } = await startRun('redis');
    expect(await listens(url)).toBe(true);
    await killed(run);
    await vi.waitUntil(async () => !(await listens(url)), PATIENCE);
  });

  test('crashes and comes back empty at the same URL', async () => {
    started = await startRedis();
    const client = new Redis(started.url, { lazyConnect: true, retryStrategy: () => 20 });
    client.on('error', () => undefined);
    await client.set('a', '1');
    await started.process?.kill();
    expect(await listens(started.url)).toBe(false);
    await started.process?.restart();
    expect(await client.get('a')).toBeNull();
    client.disconnect();
  });
});
