// Another team's program in the same container. It knows nothing of the SDK, and is not changed but for one line.
import { setTimeout as pause } from 'node:timers/promises';
import type { Container } from '@azure/cosmos';

/** Writes its own documents, and counts everybody's, until it is stopped. */
export class Neighbour {
  readonly #container: Container;
  readonly #stop = new AbortController();
  readonly #work: Promise<void>;
  #rounds = 0;

  constructor(container: Container) {
    this.#container = container;
    this.#work = this.#run();
  }

  /** Stops it, and tells how many orders it wrote and found; they are as many as it wrote. */
  async stop(): Promise<{ readonly written: number; readonly found: number }> {
    this.#stop.abort();
    await this.#work;
    const query = 'SELECT VALUE COUNT(1) FROM c WHERE c.type = "order" AND NOT IS_DEFINED(c._h)';
    const [found = 0] = (await this.#container.items.query<number>(query).fetchAll()).resources;
    return { written: this.#rounds, found };
  }

  /** Its nightly report: accounts by tenant. */
  async report(): Promise<string> {
    // The one line: a deleted account stays as a tombstone, which carries this mark.
    const alive = 'NOT IS_DEFINED(c._h.x)';
    const query = `SELECT c.tenantId, COUNT(1) AS n FROM c WHERE c.type = "account" AND ${alive} GROUP BY c.tenantId`;
    const { resources } = await this.#container.items
      .query<{ tenantId: string; n: number }>(query)
      .fetchAll();
    const lines = resources.map(({ tenantId, n }) => `${tenantId} ${n}`);
    return lines.toSorted().join(', ');
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const order = {
        id: `order-${this.#rounds}`,
        tenantId: `t${this.#rounds % 3}`,
        type: 'order',
        total: 9,
      };
      await this.#container.items.create(order);
      this.#rounds += 1;
      await pause(10);
    }
  }
}
