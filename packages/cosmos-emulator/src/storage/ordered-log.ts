/** An entry of a log; it leaves by no longer being live. */
export interface LogEntry {
  live: boolean;
}

/**
 * Entries in rising order of a number, appended at the end, with reads from any number on. Entries that are no longer
 * live are skipped at once, and dropped when they are the greater half.
 */
export class OrderedLog<T extends LogEntry> {
  readonly #positionOf: (entry: T) => number;
  #entries: T[] = [];
  #dead = 0;
  #inOrder = true;

  constructor(positionOf: (entry: T) => number) {
    this.#positionOf = positionOf;
  }

  /** Adds an entry; nearly always its number is at least that of the last one. */
  append(entry: T): void {
    const last = this.#entries.at(-1);
    if (last !== undefined && this.#positionOf(last) > this.#positionOf(entry)) this.#inOrder = false;
    this.#entries.push(entry);
  }

  /** Puts an entry in the place of another of the same number. */
  replace(old: T, entry: T): void {
    const at = this.#entries.indexOf(old, this.#firstFrom(this.#positionOf(old)));
    if (at >= 0) this.#entries[at] = entry;
  }

  /** Counts an entry that its owner has marked as no longer live. */
  forget(): void {
    this.#dead++;
    if (this.#dead < 1024 || this.#dead * 2 < this.#entries.length) return;
    this.#entries = this.#entries.filter((entry) => entry.live);
    this.#dead = 0;
  }

  /** Live entries whose number is at least the given one, in order. */
  *from(position: number): Generator<T> {
    const first = this.#firstFrom(position);
    const entries = this.#entries;
    for (let at = first; at < entries.length; at++) {
      const entry = entries[at];
      if (entry?.live === true) yield entry;
    }
  }

  #firstFrom(position: number): number {
    // Restored data comes in another order: it is sorted once, when it is first read.
    if (!this.#inOrder) this.#entries.sort((left, right) => this.#positionOf(left) - this.#positionOf(right));
    this.#inOrder = true;
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.#entries[middle];
      if (entry !== undefined && this.#positionOf(entry) < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
