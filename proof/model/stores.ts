import type { Base } from './documents.ts';
import { at, type Model, POSTGRES_OWNS } from './model.ts';

/** What is never to happen, and is noticed by the step that does it; by number in a state. */
export const BROKEN = [
  '',
  'D3 an operation took effect twice',
  'D6 Cosmos DB acknowledged a write while PostgreSQL was the authority',
  'D6 PostgreSQL committed a write outside of its phase or term',
  'D8 the version that a caller was told finds a row that looks as new and lacks the write',
  'S version of a record fell',
  'S a heartbeat refused the write of a coordinator',
] as const;

/** Notes that what is never to happen has happened. The first is kept. */
export function note(model: Model, what: (typeof BROKEN)[number]): void {
  if (model.asks(what)) model.state.ghost.fault ||= BROKEN.indexOf(what);
}

/** Stores a document in Cosmos DB, which gives it the next place in the feed. */
export function putDocument(model: Model, key: number, document: number): void {
  const { state, documents } = model;
  const there = at(state.keys, key);
  if (documents.termOf(there.document) !== 0 && documents.order(document, there.document) <= 0)
    note(model, 'S version of a record fell');
  there.document = document;
  there.cosmosLineage = documents.lineageOf(document);
  there.sequence = state.common.sequence += 1;
}

/** Stores a row in PostgreSQL. */
export function putRow(model: Model, key: number, row: number): void {
  const { state, documents } = model;
  const there = at(state.keys, key);
  if (there.row !== 0 && documents.order(row, there.row) <= 0) note(model, 'S version of a record fell');
  there.row = row;
  there.postgresLineage = documents.lineageOf(row);
}

/** A document that is copied, and the key that it is of. */
export interface Copy {
  readonly key: number;
  readonly copy: number;
}

/** The one conditional apply to PostgreSQL. What the row does not descend from goes to the journal. */
export function applyToRow(model: Model, { key, copy }: Copy, isUnconditional: boolean): void {
  const { state, documents } = model;
  const there = at(state.keys, key);
  const verdict = isUnconditional ? 'newer' : documents.judge(copy, there.row);
  if (verdict === 'newer') {
    there.row = copy;
    there.postgresLineage = documents.lineageOf(copy);
  } else if (verdict === 'straggler' || verdict === 'diverged') {
    keepBoth(model, documents.lineageOf(copy) & ~there.postgresLineage);
    // While Cosmos DB is the authority its document is stamped anew, so that the row follows; afterwards a person decides.
    if (verdict === 'diverged' && isPostgres(model)) state.ghost.reported = 1;
  }
}

/** The conditional apply to Cosmos DB. @returns the verdict, and for `newer` it is stored */
export function applyToDocument(model: Model, { key, copy }: Copy, base: Base): string {
  const there = at(model.state.keys, key);
  const verdict = model.documents.judge(copy, there.document, base);
  if (verdict === 'newer') putDocument(model, key, copy);
  return verdict;
}

/** Keeps both bodies in the journal, for a person to decide. */
export function keepBoth(model: Model, operations: number): void {
  const { ghost } = model.state;
  if (!model.has('stragglers are dropped')) ghost.journal |= operations;
  ghost.openConflicts = 1;
}

/** Whether PostgreSQL is the authority now. */
export function isPostgres(model: Model): boolean {
  return POSTGRES_OWNS[model.state.row.phase] === true;
}
