import { isPolyphaseError, type JsonObject, type RecordStore } from '@polyphase/core';
import { Note, type VirtualWorld } from './virtual-world.ts';

const PAUSE_MS = 15;

/**
 * A client that owns its keys and writes them one after the other. Whatever error it gets, it repeats the write under the same
 * operation id until it is acknowledged, by whichever process is at work; after each acknowledgement it reads what it wrote.
 */
export class CarefulClient {
  readonly #world: VirtualWorld;
  readonly #owner: string;
  readonly #expected = new Map<string, JsonObject | undefined>();
  #stopped = false;
  #count = 0;
  #running: Promise<void> = Promise.resolve();
  /** What must never happen, as it happened. */
  readonly wrongs: string[] = [];

  constructor(world: VirtualWorld, owner: string) {
    this.#world = world;
    this.#owner = owner;
  }

  /** Writes that were acknowledged. */
  get acknowledged(): number {
    return this.#count;
  }

  start(): void {
    this.#running = this.#run().catch((error: unknown) => {
      this.wrongs.push(String(error));
    });
  }

  /** Ends after the write that is under way was acknowledged. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const over = new AbortController();
    void this.#running.finally(() => over.abort());
    await this.#world.until('the client stops', () => over.signal.aborted);
  }

  /** What a store lacks of what was acknowledged, and what it has twice. */
  async missingIn(records: RecordStore): Promise<readonly string[]> {
    const found: string[] = [];
    for (const [id, expected] of this.#expected) {
      const stored = await records.read({ partition: [this.#owner], id });
      if (JSON.stringify(stored?.value) !== JSON.stringify(expected))
        found.push(`${this.#owner}/${id}: ${JSON.stringify(stored?.value)}, not ${JSON.stringify(expected)}`);
      const ids = (stored?.operations ?? []).map((it) => it.id);
      if (new Set(ids).size !== ids.length) found.push(`${this.#owner}/${id} twice: ${ids.join(' ')}`);
    }
    return found;
  }

  async #run(): Promise<void> {
    for (let i = 0; !this.#stopped; i += 1) {
      await this.#write(i);
      await this.#world.clock.sleep(PAUSE_MS);
    }
  }

  async #write(i: number): Promise<void> {
    // Every other record is written once and never again: nothing later covers its loss.
    const id = i % 2 === 0 ? `once-${i}` : `k${i % 3}`;
    const key = { owner: this.#owner, id };
    const before = this.#expected.get(id);
    const value = { id, owner: this.#owner, text: `${i}`, rank: i };
    const operationId = `${this.#owner}-${i}`;
    await this.#acknowledge(async () => {
      const notes = this.#world.hybrid.repository(Note);
      if (before === undefined) await notes.create(value, { operationId });
      else if (i % 5 === 0) await notes.delete(key, { operationId });
      else if (i % 4 === 0) await notes.patch(key, { text: value.text, rank: value.rank }, { operationId });
      else await notes.replace(value, { operationId });
    }, `${operationId} ${id}`);
    this.#count += 1;
    this.#expected.set(id, before !== undefined && i % 5 === 0 ? undefined : value);
    await this.#acknowledge(async () => {
      const seen = await this.#world.hybrid.repository(Note).get(key);
      const expected = this.#expected.get(id);
      if (seen?.value.text !== expected?.['text'])
        this.wrongs.push(`read ${id} ${seen?.value.text ?? 'nothing'} after ${operationId} was acknowledged`);
    }, `get ${id}`);
  }

  async #acknowledge(call: () => Promise<void>, what: string): Promise<void> {
    for (;;) {
      try {
        return await call();
      } catch (error) {
        // A process that is gone or was fenced off is replaced; anything else that may not be repeated is wrong here.
        const isGone = this.#world.isReplacing && isPolyphaseError(error) && error.code === 'fenced';
        if (!isGone && !(isPolyphaseError(error) && error.retryable)) {
          this.wrongs.push(`${what}: ${String(error)}`);
          return;
        }
      }
      await this.#world.clock.sleep(PAUSE_MS);
    }
  }
}
