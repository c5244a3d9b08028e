import { type CallGate, enterAll, type Ticket } from './call-gate.ts';
import type { PhaseRules } from './phase-table.ts';

/** What {@link enterTogether} needs to know of an entity. */
export interface Entered {
  readonly group: { readonly gate: CallGate; readonly rules: PhaseRules };
  /** Looks at the control row again. */
  refresh(signal?: AbortSignal): Promise<void>;
}

/**
 * Enters entities that move together, at a moment when none of them is sealed and all are seen on one side. Their rows move in one step,
 * and a process learns of it row by row.
 *
 * @returns a ticket for each, also where they stay on two sides: those that have not come together yet
 * @throws `SealedError` when the wait was too long
 */
export async function enterTogether(
  entities: readonly Entered[],
  signal?: AbortSignal,
): Promise<readonly Ticket[]> {
  const gates = entities.map(({ group }) => group.gate);
  const until = gates[0]?.waitEndsAt;
  const tickets = await enterAll(gates, { signal, until });
  if (new Set(entities.map(({ group }) => group.rules.authority)).size === 1) return tickets;
  for (const ticket of tickets) ticket.leave();
  await Promise.all(entities.map((entity) => entity.refresh(signal)));
  return enterAll(gates, { signal, until });
}
