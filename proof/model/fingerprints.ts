/** States that were seen, by 64 bits of hash each: two among ten million are taken for one with a chance of 3 in a million. */
export class Fingerprints {
  #high = new Uint32Array(1 << 16);
  #low = new Uint32Array(1 << 16);
  // Number of the state plus 1; 0 where the slot is free.
  #numbers = new Uint32Array(1 << 16);
  #size = 0;

  /** Number of states. */
  get size(): number {
    return this.#size;
  }

  /** The number of a state that was seen before; of a new one, its number as `-1 - number`. Numbers begin with 0. */
  add(cells: Uint16Array): number {
    let high = 0xdeadbeef;
    let low = 0x41c6ce57;
    for (let i = 0; i < cells.length; i += 1) {
      const cell = cells[i] ?? 0;
      high = Math.imul(high ^ cell, 0x9e3779b1);
      high = (high << 13) | (high >>> 19);
      low = Math.imul(low ^ cell, 0x5f356495);
      low = (low << 11) | (low >>> 21);
    }
    high = Math.imul(high ^ (high >>> 16), 0x85ebca6b) ^ Math.imul(low ^ (low >>> 13), 0xc2b2ae35);
    low = Math.imul(low ^ (low >>> 16), 0x85ebca6b) ^ Math.imul(high ^ (high >>> 13), 0xc2b2ae35);
    return this.#find(high >>> 0, low >>> 0);
  }

  #find(high: number, low: number): number {
    const mask = this.#numbers.length - 1;
    for (let slot = low & mask; ; slot = (slot + 1) & mask) {
      const number = this.#numbers[slot] ?? 0;
      if (number === 0) {
        this.#put(slot, high, low);
        return -this.#size;
      }
      if (this.#high[slot] === high && this.#low[slot] === low) return number - 1;
    }
  }

  #put(slot: number, high: number, low: number): void {
    this.#size += 1;
    this.#high[slot] = high;
    this.#low[slot] = low;
    this.#numbers[slot] = this.#size;
    if (this.#size * 2 > this.#numbers.length) this.#grow();
  }

  #grow(): void {
    const [high, low, numbers] = [this.#high, this.#low, this.#numbers];
    const length = numbers.length * 2;
    this.#high = new Uint32Array(length);
    this.#low = new Uint32Array(length);
    this.#numbers = new Uint32Array(length);
    for (const [from, number] of numbers.entries()) {
      if (number === 0) continue;
      let slot = (low[from] ?? 0) & (length - 1);
      while (this.#numbers[slot] !== 0) slot = (slot + 1) & (length - 1);
      this.#high[slot] = high[from] ?? 0;
      this.#low[slot] = low[from] ?? 0;
      this.#numbers[slot] = number;
    }
  }
}
