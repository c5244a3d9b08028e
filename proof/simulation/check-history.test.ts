import { type JsonObject, recordDigest, type StoredRecord } from '@polyphase/core';
import { describe, expect, it } from 'vitest';
import { checkHistory } from './check-history.ts';
import type { History, Operation, Rest } from './history.ts';

const KEY = '["ada"] 1';
let clock = 0;

function value(id: string, marks: readonly string[] = [id], rank = 0): JsonObject {
  return { id: '1', owner: 'ada', text: id, rank, marks: Object.fromEntries(marks.map((mark) => [mark, 1])) };
}

/** An operation that begins after all before it have ended. */
function one(kind: Operation['kind'], id: string, more: Partial<Operation> = {}): Operation {
  clock += 10;
  const times = { invokedAt: clock, endedAt: clock + 5 };
  return { id, session: 's', kind, key: KEY, outcome: 'done', rank: 0, ...times, ...more };
}

const v = (term: number, counter: number) => ({ version: { term, counter } });
const seen = (id: string, marks?: readonly string[], rank?: number) => ({ seen: value(id, marks, rank) });

function stored(id: string, at: { term: number; counter: number }, marks?: readonly string[]): StoredRecord {
  const held = id === '' ? undefined : value(id, marks);
  const operations = id === '' ? [] : [{ id, ...at }];
  return {
    key: { partition: ['ada'], id: '1' },
    version: at,
    value: held,
    digest: recordDigest(held),
    operations,
  };
}

function history(
  operations: readonly Operation[],
  last: StoredRecord | undefined,
  more: Partial<Omit<History, 'rest'>> & { readonly rest?: Partial<Rest> } = {},
): History {
  const held = new Map(last ? [[KEY, last]] : []);
  const rest: Rest = { phase: '2', cosmos: held, postgres: held, journal: [], ...more.rest };
  return { operations, moves: [], stragglers: [], realTime: true, staleMs: 0, ...more, rest };
}

const broken = (of: History) => checkHistory(of).map(({ breaks }) => breaks);

const good = () => [
  one('create', 'a', v(1, 1)),
  one('patch', 'b', v(1, 2)),
  one('get', 'r', { ...v(1, 2), ...seen('b', ['a', 'b']) }),
];

describe('checkHistory', () => {
  it('finds nothing in a history that keeps every promise', () => {
    const operations = [...good(), one('delete', 'c', { ...v(1, 3), existed: true }), one('get', 'r2')];
    expect(checkHistory(history(good(), stored('b', { term: 1, counter: 2 }, ['a', 'b'])))).toEqual([]);
    expect(checkHistory(history(operations, stored('', { term: 1, counter: 3 })))).toEqual([]);
  });

  it('D1: finds an acknowledged write that the end lacks', () => {
    expect(broken(history(good(), stored('a', { term: 1, counter: 1 })))).toEqual(['D1']);
    expect(broken(history(good(), undefined))).toEqual(['D1']);
  });

  it('D1: finds a fork, and a write of a new term that does not descend from the last of the old', () => {
    const fork = [one('create', 'a', v(1, 1)), one('replace', 'b', v(1, 2)), one('replace', 'c', v(1, 2))];
    expect(broken(history(fork, stored('c', { term: 1, counter: 2 })))).toContain('D1');
    const lost = [one('create', 'a', v(1, 1)), one('replace', 'b', v(1, 2)), one('replace', 'c', v(2, 2))];
    expect(broken(history(lost, stored('c', { term: 2, counter: 2 })))).toEqual(['D1']);
  });

  it('D1: finds a patch that a later value has lost, and a conditional write that overwrote another', () => {
    const patches = [one('create', 'a', v(1, 1)), one('patch', 'b', v(1, 2)), one('patch', 'c', v(1, 3))];
    expect(broken(history(patches, stored('c', { term: 1, counter: 3 }, ['a', 'c'])))).toEqual(['D1']);
    const condition = { ...v(1, 3), ifVersion: { term: 1, counter: 1 } };
    const update = [
      one('create', 'a', v(1, 1)),
      one('replace', 'b', v(1, 2)),
      one('replace', 'c', condition),
    ];
    expect(broken(history(update, stored('c', { term: 1, counter: 3 })))).toEqual(['D1']);
  });

  it('D1: finds a read that is older than what was acknowledged to another session before it', () => {
    const reads = [...good(), one('get', 'r2', { ...v(1, 1), ...seen('a'), session: 't' })];
    const last = stored('b', { term: 1, counter: 2 }, ['a', 'b']);
    expect(broken(history(reads, last))).toEqual(['D1']);
    // Where accounts promise sessions only, that is no violation; nor where PostgreSQL may be as far behind.
    expect(broken(history(reads, last, { realTime: false }))).toEqual([]);
    const lagging = reads.map((read) => ({ ...read, mayLag: read.id === 'r2' }));
    expect(broken(history(lagging, last, { staleMs: 1_000 }))).toEqual([]);
    expect(broken(history(lagging, last, { staleMs: 1 }))).toEqual(['D1']);
  });

  it('D2: finds a record that came back after it was deleted', () => {
    const deleted = [one('create', 'a', v(1, 1)), one('delete', 'b', { ...v(1, 2), existed: true })];
    const back = [...deleted, one('get', 'r', { ...v(1, 1), ...seen('a'), session: 't' })];
    expect(broken(history(back, stored('', { term: 1, counter: 2 })))).toEqual(['D2']);
    const patched = [...deleted, one('patch', 'c', v(1, 3))];
    expect(broken(history(patched, stored('c', { term: 1, counter: 3 }, ['a', 'c'])))).toContain('D2');
  });

  it('D2: knows a full write whose end nobody was told, and which came after the delete', () => {
    const late = one('create', 'x', { outcome: 'unknown', rank: 7 });
    const writes = [late, one('create', 'a', v(1, 1)), one('delete', 'b', { ...v(1, 2), existed: true })];
    const found = [...writes, one('patch', 'c', v(1, 4))];
    const at = { term: 1, counter: 4 };
    const last = { ...stored('c', at, ['x', 'c']), value: value('c', ['x', 'c'], 7) };
    expect(broken(history(found, last))).toEqual([]);
    const known = found.map((write) => (write === late ? { ...write, rank: 8 } : write));
    expect(broken(history(known, last))).toContain('D2');
  });

  it('D3: finds an operation that took effect twice, and one that was refused and took effect', () => {
    const twice = [...good(), one('get', 'r2', { ...v(1, 3), ...seen('b', ['a', 'b']) })];
    expect(broken(history(twice, stored('b', { term: 1, counter: 3 }, ['a', 'b'])))).toContain('D3');
    const refused = [one('create', 'a', v(1, 1)), one('patch', 'b', { outcome: 'refused' })];
    expect(broken(history(refused, stored('b', { term: 1, counter: 2 }, ['a', 'b'])))).toEqual(['D3']);
  });

  it('D4: finds a value that nobody wrote, and one of a time to come', () => {
    const strange = [...good(), one('get', 'r2', { ...v(1, 2), ...seen('nobody') })];
    expect(broken(history(strange, stored('b', { term: 1, counter: 2 }, ['a', 'b'])))).toContain('D4');
    const [a, b, r] = good();
    const early = [a, b, { ...r, endedAt: 0 }].filter((read) => read !== undefined) as Operation[];
    expect(broken(history(early, stored('b', { term: 1, counter: 2 }, ['a', 'b'])))).toContain('D4');
    const kept = [
      ...good(),
      one('replace', 'd', v(1, 3)),
      one('get', 'r3', { ...v(1, 3), ...seen('d', ['a', 'd']) }),
    ];
    expect(broken(history(kept, stored('d', { term: 1, counter: 3 })))).toEqual(['D4']);
    const rank = [one('create', 'a', v(1, 1)), one('get', 'r2', { ...v(1, 1), ...seen('a', ['a'], 7) })];
    expect(broken(history(rank, stored('a', { term: 1, counter: 1 })))).toEqual(['D4']);
  });

  it('D5: finds stores that differ at rest, but for tombstones', () => {
    const last = stored('b', { term: 1, counter: 2 }, ['a', 'b']);
    const behind = new Map([[KEY, stored('a', { term: 1, counter: 1 })]]);
    expect(broken(history(good(), last, { rest: { postgres: behind } }))).toEqual(['D5']);
    expect(broken(history(good(), last, { rest: { postgres: new Map() } }))).toEqual(['D5']);
    const gone = history([], stored('', { term: 1, counter: 3 }), { rest: { postgres: new Map() } });
    expect(broken(gone)).toEqual([]);
  });

  it('D6: finds a write of an old term that began in a new one, and one that was told too early', () => {
    const moves = [{ at: 0, term: 2, phase: '6' as const }];
    const last = stored('b', { term: 1, counter: 2 }, ['a', 'b']);
    expect(broken(history(good(), last, { moves }))).toEqual(['D6', 'D6']);
    const late = [{ at: Number.MAX_VALUE, term: 2, phase: '6' as const }];
    const early = [one('create', 'a', v(2, 1)), one('patch', 'b', v(2, 2))];
    const after = stored('b', { term: 2, counter: 2 }, ['a', 'b']);
    expect(broken(history(early, after, { moves: late }))).toEqual(['D6', 'D6']);
  });

  it('D7: finds a straggler that neither the journal nor the lineage has', () => {
    const last = stored('b', { term: 1, counter: 2 }, ['a', 'b']);
    const straggler = { at: 1, key: KEY, operationId: 'x', value: value('x') };
    const unknown = [...good(), one('patch', 'x', { outcome: 'unknown' })];
    expect(broken(history(unknown, last, { stragglers: [straggler] }))).toEqual(['D7']);
    const entry = { kind: 'conflict' as const, entity: 'notes', key: KEY, reason: '', issues: [] };
    const bodies = { theirs: JSON.stringify(value('x')), ours: JSON.stringify(last.value) };
    const journal = [{ ...entry, bodies }];
    expect(broken(history(unknown, last, { stragglers: [straggler], rest: { journal } }))).toEqual([]);
  });

  it('D7: knows a straggler by the one that replaced it', () => {
    const last = stored('b', { term: 1, counter: 2 }, ['a', 'b']);
    const first = { at: 1, key: KEY, operationId: 'x', value: value('x') };
    const second = { at: 2, key: KEY, operationId: 'y', value: undefined };
    const writes = [
      ...good(),
      one('patch', 'x', { outcome: 'unknown' }),
      one('delete', 'y', { outcome: 'unknown' }),
    ];
    const entry = { kind: 'conflict' as const, entity: 'notes', key: KEY, reason: '', issues: [] };
    const journal = [{ ...entry, bodies: { theirs: undefined, ours: JSON.stringify(last.value) } }];
    expect(broken(history(writes, last, { stragglers: [first, second], rest: { journal } }))).toEqual([]);
    const late = { ...first, at: 3 };
    expect(broken(history(writes, last, { stragglers: [late, second], rest: { journal } }))).toEqual(['D7']);
  });

  it('D8: finds a session that does not read what it wrote or read', () => {
    const back = [...good(), one('get', 'r2', { ...v(1, 1), ...seen('a') })];
    const last = stored('b', { term: 1, counter: 2 }, ['a', 'b']);
    expect(broken(history(back, last, { realTime: false }))).toEqual(['D8']);
    const nothing = [...good(), one('get', 'r2')];
    expect(broken(history(nothing, last, { realTime: false }))).toEqual(['D8']);
  });

  it('D9: tells what kept a run from coming to rest', () => {
    const last = stored('b', { term: 1, counter: 2 }, ['a', 'b']);
    expect(broken(history(good(), last, { rest: { stuck: 'lag' } }))).toEqual(['D9']);
  });
});
