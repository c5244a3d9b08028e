/** Numbers each change of a store, so that a feed can tell what came after what. */
export class MemorySequence {
  #last = 0;

  /** Number of the last change; 0 before the first. */
  get last(): number {
    return this.#last;
  }

  /** The number of a new change. */
  next(): number {
    this.#last += 1;
    return this.#last;
  }
}
