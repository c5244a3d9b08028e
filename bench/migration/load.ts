import { setTimeout as pause } from 'node:timers/promises';
import { isPolyphaseError } from '@polyphase/core';
import { Both, type Opened } from './ground.ts';

const TICK_MS = 10;
const KEYS = 5_000;
/** One document in so many is written around the SDK: only the relay brings it to PostgreSQL, so that it shows the relay's lag. */
const AROUND = 20;

/** Writes at a steady rate, whether earlier ones have been answered or not, and watches how long documents take to PostgreSQL. */
export class Load {
  readonly #opened: Opened;
  readonly #perTick: number;
  readonly #stop = new AbortController();
  readonly #sent = new Map<string, number>();
  readonly #under = new Set<Promise<void>>();
  #running: Promise<unknown> = Promise.resolve();
  /** From the acknowledgement by Cosmos DB to the sight of the row, in milliseconds. */
  readonly lags: number[] = [];
  /** How long each call of the SDK took, in milliseconds. */
  readonly calls: number[] = [];
  readonly errors = new Map<string, number>();

  constructor(opened: Opened, rate: number) {
    this.#opened = opened;
    this.#perTick = (rate * TICK_MS) / 1000;
  }

  start(options: { readonly around: boolean }): void {
    this.#running = Promise.all([this.#write(options.around), this.#watch()]);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await Promise.all(this.#under);
  }

  async #write(around: boolean): Promise<void> {
    const notes = this.#opened.hybrid.repository(Both);
    const container = this.#opened.client.database('bench').container('both');
    const started = performance.now();
    for (let n = 0; !this.#stop.signal.aborted; n += 1) {
      const due = started + (n / this.#perTick) * TICK_MS;
      if (due > performance.now()) await pause(TICK_MS);
      const value = { id: `load ${n % KEYS}`, owner: `owner ${n % 20}`, text: 'x'.repeat(300), n };
      const call =
        around && n % AROUND === 0
          ? async () => {
              const id = `around ${n}`;
              await container.items.create({ ...value, id });
              this.#sent.set(id, performance.now());
            }
          : async () => {
              const sentAt = performance.now();
              await notes.upsert(value);
              this.calls.push(performance.now() - sentAt);
            };
      const settled: Promise<void> = call()
        .catch((error: unknown) => {
          const code = isPolyphaseError(error) ? error.code : String(error);
          this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
        })
        .finally(() => this.#under.delete(settled));
      this.#under.add(settled);
    }
  }

  async #watch(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await pause(TICK_MS);
      if (this.#sent.size === 0) continue;
      const { rows } = await this.#opened.pool.query<{ id: string }>(
        'select id from "both" where id = any($1)',
        [[...this.#sent.keys()]],
      );
      for (const { id } of rows) {
        this.lags.push(performance.now() - (this.#sent.get(id) ?? Number.NaN));
        this.#sent.delete(id);
      }
    }
  }
}
