import type { Action } from './action.ts';
import { at, type Model, POSTGRES_OWNS, RULES } from './model.ts';
import { AT, RANGES, type RelayView } from './state.ts';
import { applyToRow, keepBoth, putDocument } from './stores.ts';

const STEP = AT.relay;

function goIdle(model: Model, j: number): void {
  const relay = at(model.state.relays, j);
  relay.at = AT.idle;
  relay.range = relay.asOf = relay.revision = relay.journal = relay.term = relay.watches = 0;
  for (const page of at(model.state.pages, j)) page.clear();
}

function seeRow(model: Model, relay: RelayView): void {
  relay.view = model.state.row.phase;
  relay.viewTerm = model.state.row.term;
}

function hasChanges(model: Model, range: number): boolean {
  const { exists, position } = at(model.state.ranges, range);
  if (exists === 0) return false;
  return model.state.keys.some(
    ({ document, sequence }, key) => model.rangeOf(key) === range && document !== 0 && sequence > position,
  );
}

function readPage(model: Model, j: number, range: number): void {
  const { relays, ranges, keys, common } = model.state;
  const relay = at(relays, j);
  // One relay sees the row when its process does, which may be late; that is looked at where there are two.
  if (model.world.relays === 1) seeRow(model, relay);
  const { position, revision } = at(ranges, range);
  relay.at = STEP.judge;
  relay.range = range;
  relay.revision = revision;
  relay.asOf = 0;
  relay.term = relay.viewTerm;
  relay.watches = POSTGRES_OWNS[relay.view] === true ? 1 : 0;
  for (const [key, { document, sequence }] of keys.entries()) {
    if (model.rangeOf(key) !== range || document === 0 || sequence <= position) continue;
    const page = at(at(model.state.pages, j), key);
    page.document = document;
    page.sequence = sequence;
    relay.asOf = Math.max(relay.asOf, sequence);
  }
  if (model.has('checkpoint before apply')) at(ranges, range).position = common.sequence;
  if (model.world.slowRelay === true) return;
  judgePage(model, j);
  if (isStamping(model, j)) stampPage(model, j);
  applyPage(model, j);
}

function isStamping(model: Model, j: number): boolean {
  return at(model.state.relays, j).at === STEP.stamp;
}

// What is copied, what is stamped first, and what goes to the journal: as the product's relay decides it.
function judgePage(model: Model, j: number): void {
  const relay = at(model.state.relays, j);
  relay.at = STEP.apply;
  for (const [key, page] of at(model.state.pages, j).entries()) {
    if (page.document === 0) continue;
    if (relay.watches === 1 && !model.has('stamped while PostgreSQL is the authority')) watch(model, j, key);
    else stampOrCopy(model, j, key);
    if (page.stamps === 1) relay.at = STEP.stamp;
  }
}

function watch(model: Model, j: number, key: number): void {
  const { documents, state } = model;
  const page = at(at(state.pages, j), key);
  if (documents.termOf(page.document) !== 0) return;
  const { row, postgresLineage } = at(state.keys, key);
  if (!documents.hasSameBody(page.document, row))
    journalLater(model, j, documents.lineageOf(page.document) & ~postgresLineage);
  page.document = 0;
}

function stampOrCopy(model: Model, j: number, key: number): void {
  const { documents, state } = model;
  const relay = at(state.relays, j);
  const page = at(at(state.pages, j), key);
  const { row, postgresLineage } = at(state.keys, key);
  const isStamped = documents.termOf(page.document) !== 0;
  const verdict = documents.judge(page.document, row);
  if (isStamped && (verdict === 'newer' || verdict === 'same')) return;
  if (
    row !== 0 &&
    documents.termOf(row) > relay.term &&
    !model.has('stamped while PostgreSQL is the authority')
  ) {
    // A row of a later term is a stray, unless the authority moved while the page was on its way.
    const isStray = documents.termOf(row) > relay.viewTerm;
    if (!isStray && isStamped) return;
    if (!documents.hasSameBody(page.document, row))
      journalLater(model, j, documents.lineageOf(page.document) & ~postgresLineage);
    page.document = 0;
    return;
  }
  if (isStamped && model.has('nothing is stamped again')) return;
  page.stamps = 1;
  const term = model.has('stamped while PostgreSQL is the authority') ? state.row.term : relay.term;
  page.document = documents.stamped(page.document, model.has('stamped without regard to the row') ? 0 : row, {
    term,
    now: state.common.now,
  });
}

function journalLater(model: Model, j: number, operations: number): void {
  at(model.state.relays, j).journal |= operations;
  model.state.ghost.reported = 1;
}

// Under the ETag: where it has moved on, the document was only old, and what moved it comes later in the feed.
function stampPage(model: Model, j: number): void {
  const { state } = model;
  for (const [key, page] of at(state.pages, j).entries()) {
    if (page.stamps === 0) continue;
    page.stamps = 0;
    const isAsRead = at(state.keys, key).sequence === page.sequence;
    if (isAsRead || model.has('stamped without the ETag')) putDocument(model, key, page.document);
    else page.document = 0;
  }
  at(state.relays, j).at = STEP.apply;
}

// One transaction: copies, checkpoint and journal, under the fencing token.
function applyPage(model: Model, j: number): void {
  const { state } = model;
  const relay = at(state.relays, j);
  const range = at(state.ranges, relay.range);
  const isFenced = state.common.relayOwner !== j || range.exists === 0 || range.revision !== relay.revision;
  // What was judged under another authority is judged anew: what only had to be kept there may have to be stamped here.
  const isOutdated =
    relay.term !== state.row.term && !model.has('page applied in another term than it was judged in');
  if (isFenced || isOutdated) return goIdle(model, j);
  for (const [key, { document }] of at(state.pages, j).entries())
    if (document !== 0) applyToRow(model, { key, copy: document }, model.has('relay unconditional'));
  if (relay.journal !== 0) keepBoth(model, relay.journal);
  if (!model.has('checkpoint before apply')) range.position = relay.asOf;
  range.revision += 1;
  goIdle(model, j);
}

/** What the feed relay does. */
export const relayActions: readonly Action[] = [
  {
    name: 'sees the row',
    actor: 'relay',
    guard: (model, j) => {
      const { view, viewTerm } = at(model.state.relays, j);
      const { phase, term } = model.state.row;
      return (
        model.world.relays > 1 && model.state.common.isDown === 0 && (view !== phase || viewTerm !== term)
      );
    },
    effect: (model, j) => seeRow(model, at(model.state.relays, j)),
  },
  {
    name: 'reads a page of the feed',
    actor: 'copy',
    guard: (model, actor) => {
      const relay = at(model.state.relays, Math.floor(actor / RANGES));
      const view = model.world.relays === 1 ? model.state.row.phase : relay.view;
      if (relay.at !== AT.idle || model.state.common.isDown === 1 || RULES[view]?.feed !== true) return false;
      return hasChanges(model, actor % RANGES);
    },
    effect: (model, actor) => readPage(model, Math.floor(actor / RANGES), actor % RANGES),
  },
  {
    name: 'looks up the rows of the page',
    actor: 'relay',
    guard: (model, j) => at(model.state.relays, j).at === STEP.judge && model.state.common.isDown === 0,
    effect: judgePage,
  },
  {
    name: 'stamps documents under their ETags',
    actor: 'relay',
    guard: (model, j) => at(model.state.relays, j).at === STEP.stamp,
    effect: stampPage,
  },
  {
    name: 'applies the page with its checkpoint',
    actor: 'relay',
    guard: (model, j) => at(model.state.relays, j).at === STEP.apply && model.state.common.isDown === 0,
    effect: applyPage,
  },
  {
    name: 'crashes',
    actor: 'relay',
    fault: true,
    guard: (model, j) => model.mayFail('relay crash') && at(model.state.relays, j).at !== AT.idle,
    effect: (model, j) => {
      model.state.common.faults -= 1;
      goIdle(model, j);
    },
  },
  {
    name: 'takes the fencing token of the other relay',
    actor: 'relay',
    fault: true,
    guard: (model, j) =>
      model.mayFail('relay takeover') &&
      model.state.common.relayOwner !== j &&
      model.state.common.isDown === 0,
    effect: (model, j) => {
      model.state.common.faults -= 1;
      model.state.common.relayOwner = j;
    },
  },
];
