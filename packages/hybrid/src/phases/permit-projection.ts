import type { ControlRow, Permit, PermitStore } from '@polyphase/core';
import { authorityOf } from '@polyphase/core';
import type { ProtocolLimits } from '../protocol-limits.ts';

/** The permit that a control row wants, seen beside the one that is there. */
export function permitFor(row: ControlRow, there: Permit | undefined, limits: ProtocolLimits): Permit {
  const open = authorityOf(row.phase) === 'cosmos' && row.phase !== '5';
  const long = open && row.phase !== '4';
  const leaseMs = long ? limits.leaseMs : limits.armedLeaseMs;
  // A lease goes on over a step that kept the permit open. Where a step lies between what was read (perhaps from a replica that
  // lags) and the row, it may have been closed meanwhile: then a write of before must not be acknowledged by a lease of after.
  const stayedOpen = open && there?.open === true && there.epoch === row.epoch - 1;
  return {
    epoch: row.epoch,
    open,
    opening: open && !stayedOpen ? row.epoch : (there?.opening ?? 0),
    term: row.term,
    leaseMs,
    // Longer leases that were granted before, under another configuration too, may still run; only waiting them out shortens this.
    drainMs: Math.max(open ? leaseMs : 0, there?.drainMs ?? 0),
    tombstones: row.phase !== '0',
  };
}

/**
 * Brings the permit to the row: row first, permit second, always. It is never left out because the permit "looks right"; whoever
 * sees a row of phase 5 or below with a lower permit epoch finishes what another began.
 *
 * From 6 on the permit stays as the seal left it: closed. One that is open all the same was made by a process without PostgreSQL, in a
 * container that was made anew behind everybody's back; it is closed.
 *
 * @returns the permit as it is afterwards
 */
export async function bringPermitTo(
  row: ControlRow,
  permits: PermitStore,
  limits: ProtocolLimits,
  signal?: AbortSignal,
): Promise<Permit> {
  // What was read may lag behind, or another coordinator may come between: then it is derived again from what is there.
  for (let there = await permits.read(row.group, { signal }); ; ) {
    const mayStay = authorityOf(row.phase) === 'postgres' && there?.open === false;
    if (there && (there.epoch >= row.epoch || mayStay)) return there;
    const over = there?.epoch;
    there = await permits.project(row.group, permitFor(row, there, limits), { over, signal });
  }
}
