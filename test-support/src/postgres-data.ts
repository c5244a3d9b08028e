import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { RunAs } from './guarded-process.ts';
import { give } from './run-as.ts';

const RELEASE_TIMEOUT_MS = 30_000;
const FAST_SHUTDOWN_MS = 10_000;
const POLL_MS = 25;

/** Makes a cluster in `home`/data unless one is there, and gives its path. A death midway leaves no half cluster. */
export function ensureCluster(bin: string, home: string, user: RunAs): string {
  const data = join(home, 'data');
  for (const name of readdirSync(home)) {
    if (name.startsWith('data.new')) rmSync(join(home, name), { recursive: true, force: true });
  }
  if (existsSync(data)) {
    refuseOtherVersion(bin, data, user);
    return data;
  }
  const fresh = join(home, `data.new-${process.pid}`);
  const secret = join(home, 'password');
  writeFileSync(secret, randomBytes(18).toString('base64url'), { mode: 0o600 });
  give(secret, user);
  mkdirSync(fresh, { mode: 0o700 });
  give(fresh, user);
  // Not byte order, as in most real databases: a statement that forgets COLLATE "C" shows.
  const locale = ['--locale=C', '--locale-provider=icu', '--icu-locale=en-US'];
  const rest = [
    '-U',
    'postgres',
    '-A',
    'password',
    '--pwfile',
    secret,
    '-E',
    'UTF8',
    '--no-sync',
    '--no-instructions',
  ];
  try {
    execFileSync(join(bin, 'initdb'), ['-D', fresh, ...locale, ...rest], {
      ...user,
      cwd: fresh,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    throw error;
  }
  renameSync(fresh, data);
  return data;
}

/** The superuser's password: every user of the machine can reach loopback. */
export function clusterPassword(home: string): string {
  return readFileSync(join(home, 'password'), 'utf8');
}

function refuseOtherVersion(bin: string, data: string, user: RunAs): void {
  const made = readFileSync(join(data, 'PG_VERSION'), 'utf8').trim();
  const ours = execFileSync(join(bin, 'postgres'), ['--version'], { ...user, cwd: '/', encoding: 'utf8' });
  const major = /(\d+)/.exec(ours)?.[1];
  if (made !== major)
    throw new Error(`${data} was made by PostgreSQL ${made}, and this is ${major}; remove it`);
}

/**
 * Resolves once no server runs on `data`. The server of a run that was killed may still be shutting down, or, if its
 * guard was killed too, be running: it is ours, since the data directory is, so it is told to stop.
 */
export async function releaseData(data: string): Promise<void> {
  const started = Date.now();
  let told: NodeJS.Signals | undefined;
  for (;;) {
    const pid = serverOn(data);
    if (pid === undefined) return; // a stale lock file is PostgreSQL's own business
    const waited = Date.now() - started;
    if (waited > RELEASE_TIMEOUT_MS) throw new Error(`PostgreSQL ${pid} on ${data} does not stop`);
    const signal = waited > FAST_SHUTDOWN_MS ? 'SIGQUIT' : 'SIGINT';
    if (told !== signal) signalIfThere(pid, signal);
    told = signal;
    await delay(POLL_MS);
  }
}

function serverOn(data: string): number | undefined {
  let pid: number;
  try {
    pid = Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n', 1)[0]);
  } catch {
    return undefined;
  }
  return Number.isInteger(pid) && pid > 0 && worksIn(pid, data) ? pid : undefined;
}

/** A process id may by now belong to somebody else: only a process that works in the data directory is its server. */
function worksIn(pid: number, data: string): boolean {
  try {
    if (process.platform === 'linux') return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(data);
    return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).includes(data);
  } catch {
    return false;
  }
}

function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
