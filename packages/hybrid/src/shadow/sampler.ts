/**
 * Picks an even share of what passes. The multiples of an irrational number fall evenly between whole numbers (Weyl), so no rhythm of
 * the caller is ever met, and there is no randomness that a simulation would have to replay. The first is always picked.
 */
export class Sampler {
  readonly #step: number;
  #at = 0;

  /** @param irrational - samplers of different ones pick independently of each other */
  constructor(irrational: number) {
    this.#step = irrational % 1;
  }

  /** Whether the next one is picked, of a share from 0 to 1. */
  takes(share: number): boolean {
    const taken = this.#at < share;
    this.#at = (this.#at + this.#step) % 1;
    return taken;
  }
}
