import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ServiceError } from '../service-error.ts';
import type { Journal, JournalEntry } from '../storage/journal.ts';
import { lockFolder } from './folder-lock.ts';
import { LogFile } from './log-file.ts';

/**
 * What a write that was acknowledged survives: the end of the process, however sudden, or the loss of power as well. The
 * second waits for the disk before each answer; requests that come together share the wait.
 */
export type Durability = 'process' | 'power';

/** Every {@link Durability}. */
export const durabilities: readonly Durability[] = ['process', 'power'];

/** The state that a folder keeps. */
export interface KeptState {
  apply(entry: JournalEntry): void;
  entries(): Iterable<JournalEntry>;
}

/** Below this a log is not worth shortening. */
const smallLogBytes = 4 * 1024 * 1024;

/**
 * A folder with one log, `data-<number>.log`: the state at the start of the log, then every change. A log that has grown to twice
 * its beginning is written anew beside it and renamed into its place, so there is a whole one at every moment.
 */
export class DataFolder implements Journal {
  readonly #directory: string;
  readonly #durability: Durability;
  readonly #smallBytes: number;
  readonly #unlock: () => void;
  readonly #state: KeptState;
  #number = 0;
  #log: LogFile;
  /** The length at which the log is written anew. */
  #limit = 0;
  /** Records that were appended, and how many of them are on the disk. */
  #appended = 0;
  #flushed = 0;
  #flushing: Promise<void> | undefined;
  #failure: unknown;
  #closed = false;

  /** Opens the folder, or makes it, and gives the state what it holds. Throws a `DataFolderError`. */
  constructor(init: { directory: string; durability: Durability; state: KeptState; smallBytes?: number }) {
    this.#directory = init.directory;
    this.#durability = init.durability;
    this.#smallBytes = init.smallBytes ?? smallLogBytes;
    this.#state = init.state;
    mkdirSync(init.directory, { recursive: true });
    this.#unlock = lockFolder(init.directory);
    try {
      this.#log = this.#open();
    } catch (error) {
      this.#unlock();
      throw error;
    }
  }

  /** Keeps entries as one record, all or none. Throws what the client is to be told: 507, or 503 when writing has ended. */
  append(...entries: readonly JournalEntry[]): void {
    this.#requireWritable();
    if (this.#log.length > this.#limit) this.#shorten();
    try {
      this.#log.append(JSON.stringify(entries));
      this.#appended++;
    } catch (error) {
      throw notKept(error);
    }
  }

  /** Waits until all that was appended is as durable as was asked for; undefined where there is nothing to wait for. */
  settled(): Promise<void> | undefined {
    const wanted = this.#durability === 'power' && this.#flushed < this.#appended;
    return wanted ? this.#flushTo(this.#appended) : undefined;
  }

  /** Writes the state as it is now, in the place of all that was. Throws 507 where it cannot; the folder then stays as it was. */
  rewrite(): void {
    this.#requireWritable();
    try {
      this.#writeAnew();
    } catch (error) {
      throw notKept(error);
    }
  }

  /** Waits for the disk, ends writing and lets go of the folder. Safe to call again. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      await this.#flushTo(this.#appended);
    } finally {
      this.#log.close();
      this.#unlock();
    }
  }

  #requireWritable(): void {
    if (this.#closed) throw unavailable('The emulator is closed, and its data folder with it.');
    // After a failed flush nobody knows what is on the disk: only a restart, which reads it, can tell.
    if (this.#failure !== undefined) {
      throw unavailable(
        `The data folder failed, and takes no more writes until a restart: ${textOf(this.#failure)}`,
      );
    }
  }

  #open(): LogFile {
    const numbers = this.#numbers();
    const last = numbers.pop();
    if (last === undefined) return this.#writeAnew();
    this.#number = last;
    const log = LogFile.open(this.#path(last), (record) => {
      const entries: readonly JournalEntry[] = JSON.parse(record);
      for (const entry of entries) this.#state.apply(entry);
    });
    // What an earlier life could not clear away any more.
    for (const number of numbers) rmSync(this.#path(number));
    this.#limit = Math.max(this.#smallBytes, log.length);
    return log;
  }

  #shorten(): void {
    try {
      this.#writeAnew();
    } catch {
      // There is no room for two of them: the old one goes on, and this is tried again when it has doubled.
      this.#limit = this.#log.length * 2;
    }
  }

  #writeAnew(): LogFile {
    const path = this.#path(this.#number + 1);
    const draft = `${path}.new`;
    rmSync(draft, { force: true });
    let log: LogFile | undefined;
    try {
      log = LogFile.create(draft, recordsOf(this.#state.entries()));
      renameSync(draft, path);
    } catch (error) {
      log?.close();
      rmSync(draft, { force: true });
      throw error;
    }
    flushDirectory(this.#directory);
    this.#leaveOld();
    this.#number++;
    this.#log = log;
    this.#flushed = this.#appended;
    this.#limit = Math.max(this.#smallBytes, log.length * 2);
    return log;
  }

  /** Lets go of the log so far, if there is one. */
  #leaveOld(): void {
    if (this.#number === 0) return;
    const old = this.#log;
    // Not under the hands of a flush that is still at it.
    if (this.#flushing === undefined) old.close();
    else void this.#flushing.finally(() => old.close()).catch(() => undefined);
    rmSync(this.#path(this.#number));
  }

  async #flushTo(target: number): Promise<void> {
    while (this.#flushed < target) await (this.#flushing ??= this.#flush());
  }

  async #flush(): Promise<void> {
    const target = this.#appended;
    try {
      await this.#log.flush();
      this.#flushed = Math.max(this.#flushed, target);
    } catch (error) {
      this.#failure = error;
      throw notKept(error);
    } finally {
      this.#flushing = undefined;
    }
  }

  #numbers(): number[] {
    const matches = readdirSync(this.#directory).map((name) => /^data-(\d+)\.log$/.exec(name)?.[1]);
    return matches
      .filter((digits) => digits !== undefined)
      .map(Number)
      .toSorted((a, b) => a - b);
  }

  #path(number: number): string {
    return join(this.#directory, `data-${number}.log`);
  }
}

function* recordsOf(entries: Iterable<JournalEntry>): Generator<string> {
  for (const entry of entries) yield JSON.stringify([entry]);
}

/** A new name is on the disk when its folder is. */
function flushDirectory(directory: string): void {
  if (process.platform === 'win32') return; // which has no such thing
  const descriptor = openSync(directory, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function notKept(error: unknown): ServiceError {
  const message = `The change could not be written to the data folder: ${textOf(error)}`;
  return new ServiceError({ status: 507, code: 'InsufficientStorage', message });
}

function unavailable(message: string): ServiceError {
  return new ServiceError({ status: 503, code: 'ServiceUnavailable', message });
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
