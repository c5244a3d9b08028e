import {
  authorityOf,
  type ControlRow,
  InvalidOptionsError,
  type Permit,
  type RecordHost,
  type RelationalStore,
  type Wish,
} from '@polyphase/core';
import type { Group } from './group.ts';

/** A permit that never granted a lease: nothing need be waited out. */
const NEVER_OPENED: Permit = {
  epoch: 0,
  open: false,
  opening: 0,
  term: 1,
  leaseMs: 0,
  drainMs: 0,
  tombstones: false,
};

/** The permit of a group that no control row knows: phase 0, term 1. */
function firstPermit(leaseMs: number): Permit {
  return { epoch: 0, open: true, opening: 0, term: 1, leaseMs, drainMs: leaseMs, tombstones: false };
}

/**
 * Learns where a group is when this process cannot, or need not, see a control row. With no PostgreSQL at all, neither row nor
 * permit means phase 0: the permit is made. A process that merely cannot see the row never takes the permit's absence for that.
 *
 * @returns whether Cosmos DB may be used
 */
export async function openByPermit(group: Group, signal?: AbortSignal): Promise<boolean> {
  const { cosmos, postgres } = group.stores;
  if (!cosmos) return false;
  const name = group.entity.name;
  const permit = postgres
    ? await cosmos.permits.read(name, { signal })
    : await cosmos.permits.create(name, firstPermit(group.limits.leaseMs), { signal });
  if (permit?.open === true) group.observePermit(permit.term);
  return permit?.open === true;
}

/**
 * Reads the control row of a group, makes it where there is none, and notes the wish of this process's config in it.
 *
 * A new row starts at phase 0, beside the permit that is there; at 7 where there is no Cosmos DB; and, where both stores are
 * empty and PostgreSQL is wished for, in the seal before 6, which the controller then walks like any other.
 *
 * @throws {@link InvalidOptionsError} when the wish's revision is the row's and the wish is another; when the entity
 * lives in a store that was not given, or row and permit are not of one history
 */
export async function openByRow(
  group: Group,
  postgres: RelationalStore,
  wish: Wish,
  signal?: AbortSignal,
): Promise<ControlRow> {
  const name = group.entity.name;
  const there = await postgres.control.read(name, { signal });
  if (!there) {
    const made = await postgres.control.create(await firstRow(group, postgres, wish, signal), { signal });
    group.observe(made);
  } else if (!group.stores.cosmos && authorityOf(there.phase) === 'cosmos')
    throw new InvalidOptionsError({
      message: `"${name}" lives in Cosmos DB (phase ${there.phase}); give this process the cosmos store`,
    });
  else group.observe(there);
  // A process that starts with an older config than the others have follows theirs.
  if (there && there.wish.revision > wish.revision) return there;
  const row = await postgres.control.submit(name, wish, { signal });
  group.observe(row);
  return row;
}

async function firstRow(
  group: Group,
  postgres: RelationalStore,
  wish: Wish,
  signal: AbortSignal | undefined,
): Promise<ControlRow> {
  const { cosmos } = group.stores;
  const name = group.entity.name;
  if (!cosmos) return { group: name, epoch: 1, phase: '7', term: 1, wish };
  const wantsPostgres = wish.phase === '6' || wish.phase === '7';
  const empty =
    wantsPostgres && (await isEmpty(cosmos, group, signal)) && (await isEmpty(postgres, group, signal));
  // Where nothing was ever granted there is nothing to wait for; a permit that is there already says how long its leases may run.
  const permit = await cosmos.permits.create(name, empty ? NEVER_OPENED : firstPermit(group.limits.leaseMs), {
    signal,
  });
  // A permit that some row closed: the authority has moved, and the row that says so is not in this database.
  if (permit.epoch > 0 && !permit.open)
    throw new InvalidOptionsError({
      message: `The permit of "${name}" in Cosmos DB says that PostgreSQL has taken over, but this database knows nothing of it; connect to the one that does`,
    });
  return { group: name, epoch: permit.epoch + 1, phase: empty ? '5' : '0', term: permit.term, wish };
}

async function isEmpty(host: RecordHost, group: Group, signal: AbortSignal | undefined): Promise<boolean> {
  for await (const page of host.records(group.entity).scan({ signal })) if (page.length > 0) return false;
  return true;
}
