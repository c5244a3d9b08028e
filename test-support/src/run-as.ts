import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chownSync, lstatSync, mkdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { RunAs } from './guarded-process.ts';

/** PostgreSQL refuses to run as root: as root, gives `postgres`, else `nobody`, which every Unix has; else ourselves. */
export function unprivileged(): RunAs {
  if (process.getuid?.() !== 0) return {};
  const users = readFileSync('/etc/passwd', 'utf8');
  for (const pattern of [/^postgres:[^:]*:(\d+):(\d+):/m, /^nobody:[^:]*:(\d+):(\d+):/m]) {
    const match = pattern.exec(users);
    if (match) return { uid: Number(match[1]), gid: Number(match[2]) };
  }
  throw new Error('no user to run PostgreSQL as: neither postgres nor nobody is in /etc/passwd');
}

/** Whether `user` passes `test`'s `-flag` on the path: a checkout below a home with mode 0700 is closed to others. */
export function permits(user: RunAs, flag: 'x' | 'r', path: string): boolean {
  if (user.uid === undefined) return true;
  return spawnSync('/bin/sh', ['-c', `test -${flag} "$0"`, path], { ...user, cwd: '/' }).status === 0;
}

/** Hands a path to `user`. */
export function give(path: string, user: RunAs): void {
  if (user.uid !== undefined && user.gid !== undefined) chownSync(path, user.uid, user.gid);
}

/**
 * A lasting directory for `user`: `wanted` itself, made if it is missing, or, where the user cannot enter it, one in a
 * temporary folder that is always the same for the same `wanted`.
 */
export function lastingDirectory(wanted: string, user: RunAs): string {
  const path = resolve(wanted);
  mkdirSync(path, { recursive: true, mode: 0o755 });
  if (permits(user, 'x', path)) return path;
  const digest = createHash('sha256').update(path).digest('hex').slice(0, 16);
  return ownDirectory(join(sharedTemporary(user), `polyphase-${digest}`));
}

/** A directory that is ours alone to write, although its name can be guessed and its parent is open to all. */
export function ownDirectory(path: string): string {
  try {
    mkdirSync(path, { mode: 0o755 });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  const stat = lstatSync(path);
  const ours = stat.isDirectory() && (process.getuid === undefined || stat.uid === process.getuid());
  if (!ours || (process.getuid !== undefined && (stat.mode & 0o022) !== 0)) {
    throw new Error(`${path} exists and is not ours alone; remove it`);
  }
  return path;
}

/** The first temporary folder that `user` can enter. */
export function sharedTemporary(user: RunAs): string {
  const found = [tmpdir(), '/tmp', '/var/tmp'].find((dir) => permits(user, 'x', dir));
  if (found === undefined) throw new Error('no temporary folder that another user can enter');
  return found;
}
