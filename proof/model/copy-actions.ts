import type { Action } from './action.ts';
import { at, RULES } from './model.ts';
import { AT } from './state.ts';
import { applyToDocument, applyToRow, keepBoth } from './stores.ts';

const reverse: readonly Action[] = [
  {
    name: 'the reverse relay claims a dirty key and reads its row',
    actor: 'key',
    guard: (model, key) => {
      const { row, common, keys, reverse: copier } = model.state;
      if (copier.at !== AT.idle || common.isDown === 1 || RULES[row.phase]?.reverse !== true) return false;
      return at(keys, key).dirty !== 0;
    },
    effect: (model, key) => {
      const { reverse: copier, keys } = model.state;
      const { row, dirty } = at(keys, key);
      Object.assign(copier, { at: AT.copier.apply, key, document: row, claimed: dirty, base: 0 });
      if (row === 0) copier.at = AT.copier.settle;
    },
  },
  {
    name: 'the reverse relay applies the row to Cosmos DB',
    actor: 'world',
    guard: (model) => model.state.reverse.at === AT.copier.apply,
    effect: (model) => {
      const { reverse: copier, keys } = model.state;
      const there = at(keys, copier.key);
      const base = copier.base === 0 ? 'own' : copier.base - 1;
      const seen = there.document;
      const theirs = there.cosmosLineage & ~model.documents.lineageOf(copier.document);
      const isBlind = model.has('reverse relay overwrites stragglers');
      const copy = { key: copier.key, copy: copier.document };
      const verdict = applyToDocument(model, copy, isBlind ? 'unasked' : base);
      if (verdict === 'straggler' || verdict === 'older' || verdict === 'diverged') keepBoth(model, theirs);
      if (verdict === 'diverged') model.state.ghost.reported = 1;
      // Both bodies are kept before one is overwritten; then the copy descends from what was seen.
      if (verdict === 'straggler') copier.base = seen + 1;
      else copier.at = AT.copier.settle;
    },
  },
  {
    name: 'the reverse relay removes the entry, if nothing was written since',
    actor: 'world',
    guard: (model) => model.state.reverse.at === AT.copier.settle && model.state.common.isDown === 0,
    effect: (model) => {
      const { reverse: copier, keys } = model.state;
      const key = at(keys, copier.key);
      const isNewest = key.dirty === copier.claimed || key.dirty === copier.document;
      if (isNewest || model.has('dirty key removed whatever was written since')) key.dirty = 0;
      copier.clear();
    },
  },
  {
    name: 'the reverse relay crashes',
    actor: 'world',
    fault: true,
    guard: (model) => model.mayFail('relay crash') && model.state.reverse.at !== AT.idle,
    effect: (model) => {
      model.state.common.faults -= 1;
      model.state.reverse.clear();
    },
  },
];

const backfill: readonly Action[] = [
  {
    name: 'the backfill reads a document',
    actor: 'world',
    guard: (model) => model.world.backfill === true && model.state.backfill.at === AT.idle,
    effect: (model) => {
      const { backfill: copier, keys } = model.state;
      const { document } = at(keys, copier.key);
      copier.document = model.documents.termOf(document) === 0 ? 0 : document;
      copier.at = AT.copier.apply;
    },
  },
  {
    name: 'the backfill applies it',
    actor: 'world',
    guard: (model) => model.state.backfill.at === AT.copier.apply && model.state.common.isDown === 0,
    effect: (model) => {
      const { backfill: copier } = model.state;
      if (copier.document !== 0)
        applyToRow(model, { key: copier.key, copy: copier.document }, model.has('backfill unconditional'));
      copier.document = 0;
      copier.key += 1;
      copier.at = copier.key < model.world.keys ? AT.idle : AT.copier.done;
    },
  },
];

/** What copies beside the feed relay: dirty keys to Cosmos DB, and the fast path of the backfill. */
export const copyActions: readonly Action[] = [...reverse, ...backfill];
