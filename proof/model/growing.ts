/** A list of whole numbers that grows. */
export class Numbers {
  #items = new Int32Array(1 << 12);
  #length = 0;

  /** How many there are. */
  get length(): number {
    return this.#length;
  }

  /** Appends one. */
  push(item: number): void {
    if (this.#length === this.#items.length) {
      const bigger = new Int32Array(this.#items.length * 2);
      bigger.set(this.#items);
      this.#items = bigger;
    }
    this.#items[this.#length] = item;
    this.#length += 1;
  }

  /** The one at a place. */
  at(place: number): number {
    return this.#items[place] ?? 0;
  }
}

/** States that are kept in order, cell by cell. */
export class States {
  readonly size: number;
  #cells: Uint16Array;
  #count = 0;

  constructor(size: number) {
    this.size = size;
    this.#cells = new Uint16Array(size << 8);
  }

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  /** All cells: a state begins at each multiple of the size. */
  get cells(): Uint16Array {
    return this.#cells;
  }

  /** Appends a copy of one. */
  push(cells: Uint16Array): void {
    const offset = this.#count * this.size;
    if (offset === this.#cells.length) {
      const bigger = new Uint16Array(this.#cells.length * 2);
      bigger.set(this.#cells);
      this.#cells = bigger;
    }
    this.#cells.set(cells, offset);
    this.#count += 1;
  }

  /** Copies out the one at a place, and puts the last one there instead. */
  take(place: number, into: Uint16Array): void {
    into.set(this.#cells.subarray(place * this.size, (place + 1) * this.size));
    this.#count -= 1;
    const last = this.#count * this.size;
    this.#cells.copyWithin(place * this.size, last, last + this.size);
  }

  /** Forgets all, and keeps the room for as many. */
  clear(): void {
    this.#count = 0;
  }
}
