// size: a table
import type { SeededBug } from './seeded-bug.ts';

const HYBRID = 'packages/hybrid/src';
const CORE = 'packages/core/src';

/** Mistakes that each must make a simulated world break a promise. None of them is in the product, not even as a switch. */
export const SEEDED_BUGS: readonly SeededBug[] = [
  {
    name: 'cut before leases end',
    file: `${HYBRID}/flip/flip-forward.ts`,
    find: 'await Promise.all([group.gate.whenIdle(signal), group.clock.sleep(permit.drainMs * DRIFT, signal)]);',
    replace: 'void DRIFT;',
    breaks: 'D6',
    from: 288,
  },
  {
    name: 'flip without the cut and the last comparison',
    file: `${HYBRID}/flip/flip-forward.ts`,
    find: `await flip.watch.drain(signal);
  const found = await flip.gates.compareSinceClean(signal);
  if (found.differences.length > 0) throw giveUp(describe(found));`,
    replace: 'void describe;',
    breaks: 'D1',
    from: 277,
  },
  {
    name: 'seal while long leases may run',
    file: `${HYBRID}/phases/permit-upkeep.ts`,
    find: 'await this.#group.clock.sleep(permit.drainMs * DRIFT, signal);\n    await this.#cosmos?.permits.drained',
    replace: 'void DRIFT; await this.#cosmos?.permits.drained',
    breaks: 'D1',
    among: 'stragglers',
    from: 32,
  },
  {
    name: 'lease checked once',
    file: `${HYBRID}/phases/permit-lease.ts`,
    find: 'if (now?.opening === lease.opening) return;',
    replace: 'if (now?.opening !== -1) return;',
    breaks: 'D1',
    among: 'stragglers',
    from: 14,
  },
  {
    name: 'lease counted from its answer',
    file: `${HYBRID}/phases/permit-lease.ts`,
    find: 'endsAt: askedAt + lease.leaseMs',
    replace: 'endsAt: this.#clock.monotonic() + lease.leaseMs + 0 * askedAt',
    breaks: 'D6',
    among: 'stragglers',
    from: 14,
  },
  {
    name: 'versions compared without their term',
    file: `${CORE}/version.ts`,
    find: 'return a.term - b.term || a.counter - b.counter;',
    replace: 'return a.counter - b.counter;',
    breaks: 'D5',
    among: 'stragglers',
    from: 15,
  },
  {
    name: 'copy applied whatever is there',
    file: `${CORE}/judge-copy.ts`,
    find: 'const verdict = compareCopies(copy.record, there);',
    replace:
      "const verdict: CopyVerdict = compareCopies(copy.record, there) === 'older' ? 'newer' : compareCopies(copy.record, there);",
    breaks: 'D1',
  },
  {
    name: 'delete as row removal',
    file: `${CORE}/memory/memory-records.ts`,
    find: 'const record = this.#table.put(decision.record);',
    replace: `const record = this.#table.put(decision.record);
      if (record.value === undefined) this.#table.remove(record.key);`,
    breaks: 'D2',
    from: 5,
  },
  {
    name: 'checkpoint before apply',
    file: `${HYBRID}/relay/page-copier.ts`,
    find: "const outcomes = await this.#sides.records('postgres').apply(copies, {\n      checkpoint,",
    replace: `await this.#sides.stores.postgres?.checkpoints.advance(checkpoint, { signal });
    const outcomes = await this.#sides.records('postgres').apply(copies, {`,
    breaks: 'D9',
    among: 'scenario',
  },
  {
    name: 'retry without operation id',
    file: `${CORE}/record-write.ts`,
    find: 'const mark = current?.operations.find((operation) => operation.id === intent.operationId);',
    replace:
      'const mark = current?.operations.find((operation) => operation.id === `not ${intent.operationId}`);',
    breaks: 'D3',
  },
  {
    name: 'counter that begins at 1 in a new term',
    file: `${CORE}/record-write.ts`,
    find: ': current.version.counter + 1,',
    replace: ': current.version.term === context.term ? current.version.counter + 1 : 1,',
    breaks: 'D1',
  },
  {
    name: 'PostgreSQL write without its fence',
    file: `${HYBRID}/data-router.ts`,
    find: 'term: row?.term ?? 1, fence: entity.name });',
    replace: 'term: row?.term ?? 1, fence: entity.name === "" ? entity.name : undefined });',
    breaks: 'D5',
  },
  {
    name: 'dirty key not noted with the write',
    file: `${CORE}/memory/memory-records.ts`,
    find: 'if (pass?.capture === true)',
    replace: 'if (pass?.capture === true && record.version.counter % 2 === 0)',
    breaks: 'D5',
    from: 6,
  },
  {
    name: 'dirty key settled whatever its version',
    file: `${CORE}/memory/memory-dirty-keys.ts`,
    find: 'if (compareVersions(entry.version, version) === 0) entries.delete(text);',
    replace: 'if (compareVersions(entry.version, version) !== -1e99) entries.delete(text);',
    breaks: 'D5',
    among: 'scenario',
    from: 105,
  },
  {
    name: 'permit before row on the way back',
    file: `${HYBRID}/phases/controller.ts`,
    find: 'const moved = await this.#postgres.control.advance(',
    replace: `if (this.#cosmos && PHASES[row.phase].authority === 'postgres' && PHASES[phase].authority === 'cosmos')
      await bringPermitTo({ ...row, phase, term, epoch: row.epoch + 1 }, this.#cosmos.permits, this.#group.limits, signal);
    const moved = await this.#postgres.control.advance(`,
    breaks: 'D6',
    from: 231,
  },
  {
    name: 'permit left open in the seal',
    file: `${HYBRID}/phases/permit-projection.ts`,
    find: "authorityOf(row.phase) === 'cosmos' && row.phase !== '5';",
    replace: "authorityOf(row.phase) === 'cosmos';",
    breaks: 'D9',
  },
  {
    name: 'read without looking whether the authority is there',
    file: `${HYBRID}/data-router.ts`,
    find: `await this.#assure(signal);
      const { provenTerm } = this.#group;`,
    replace: `const { provenTerm } = this.#group;
      if (this.#maxStalenessMs >= 0) return this.#ask(read, signal, mayBeFresh);`,
    breaks: 'D1',
    from: 38,
  },
  {
    name: 'PostgreSQL fresh without the own second write',
    file: `${HYBRID}/phases/group.ts`,
    find: 'this.stalenessMs <= maxStalenessMs && this.#freshAsOf > this.#behindSince;',
    replace: 'this.stalenessMs <= maxStalenessMs && this.#freshAsOf + 1e12 > this.#behindSince;',
    breaks: 'D8',
    from: 75,
  },
  {
    name: 'stamp that does not ask for its ETag',
    file: `${HYBRID}/relay/judge-page.ts`,
    find: 'stamps.push({ record: stamped(record, row, found), ifEtag: record.etag });',
    replace: 'stamps.push({ record: stamped(record, row, found) });',
    breaks: 'D1',
    from: 60,
  },
  {
    name: 'term that stays over the flip',
    file: `${HYBRID}/phases/controller.ts`,
    find: 'return this.#move(row, seal.to, row.term + 1, signal);',
    replace: 'return this.#move(row, seal.to, row.term, signal);',
    breaks: 'D5',
    among: 'stragglers',
    from: 128,
  },
  {
    name: 'replacement that keeps an old field',
    file: `${CORE}/merge.ts`,
    find: 'const kept: Record<string, JsonValue> = { ...next };',
    replace:
      "const kept: Record<string, JsonValue> = { ...next, ...('rank' in previous && { rank: previous['rank'] }) };",
    breaks: 'D4',
  },
  {
    name: 'step of a controller whose row has moved on',
    file: `${CORE}/memory/memory-control.ts`,
    find: 'if (row?.epoch !== epoch) return undefined;',
    replace: 'if (!row) return undefined;',
    breaks: 'D6',
    from: 48,
  },
  {
    name: 'cache filled by a slow reader',
    file: `${CORE}/memory/memory-cache.ts`,
    find: `if (!slot || slot.token !== token) return false;
    if (compareVersions(entry.version, slot.minimum) < 0) return false;`,
    replace: 'if (!slot) return false;',
    breaks: 'D1',
    from: 80,
  },
  {
    name: 'write that passes the cache by',
    file: `${HYBRID}/entity-records.ts`,
    find: 'return (this.#cached ?? this.#router).write(intent, options);',
    replace: 'return this.#router.write(intent, options);',
    breaks: 'D1',
    from: 2,
  },
  {
    name: 'cache entries named by the term that was seen first',
    file: `${HYBRID}/phases/group.ts`,
    find: 'const leased = this.#permitLease?.lastTerm ?? 1;',
    replace: 'const leased = 1;',
    breaks: 'D1',
    from: 204,
  },
];
