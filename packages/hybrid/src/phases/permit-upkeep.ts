import { type ControlRow, type DocumentStore, isTransientError, type Permit } from '@polyphase/core';
import { DRIFT } from '../protocol-limits.ts';
import type { Group } from './group.ts';
import { bringPermitTo } from './permit-projection.ts';
import { PHASES } from './phase-table.ts';

/** Brings the permit of one group to its control row, as a controller finds it, and this process's own calls after it. */
export class PermitUpkeep {
  readonly #group: Group;
  readonly #cosmos: DocumentStore | undefined;
  #closed: { readonly epoch: number; readonly at: number } | undefined;

  constructor(options: { readonly group: Group; readonly cosmos: DocumentStore | undefined }) {
    this.#group = options.group;
    this.#cosmos = options.cosmos;
  }

  /** Finishes whatever another controller began with this row. */
  async bring(row: ControlRow, signal: AbortSignal): Promise<void> {
    if (PHASES[row.phase].authority === 'postgres') {
      // Calls need nothing of Cosmos DB now, so its loss must not keep them from going on.
      this.#group.observe(row);
      await this.#close(row, signal);
    } else if (this.#cosmos && row.phase !== '5') {
      const permit = await bringPermitTo(row, this.#cosmos.permits, this.#group.limits, signal);
      this.#group.observe(row);
      // Arming is done when the longer leases are over; whoever finds it half done waits from its own sight of it.
      if (row.phase === '4' && permit.drainMs > permit.leaseMs) await this.#waitOut(row, permit, signal);
    }
    this.#group.observe(row);
  }

  // From 6 on the permit stays as the seal left it; but where there is none (there never was, or the container was made anew), a process
  // without PostgreSQL would open one. So it is looked at again from time to time, until Cosmos DB is let go.
  async #close(row: ControlRow, signal: AbortSignal): Promise<void> {
    const { clock, limits } = this.#group;
    const now = clock.monotonic();
    const seen = this.#closed?.epoch === row.epoch ? this.#closed : undefined;
    if (!this.#cosmos || (seen && (row.phase === '7' || now - seen.at < limits.armedLeaseMs))) return;
    try {
      await bringPermitTo(row, this.#cosmos.permits, limits, signal);
      this.#closed = { epoch: row.epoch, at: now };
    } catch (error) {
      if (!isTransientError(error)) throw error;
    }
  }

  async #waitOut(row: ControlRow, permit: Permit, signal: AbortSignal): Promise<void> {
    await this.#group.clock.sleep(permit.drainMs * DRIFT, signal);
    await this.#cosmos?.permits.drained(row.group, row.epoch, permit.leaseMs, { signal });
  }
}
