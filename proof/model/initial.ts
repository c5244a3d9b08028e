import { at, LEASE, type Model, PHASE, POSTGRES_OWNS, WHOLE } from './model.ts';
import { become, phaseNumber } from './state.ts';

/** The date at which every world begins. What was there before is older. */
const BEGIN = 100;

/** Puts the state with which a world begins into its model. */
export function begin(model: Model): void {
  const { state, world } = model;
  state.cells.fill(0);
  const phase = phaseNumber(world.start);
  const isPostgres = POSTGRES_OWNS[phase] === true;
  become(state.row, { phase, epoch: 1, term: isPostgres ? 2 : 1 });
  const lease = phase === PHASE.armed || isPostgres ? LEASE.short : LEASE.long;
  become(state.permit, {
    exists: 1,
    open: isPostgres ? 0 : 1,
    epoch: 1,
    opening: isPostgres ? 0 : 1,
    term: 1,
    lease,
    drain: lease,
  });
  if (world.isNew === true) {
    state.row.clear();
    state.permit.clear();
  }
  become(state.common, { ...world.budgets, now: BEGIN });
  at(state.ranges, WHOLE).exists = 1;
  for (const relay of state.relays) Object.assign(relay, { view: phase, viewTerm: state.row.term });
  if (world.seed !== 'none') seed(model);
}

function seed({ state, world, documents }: Model): void {
  const date = world.clockWasAhead === true ? BEGIN + 10 : BEGIN - 10;
  for (const [index, key] of state.keys.entries()) {
    const document = documents.seed(index, world.seed === 'unstamped' ? undefined : date);
    const lineage = documents.lineageOf(document);
    key.document = document;
    key.cosmosLineage = lineage;
    key.sequence = state.common.sequence += 1;
    if (world.seed === 'same') {
      key.row = document;
      key.postgresLineage = lineage;
      at(state.ranges, WHOLE).position = key.sequence;
    }
    // What was there at the start counts as acknowledged.
    state.ghost.acknowledged |= lineage;
    state.ghost.took |= lineage;
  }
}
