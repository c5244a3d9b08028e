import type { Action } from './action.ts';
import { at, type Model, RULES, WHOLE } from './model.ts';
import { AT } from './state.ts';
import { isPostgres } from './stores.ts';

// Every checkpoint and backfill has passed, and nothing is under way: the tombstone's age is longer than any of it takes.
function isQuiet(model: Model, key: number): boolean {
  const { relays, reverse, backfill, keys, common } = model.state;
  if (model.has('purged before the relay has passed')) return true;
  return (
    relays.every((relay) => relay.at === AT.idle) &&
    reverse.at === AT.idle &&
    (model.world.backfill !== true || backfill.at === AT.copier.done) &&
    at(keys, key).dirty === 0 &&
    model.isRead(key, common.sequence) &&
    !isAwaited(model, key)
  );
}

// Whether a caller may yet repeat an operation that the tombstone remembers.
function isAwaited(model: Model, key: number): boolean {
  const lineage = model.documents.lineageOf(at(model.state.keys, key).document);
  return model.state.members.some(({ isDead, operation }, i) => {
    const next = at(model.world.members, i).operations[operation];
    return isDead === 0 && next?.key === key && (lineage & (1 << next.id)) !== 0;
  });
}

const purges: readonly Action[] = [
  {
    name: 'the purger removes a tombstone in Cosmos DB',
    actor: 'key',
    guard: (model, key) => {
      const { document, purged } = at(model.state.keys, key);
      const isTombstone = document !== 0 && !model.documents.isLive(document);
      return (
        model.state.common.purges > 0 &&
        isTombstone &&
        purged === 0 &&
        !isPostgres(model) &&
        isQuiet(model, key)
      );
    },
    effect: (model, index) => {
      const { common, keys } = model.state;
      const key = at(keys, index);
      key.purged = key.document;
      key.document = 0;
      key.sequence = common.sequence += 1;
      common.purges -= 1;
      common.now += 1;
    },
  },
  {
    name: 'the purger removes the same tombstone in PostgreSQL',
    actor: 'key',
    guard: (model, index) => {
      const key = at(model.state.keys, index);
      if (key.purged === 0 || key.row === 0 || model.state.common.isDown === 1) return false;
      if (model.has('purged whatever the version')) return true;
      return !model.documents.isLive(key.row) && model.documents.order(key.row, key.purged) === 0;
    },
    effect: (model, index) => {
      const key = at(model.state.keys, index);
      key.row = key.purged = 0;
    },
  },
];

const foreign: readonly Action[] = [
  {
    name: 'a foreign writer writes around the SDK',
    actor: 'key',
    guard: (model, index) => {
      const { common, keys } = model.state;
      if (common.foreign === 0 || at(keys, index).document === 0) return false;
      return !isPostgres(model) || model.world.foreignAlways === true;
    },
    effect: (model, index) => {
      const { common, keys, ghost } = model.state;
      const key = at(keys, index);
      common.foreign -= 1;
      key.sequence = common.sequence += 1;
      if (model.world.foreign === 'remove') {
        ghost.excused |= key.cosmosLineage;
        ghost.reported = 1;
        key.document = 0;
        return;
      }
      key.document = model.documents.foreign(key.document, model.world.foreign === 'keep the stamp');
      key.cosmosLineage = model.documents.lineageOf(key.document);
    },
  },
];

const outside: readonly Action[] = [
  {
    name: 'config wishes for the next phase',
    actor: 'world',
    guard: (model) => model.state.common.wish + 1 < model.world.wishes.length,
    effect: (model) => {
      model.state.common.wish += 1;
    },
  },
  {
    name: 'a person decides the conflicts in the journal',
    actor: 'world',
    guard: (model) => model.state.ghost.openConflicts === 1,
    effect: (model) => {
      model.state.ghost.openConflicts = 0;
    },
  },
  {
    // Children go on where the parent stood, in the transaction that makes them; the parent's checkpoint is gone with it.
    name: 'a feed range is split',
    actor: 'world',
    guard: (model) => model.state.common.splits > 0 && RULES[model.state.row.phase]?.feed === true,
    effect: (model) => {
      const { common, ranges } = model.state;
      const parent = at(ranges, WHOLE);
      const position = model.has('child ranges start at the end') ? common.sequence : parent.position;
      for (const child of ranges.slice(1)) Object.assign(child, { exists: 1, position });
      Object.assign(parent, { exists: 0, position: 0, revision: parent.revision + 1 });
      common.splits -= 1;
      common.isSplit = 1;
    },
  },
  {
    name: 'PostgreSQL goes down: transactions under way are rolled back',
    actor: 'world',
    fault: true,
    guard: (model) => model.mayFail('postgres outage') && model.state.common.isDown === 0,
    effect: (model) => {
      const { common, members } = model.state;
      common.faults -= 1;
      common.isDown = 1;
      for (const member of members)
        if (member.at === AT.member.transaction)
          Object.assign(member, { at: AT.idle, document: 0, term: 0, captures: 0, locks: 0 });
    },
  },
  {
    name: 'PostgreSQL is back',
    actor: 'world',
    guard: (model) => model.state.common.isDown === 1,
    effect: (model) => {
      model.state.common.isDown = 0;
    },
  },
  {
    name: 'a lifetime that somebody set purges the permit',
    actor: 'world',
    fault: true,
    guard: (model) =>
      model.has('permit can be purged') && isPostgres(model) && model.state.permit.exists === 1,
    effect: (model) => model.state.permit.clear(),
  },
];

/** What comes from outside: config, people, purges, foreign writers, splits and outages. */
export const worldActions: readonly Action[] = [...purges, ...foreign, ...outside];
