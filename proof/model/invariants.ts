import { bits } from './documents.ts';
import { at, LEASE, type Model, PHASE, RULES } from './model.ts';
import { AT } from './state.ts';
import { BROKEN, isPostgres } from './stores.ts';

/** What the letters of a violation stand for: see "Zero loss, defined". S is of the protocol itself. */
export const INVARIANTS = {
  D1: 'every acknowledged write is in the lineage of the authority',
  D2: 'an acknowledged delete stays deleted until a later write',
  D3: 'an operation takes effect at most once',
  D5: 'at rest both stores hold the same',
  D6: 'only the authority of a term acknowledges in it, and only while it is',
  D7: 'what took effect and is not in the lineage of the authority is in the journal',
  D8: 'a version that a caller was told is not found in a row that lacks the write',
  D9: 'when faults stop, the wish is reached and lag is zero',
  S: 'no lease outlives the authority of Cosmos DB; versions never fall; heartbeats refuse nobody',
} as const;

/** Name of an invariant. */
export type Invariant = keyof typeof INVARIANTS;

/** What is wrong with the state that is loaded, beginning with the letter of the invariant. Undefined: nothing. */
export function violationOf(model: Model): string | undefined {
  const { ghost } = model.state;
  if (ghost.fault !== 0) return BROKEN[ghost.fault];
  for (const invariant of [lostOf, structureOf, restOf]) {
    const why = invariant(model);
    if (why !== undefined && model.asks(why)) return why;
  }
  return undefined;
}

function lostOf(model: Model): string | undefined {
  const { ghost, keys } = model.state;
  for (const [index, key] of keys.entries()) {
    const lineage = isPostgres(model) ? key.postgresLineage : key.cosmosLineage;
    const lost = ghost.acknowledged & at(model.operationsOf, index) & ~lineage & ~ghost.excused;
    if (lost === 0) continue;
    const authority = isPostgres(model) ? 'PostgreSQL' : 'Cosmos DB';
    return lost & model.deletes
      ? `D2 the acknowledged delete ${bits(lost)} is undone in ${authority}, the authority`
      : `D1 the acknowledged write ${bits(lost)} is not in what ${authority}, the authority, descends from`;
  }
  return undefined;
}

function structureOf(model: Model): string | undefined {
  const { ghost, permit, members } = model.state;
  if (ghost.cosmosTerms & ghost.postgresTerms) return 'D6 both stores acknowledged writes in one term';
  if (!isPostgres(model)) return undefined;
  if (permit.open === 1) return 'S PostgreSQL is the authority, and the permit is open';
  if (members.some(({ lease }) => lease !== LEASE.none))
    return 'S PostgreSQL is the authority, and a lease to write to Cosmos DB is valid';
  return undefined;
}

// Whether nothing is under way and nothing is left to be done, but what people or config may yet want.
function isAtRest(model: Model): boolean {
  const { members, coordinators, relays, reverse, backfill, keys, row, common } = model.state;
  if (common.isDown === 1 || reverse.at !== AT.idle) return false;
  if (coordinators.some((it) => it.at !== AT.idle) || relays.some((it) => it.at !== AT.idle)) return false;
  const isDone = members.every((member, i) => {
    const { operations, knowsPostgres } = at(model.world.members, i);
    // A process without PostgreSQL has nothing to do where that is the authority.
    const isLeft = member.operation < operations.length && (knowsPostgres || !isPostgres(model));
    return member.isDead === 1 || (member.at === AT.idle && !isLeft);
  });
  if (!isDone || (model.world.backfill === true && backfill.at !== AT.copier.done)) return false;
  const rules = at(RULES, row.phase);
  const hasFed = !rules.feed || keys.every((_, key) => model.isRead(key, common.sequence));
  const hasCopied = !rules.reverse || keys.every(({ dirty }) => dirty === 0);
  return hasFed && hasCopied;
}

function restOf(model: Model): string | undefined {
  if (!isAtRest(model)) return undefined;
  const { ghost, keys, row } = model.state;
  const { feed } = at(RULES, row.phase);
  // Where no feed is read, PostgreSQL or Cosmos DB stands alone; while it is rearmed, nothing is promised yet.
  if (!feed || row.phase === PHASE.rearm) return undefined;
  for (const [index, key] of keys.entries()) {
    if (!model.documents.looksSame(key.document, key.row) && ghost.reported === 0)
      return `D5 the stores differ at rest: Cosmos DB has ${model.documents.describe(key.document)}, PostgreSQL ${model.documents.describe(key.row)}`;
    const lineage = isPostgres(model) ? key.postgresLineage : key.cosmosLineage;
    const vanished = ghost.took & at(model.operationsOf, index) & ~lineage & ~ghost.journal & ~ghost.excused;
    if (vanished !== 0)
      return `D7 ${bits(vanished)} took effect and vanished without an entry in the journal`;
  }
  return undefined;
}

/** Whether the migration has ended well: the last wish is reached, the permit fits the row, and nothing is under way. */
export function hasEndedWell(model: Model): boolean {
  const { row, permit, common } = model.state;
  if (common.wish + 1 < model.world.wishes.length || model.next(row.phase) !== undefined) return false;
  const fits = isPostgres(model) ? permit.open === 0 : permit.open === 1 && permit.epoch === row.epoch;
  return fits && isAtRest(model);
}
