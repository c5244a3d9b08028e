import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DataFolderError } from './data-folder-error.ts';

interface Owner {
  readonly host: string;
  readonly pid: number;
  /** Which process of all that ever had the number; empty where the system does not tell. */
  readonly birth: string;
}

/** Others may take the lock, and let go of it, between two steps of this process. */
const maximumAttempts = 10;

/**
 * Takes a folder for this process, and gives what lets go of it. The lock is a folder that is renamed into its place,
 * whole, which succeeds for one process only; that of a process that is dead is taken over. Throws a `DataFolderError`
 * when it is another's.
 */
export function lockFolder(directory: string): () => void {
  const lock = join(directory, 'lock');
  const draft = join(directory, `lock-${randomUUID()}`);
  const mine = JSON.stringify({
    host: hostname(),
    pid: process.pid,
    birth: birthOf(process.pid),
    id: randomUUID(),
  });
  mkdirSync(draft);
  writeFileSync(join(draft, 'owner'), mine);
  try {
    take(draft, lock);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return () => {
    if (ownerText(lock) === mine) rmSync(lock, { recursive: true, force: true });
  };
}

function take(draft: string, lock: string): void {
  let failure: unknown;
  for (let attempt = 0; attempt < maximumAttempts; attempt++) {
    try {
      renameSync(draft, lock);
      return;
    } catch (error) {
      failure = error;
    }
    const text = ownerText(lock);
    if (isAlive(text)) throw inUse(text, lock);
    takeAway(lock, text);
  }
  throw failure;
}

function ownerText(lock: string): string | undefined {
  try {
    return readFileSync(join(lock, 'owner'), 'utf8');
  } catch {
    return undefined;
  }
}

/** Removes the lock of a dead process, unless another process has just put its own there. */
function takeAway(lock: string, dead: string | undefined): void {
  const aside = `${lock}-${randomUUID()}`;
  try {
    renameSync(lock, aside);
  } catch {
    return;
  }
  if (ownerText(aside) === dead) rmSync(aside, { recursive: true, force: true });
  else renameSync(aside, lock);
}

function isAlive(text: string | undefined): boolean {
  const owner = parsed(text);
  // The lock came there whole, so one that cannot be read was lost with the power of the machine.
  if (owner === undefined) return false;
  if (owner.host !== hostname()) return true;
  const birth = birthOf(owner.pid);
  if (owner.birth !== '' && birth !== '') return owner.birth === birth;
  try {
    process.kill(owner.pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

function parsed(text: string | undefined): Owner | undefined {
  try {
    const owner: Owner = JSON.parse(text ?? '');
    return typeof owner.pid === 'number' ? owner : undefined;
  } catch {
    return undefined;
  }
}

/** Numbers of processes come again; on Linux, the boot and the start of a process tell them apart. */
function birthOf(pid: number): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // One that has ended and is not yet forgotten holds nothing any more.
    return state === 'Z' ? `${boot} ended` : `${boot} ${fields[18] ?? ''}`;
  } catch {
    return '';
  }
}

function inUse(text: string | undefined, lock: string): DataFolderError {
  const { pid, host } = parsed(text) ?? { pid: 0, host: '' };
  const elsewhere = host === hostname() ? '' : ` of ${host}`;
  const message = `The data folder is in use by process ${pid}${elsewhere}. End that process first; if it is gone for certain, delete '${lock}'.`;
  return new DataFolderError('IN_USE', message);
}
