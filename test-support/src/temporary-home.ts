import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { RunAs } from './guarded-process.ts';
import { give, sharedTemporary } from './run-as.ts';

/**
 * A new temporary folder for an engine, which `user` owns. Its name tells this process, so that a run which was killed
 * before a guard knew of its folder has it removed by the next run.
 */
export function temporaryHome(engine: string, user: RunAs): string {
  const parent = sharedTemporary(user);
  const prefix = `polyphase-${engine}-`;
  for (const name of readdirSync(parent)) {
    if (name.startsWith(prefix) && isAbandoned(parent, name, prefix)) removeIfStill(join(parent, name));
  }
  const home = mkdtempSync(join(parent, `${prefix}${process.pid}-`));
  give(home, user);
  return home;
}

// What the killed run started (initdb) may still be writing there: then it is the next run that removes it.
function removeIfStill(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOTEMPTY')) throw error;
  }
}

// The log is the guard's first act: where there is one, the guard removes the folder itself.
function isAbandoned(parent: string, name: string, prefix: string): boolean {
  const pid = Number(/^\d+(?=-)/.exec(name.slice(prefix.length))?.[0]);
  return pid > 0 && !isAlive(pid) && !readable(join(parent, name)).some((file) => file.endsWith('.log'));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** What is in a folder; a folder of another user, which tells nothing, is left alone as if its engine ran. */
function readable(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return ['unreadable.log'];
  }
}
