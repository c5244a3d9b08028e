import {
  decodeVersion,
  type EntityValue,
  isPolyphaseError,
  type Stored,
  type Version,
} from '@polyphase/core';
import type { Operation, OperationKind } from './history.ts';
import { Note, textOf } from './note.ts';
import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';
import type { Opened } from './simulated-process.ts';

/** A value of {@link Note}. */
export type NoteValue = EntityValue<typeof Note>;

/** A process as its clients see it. */
export interface Service {
  readonly name: string;
  readonly hasEnded: boolean;
  /** Aborts when it ends. */
  readonly ended: AbortSignal;
  /** Makes one attempt at an operation. Undefined while it takes no calls. */
  readonly perform: ((draft: Draft) => Promise<Attempted>) | undefined;
}

/** What {@link Client} works with. */
export interface ClientOptions<Process extends Service> {
  readonly name: string;
  readonly scheduler: Pick<Scheduler, 'now' | 'wait' | 'after' | 'note'>;
  readonly random: Random;
  /** Keys that it reads and writes, other clients too. */
  readonly keys: readonly [NoteKey, ...NoteKey[]];
  /** A process that takes calls, if there is one; another one than that, where there is one. */
  readonly process: (but?: Process) => Process | undefined;
  /** What all clients do, noted as it ends. */
  readonly operations: Operation[];
  /** Pause between two operations, in milliseconds, about. */
  readonly pauseMs: number;
  /** How long an attempt that nobody waits for may still be on its way. */
  readonly longestMs: number;
  /** Hears of a process that refuses every call. */
  readonly distrust: (process: Process) => void;
  readonly tell: (what: string) => void;
  /** Hears of an error that no caller should ever see. */
  readonly astonish: (what: string) => void;
}

/** The key of a note. */
export interface NoteKey {
  readonly owner: string;
  readonly id: string;
}

// PostgreSQL may answer in these while Cosmos DB is the authority.
const LAGGING = new Set<string | undefined>(['3', '4']);

/** What an attempt came to. Plain data, so that it can come from another process. */
export interface Attempted {
  readonly mayLag?: boolean;
  readonly version?: Version | undefined;
  readonly found?: Stored<NoteValue> | undefined;
  readonly existed?: boolean | undefined;
}

/** An operation under way. */
export interface Draft {
  readonly id: string;
  readonly kind: OperationKind;
  readonly key: NoteKey;
  readonly rank: number;
  readonly ifVersion?: Version | undefined;
}

// Writes of one key that may follow each other while one of them waits for its answer: a record remembers its last eight.
const MOST_WAITING = 6;
const PATIENCE_MS = 4_000;
const LONG_AGO = Symbol('the client gave up waiting');

/** Which writes of a key have begun, and which have not ended. */
export class Waiting {
  readonly #begun = new Map<string, number>();
  readonly #open = new Map<string, Set<number>>();

  /** Counts a write in, unless too many have followed one that waits still. What comes back counts it out. */
  enter(key: string): (() => void) | undefined {
    const number = (this.#begun.get(key) ?? 0) + 1;
    const open = this.#open.get(key) ?? new Set();
    if (number - Math.min(number, ...open) >= MOST_WAITING) return undefined;
    this.#begun.set(key, number);
    this.#open.set(key, open.add(number));
    return () => void open.delete(number);
  }
}

/**
 * A client that does one thing after the other. Whatever error it gets, it repeats a write under the same operation id until it is
 * acknowledged or refused, by whichever process takes calls.
 */
export class Client<Process extends Service> {
  readonly #options: ClientOptions<Process>;
  readonly #waiting: Waiting;
  #isStopping = false;
  #isOver = false;
  #at: Process | undefined;
  #count = 0;
  #attempts: Promise<void>[] = [];
  #draft: { readonly draft: Draft; readonly invokedAt: number } | undefined;

  constructor(options: ClientOptions<Process>, waiting: Waiting) {
    this.#options = options;
    this.#waiting = waiting;
  }

  /** Whether its last operation has ended. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** What it has begun and not ended: it may have taken effect. */
  get underWay(): readonly Operation[] {
    if (!this.#draft) return [];
    const { draft, invokedAt } = this.#draft;
    return [this.#operationOf(draft, { invokedAt, outcome: 'unknown' })];
  }

  /** Writes the body again that the authority has, as a person who has looked at a conflict does. */
  async confirm(key: NoteKey): Promise<void> {
    this.#count += 1;
    await this.#write({ id: `${this.#options.name}-${this.#count}`, key, rank: this.#count, kind: 'patch' });
  }

  /** Begins nothing more; what is under way is brought to its end. */
  stop(): void {
    this.#isStopping = true;
  }

  async run(): Promise<void> {
    const { scheduler, pauseMs, astonish, name } = this.#options;
    try {
      while (!this.#isStopping) {
        await this.#operation();
        await scheduler.wait(0, pauseMs * 2, name);
      }
    } catch (error) {
      astonish(`${name}: ${String(error)}`);
    }
    this.#isOver = true;
  }

  async #operation(): Promise<void> {
    const { random, keys, name } = this.#options;
    this.#count += 1;
    if (random.chance(0.1)) this.#at = this.#options.process();
    if (random.chance(ONCE)) return this.#once();
    const key = random.pick(keys);
    const draft = { id: `${name}-${this.#count}`, key, rank: this.#count };
    const kind = random.pick(KINDS);
    if (kind === 'get') return void (await this.#until({ ...draft, kind }));
    if (kind !== 'update') return this.#write({ ...draft, kind });
    const found = await this.#until({ ...draft, id: `${draft.id}-read`, kind: 'get' });
    if (found) await this.#write({ ...draft, kind: 'replace', ifVersion: found.version });
  }

  // A record that is written once, and read at once: nothing that comes later hides its loss.
  async #once(): Promise<void> {
    const { random, keys, name } = this.#options;
    const id = `${name}-${this.#count}`;
    const draft = { id, key: { owner: random.pick(keys).owner, id }, rank: this.#count };
    await this.#write({ ...draft, kind: 'create' });
    await this.#until({ ...draft, id: `${id}-read`, kind: 'get' });
  }

  async #write(draft: Draft): Promise<void> {
    const { scheduler, longestMs } = this.#options;
    const leave = this.#waiting.enter(keyOf(draft.key));
    if (!leave) return;
    this.#attempts = [];
    await this.#until(draft);
    const attempts = this.#attempts;
    if (attempts.length <= 1) return leave();
    // An attempt that was given up may arrive late. A record knows it again unless too many others have written meanwhile.
    void Promise.all(attempts).then(() => void scheduler.after(longestMs, `${draft.id} is over`, leave));
  }

  // Repeats an operation until it has ended for good, and notes it.
  async #until(draft: Draft): Promise<Stored<NoteValue> | undefined> {
    const { scheduler, random } = this.#options;
    const invokedAt = scheduler.now;
    this.#draft = { draft, invokedAt };
    let isDoubtful = false;
    for (;;) {
      const from = this.#sit();
      const end = from?.perform ? await this.#attempt(draft, from, from.perform) : 'again';
      if (typeof end === 'object') {
        this.#note(draft, { invokedAt, outcome: 'done', ...seenIn(draft, end) });
        return end.found;
      }
      if (end === 'refused' || end === 'missing') {
        this.#note(draft, { invokedAt, outcome: isDoubtful ? 'unknown' : 'refused' });
        if (end === 'missing')
          this.#note({ ...draft, id: `${draft.id}-missed`, kind: 'get' }, { invokedAt, outcome: 'done' });
        return undefined;
      }
      isDoubtful ||= end === 'unknown';
      // Another process may be better off; where there is none, the same one is tried again.
      if (random.chance(0.5)) this.#at = this.#options.process(from) ?? from;
      await scheduler.wait(5, 60, draft.id);
    }
  }

  async #attempt(
    draft: Draft,
    from: Process,
    make: NonNullable<Service['perform']>,
  ): Promise<Attempted | 'again' | 'unknown' | 'refused' | 'missing'> {
    const { scheduler, astonish, distrust, tell } = this.#options;
    let forget = (): void => undefined;
    const tooLong = new Promise<typeof LONG_AGO>((resolve) => {
      const over = (): void => resolve(LONG_AGO);
      from.ended.addEventListener('abort', over, { once: true });
      const cancel = scheduler.after(PATIENCE_MS, `${draft.id} waits`, over);
      forget = () => {
        cancel();
        from.ended.removeEventListener('abort', over);
      };
    });
    try {
      const done = make(draft);
      this.#attempts.push(isNoMore(done, from.ended));
      const end = await Promise.race([done, tooLong]);
      return end === LONG_AGO ? 'unknown' : end;
    } catch (error) {
      if (!isPolyphaseError(error)) throw error;
      tell(`${from.name} ${draft.kind} ${draft.id} ${keyOf(draft.key)}: ${error.code} ${error.message}`);
      if (error.code === 'not-found') return 'missing';
      if (error.code === 'already-exists' || error.code === 'conflict') return 'refused';
      if (error.code === 'fenced') distrust(from);
      else if (!error.retryable) astonish(`${draft.id}: ${String(error)}`);
      return error.code === 'unknown-outcome' ? 'unknown' : 'again';
    } finally {
      forget();
    }
  }

  #sit(): Process | undefined {
    if (!this.#at || this.#at.hasEnded || !this.#at.perform) this.#at = this.#options.process();
    return this.#at;
  }

  #note(draft: Draft, more: Partial<Operation> & Pick<Operation, 'invokedAt' | 'outcome'>): void {
    const { operations, scheduler, tell } = this.#options;
    const operation = this.#operationOf(draft, more);
    const { id, kind, key, outcome, version, seen } = operation;
    const found = `${version?.term}.${version?.counter}`;
    tell(`${this.#at?.name ?? '?'} ${kind} ${id} ${key} ${outcome} ${found} ${textOf(seen)}`);
    scheduler.note(`${id} ${outcome} ${found}`);
    operations.push(operation);
    this.#draft = undefined;
  }

  #operationOf(draft: Draft, more: Partial<Operation> & Pick<Operation, 'invokedAt' | 'outcome'>): Operation {
    const { id, kind, key, rank, ifVersion } = draft;
    const { scheduler, name } = this.#options;
    return {
      id,
      kind,
      key: keyOf(key),
      rank,
      session: `${name}@${this.#at?.name ?? ''}`,
      endedAt: more.outcome === 'unknown' ? Number.POSITIVE_INFINITY : scheduler.now,
      ...(ifVersion && { ifVersion: decodeVersion(ifVersion) }),
      ...more,
    };
  }
}

// How often a client writes a record that nobody writes again.
const ONCE = 0.04;

// Each as likely as it stands here.
const KINDS = [
  'create',
  'create',
  'upsert',
  'replace',
  'patch',
  'patch',
  'patch',
  'delete',
  'update',
  'update',
  'get',
  'get',
  'get',
] as const;

function keyOf({ owner, id }: NoteKey): string {
  return `["${owner}"] ${id}`;
}

function seenIn({ kind }: Draft, { version, found, existed, mayLag }: Attempted): Partial<Operation> {
  const at = kind === 'get' ? found?.version : version;
  return {
    ...(at !== undefined && { version: decodeVersion(at) }),
    ...(found && { seen: found.value }),
    ...(existed !== undefined && { existed }),
    ...(mayLag === true && { mayLag }),
  };
}

// Whoever made an attempt has heard of its end, or will never hear anything again.
function isNoMore(attempt: Promise<unknown>, ended: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = (): void => resolve();
    attempt.then(over, over);
    ended.addEventListener('abort', over, { once: true });
  });
}

/** Makes one attempt at an operation through an open hybrid. */
export async function perform(draft: Draft, hybrid: Opened): Promise<Attempted> {
  const { id, key, rank, ifVersion } = draft;
  const notes = hybrid.repository(Note);
  const options = { operationId: id, ifVersion };
  const value: NoteValue = { ...key, text: id, rank, marks: { [id]: 1 } };
  switch (draft.kind) {
    case 'get': {
      const before = hybrid.status(Note.name).phase;
      const found = await notes.get(key);
      return { found, mayLag: LAGGING.has(before) || LAGGING.has(hybrid.status(Note.name).phase) };
    }
    case 'create':
      return notes.create(value, { operationId: id });
    case 'upsert':
      return notes.upsert(value, options);
    case 'replace':
      return notes.replace(value, options);
    case 'patch':
      return notes.patch(key, { text: id, marks: { [id]: 1 } }, options);
    case 'delete':
      return notes.delete(key, options);
  }
}
