import { authorityOf, type Journaled, type JsonObject, type StoredRecord } from '@polyphase/core';
import {
  type History,
  type Move,
  type Operation,
  order,
  type Rest,
  type Straggler,
  type Violation,
} from './history.ts';
import { BEFORE, Lineage, type Sight } from './lineage.ts';
import { textOf } from './note.ts';
import { checkRead, checkRealTime } from './real-time.ts';

/**
 * Everything that is wrong with a history: which of the invariants it breaks, and how. Versions give the order of writes, so each
 * look takes little more time than reading it does.
 */
export function checkHistory(history: History): readonly Violation[] {
  const { operations, rest } = history;
  const violations: Violation[] = [];
  const authority = authorityOf(rest.phase) === 'postgres' ? rest.postgres : rest.cosmos;
  const lineages = new Map<string, Lineage>();
  for (const [key, own] of byKey(operations)) {
    const last = authority.get(key);
    const sights = sightsOf(own, last);
    const lineage = new Lineage(own, sights, last);
    lineages.set(key, lineage);
    lineage.checkChain();
    for (const sight of sights) lineage.checkSight(sight);
    violations.push(...lineage.violations, ...checkRealTime(own, lineage, history));
    violations.push(...checkLast(key, own, lineage, last));
  }
  violations.push(...checkTerms(operations, history.moves, lineages));
  violations.push(...checkStragglers(history.stragglers, rest.journal, lineages));
  violations.push(...checkStores(rest));
  if (rest.stuck !== undefined) violations.push({ breaks: 'D9', why: rest.stuck });
  return violations;
}

function byKey(operations: readonly Operation[]): ReadonlyMap<string, readonly Operation[]> {
  return Map.groupBy(operations, ({ key }) => key);
}

function sightsOf(operations: readonly Operation[], last: StoredRecord | undefined): readonly Sight[] {
  const sights = operations.flatMap(({ id, seen, version, endedAt }): Sight[] =>
    seen && version ? [{ what: id, at: endedAt, version, value: seen }] : [],
  );
  if (last?.value)
    sights.push({ what: 'the end', at: Number.POSITIVE_INFINITY, version: last.version, value: last.value });
  return sights;
}

// What the authority holds at rest is what everybody would read who comes then.
function checkLast(
  key: string,
  operations: readonly Operation[],
  lineage: Lineage,
  last: StoredRecord | undefined,
): readonly Violation[] {
  const acknowledged = lineage.placed.filter(({ operation }) => operation.outcome === 'done');
  const highest = acknowledged.at(-1);
  const read: Operation = {
    id: 'the end',
    session: 'the end',
    kind: 'get',
    key,
    invokedAt: Number.POSITIVE_INFINITY,
    endedAt: Number.POSITIVE_INFINITY,
    outcome: 'done',
    version: last?.value ? last.version : undefined,
  };
  const floor = highest && { version: highest.version, by: highest.operation };
  return checkRead(read, { floor, breaks: 'D1', lineage, operations });
}

function checkTerms(
  operations: readonly Operation[],
  moves: readonly Move[],
  lineages: ReadonlyMap<string, Lineage>,
): readonly Violation[] {
  // Before there is a row, it is term 1.
  const begun = new Map<number, number>([[1, Number.NEGATIVE_INFINITY]]);
  const there = new Map(begun);
  for (const { term, at, notBefore = at } of moves)
    if (!begun.has(term)) {
      begun.set(term, notBefore);
      there.set(term, at);
    }
  const terms = [...there].toSorted(([a], [b]) => a - b);
  return operations.flatMap((operation): Violation[] => {
    const version =
      operation.kind === 'get' ? operation.version : lineages.get(operation.key)?.versionOf(operation.id);
    if (!version || version.term === 0 || operation.outcome !== 'done' || operation.session === BEFORE)
      return [];
    const { id, kind, invokedAt, endedAt } = operation;
    const inForce = terms.findLast(([, at]) => at <= invokedAt)?.[0] ?? 1;
    // A read may find what was written long ago.
    if (kind !== 'get' && version.term < inForce)
      return [
        { breaks: 'D6', why: `${id} began in term ${inForce} and was made true in term ${version.term}` },
      ];
    if ((begun.get(version.term) ?? 0) > endedAt)
      return [{ breaks: 'D6', why: `${id} was told of term ${version.term} before it began` }];
    return [];
  });
}

function checkStragglers(
  stragglers: readonly Straggler[],
  journal: readonly Journaled[],
  lineages: ReadonlyMap<string, Lineage>,
): readonly Violation[] {
  const kept = new Set(
    journal.map(({ key, bodies }) => `${key} ${bodies.theirs === undefined ? '' : writerOf(bodies.theirs)}`),
  );
  const isKept = ({ key, operationId, value }: Straggler): boolean =>
    kept.has(`${key} ${value ? operationId : ''}`);
  return stragglers.flatMap((straggler): Violation[] => {
    const { key, operationId, at } = straggler;
    // One that another has replaced in Cosmos DB is in what is kept of that: a feed shows the latest.
    if (stragglers.some((it) => it.key === key && it.at >= at && isKept(it))) return [];
    // Repeated since, it took effect where it counts.
    if (lineages.get(key)?.versionOf(operationId)) return [];
    const why = `${operationId} reached Cosmos DB for ${key} when that was no longer the authority, and is not in the journal`;
    return [{ breaks: 'D7', why }];
  });
}

function writerOf(body: string): string {
  return textOf(JSON.parse(body) as JsonObject);
}

const SYNCHRONISED = new Set(['2', '3', '4', '6']);

function checkStores({ phase, cosmos, postgres }: Rest): readonly Violation[] {
  if (!SYNCHRONISED.has(phase)) return [];
  const violations: Violation[] = [];
  for (const key of new Set([...cosmos.keys(), ...postgres.keys()])) {
    const [document, row] = [cosmos.get(key), postgres.get(key)];
    if (document?.value === undefined && row?.value === undefined) continue;
    const isSame =
      document && row && order(document.version, row.version) === 0 && document.digest === row.digest;
    if (!isSame)
      violations.push({
        breaks: 'D5',
        why: `${key}: ${briefly(document)} in Cosmos DB, ${briefly(row)} in PostgreSQL`,
      });
  }
  return violations;
}

function briefly(record: StoredRecord | undefined): string {
  if (!record) return 'nothing';
  const text = record.value === undefined ? 'deleted' : textOf(record.value);
  return `${text} (${record.version.term},${record.version.counter})`;
}
