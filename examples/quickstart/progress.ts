import type { HybridNotices } from '@polyphase/hybrid';

const EVERY_MS = 1_000;

/** One line about the backfill, with the time that is left: rewritten in place on a terminal, printed now and then elsewhere. */
export class Progress {
  readonly #total: number;
  readonly #started = performance.now();
  #done = 0;
  #shown = 0;

  constructor(total: number) {
    this.#total = total;
  }

  /** Counts what was copied. */
  copied({ direction, records }: HybridNotices['copied']): void {
    if (direction !== 'forward' || this.#done >= this.#total) return;
    this.#done = Math.min(this.#total, this.#done + records);
    const now = performance.now();
    const last = this.#done === this.#total;
    if (now - this.#shown < EVERY_MS && !last) return;
    this.#shown = now;
    const left = ((now - this.#started) / this.#done) * (this.#total - this.#done);
    const line = `backfill ${this.#done.toLocaleString('en')} of ${this.#total.toLocaleString('en')}, ${last ? 'done' : `${Math.ceil(left / 1_000)} s left`}`;
    if (process.stdout.isTTY) process.stdout.write(`\r${line.padEnd(60)}${last ? '\n' : ''}`);
    else console.log(line);
  }
}
