import { defineEntity, type JsonObject, type Phase } from '@polyphase/core';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { FaultPlan } from '../../../test/faulty-stores.ts';
import { Note, VirtualWorld } from '../../../test/virtual-world.ts';
import type { ProtocolOptions } from '../../protocol-limits.ts';

const DUAL = { policy: 'dual-write', flip: 'auto' };
const READS = { policy: 'dual-write', reads: 'postgres', flip: 'auto' };
const POSTGRES = { policy: 'postgres-primary', flip: 'auto' };
const ALONE = { policy: 'postgres-primary', reverseSync: false, flip: 'auto' };

const key = (id: string) => ({ owner: 'a', id });

/** A world, and the calls of its stores that fail for as long as they are named. */
interface Stage {
  readonly world: VirtualWorld;
  readonly broken: Set<string>;
}

/** What keeps a gate closed, and what opens it again: what its answer says is to be done. */
type Hindrance = (stage: Stage) => Promise<(stage: Stage) => Promise<unknown>>;

interface Case {
  readonly step: readonly [Phase, Phase];
  readonly gate: string;
  readonly seen: RegExp;
  readonly wanted: RegExp;
  readonly hinder: Hindrance;
  /** What was wished when it stood in the first phase. @default what leads there */
  readonly before?: JsonObject;
  readonly wish: JsonObject;
  readonly protocol?: ProtocolOptions;
  readonly note?: typeof Note;
}

const breaking =
  (...names: readonly string[]): Hindrance =>
  async ({ broken }) => {
    for (const name of names) broken.add(name);
    return async (stage) => stage.broken.clear();
  };

const oldMember: Hindrance = async ({ world }) => {
  const members = world.postgres.members;
  const said = { version: '0.0.1', supports: ['0'] as const, durationMs: 600_000 };
  await members.beat({ group: 'notes', holder: 'an old one', epoch: 1, ...said });
  return async () => members.leave('notes', 'an old one');
};

/** Nothing is done about it but to wait. */
const time: Hindrance = async () => async () => undefined;

const removed: Hindrance = async ({ world }) => {
  await world.cosmos.foreign.remove(Note, { partition: ['a'], id: '1' });
  return async () =>
    world.passing(world.hybrid.repository(Note).create({ ...key('1'), text: 'written again' }));
};

const foreign: Hindrance = async ({ world }) => {
  await world.cosmos.foreign.put(Note, { ...key('1'), text: 'theirs' });
  await world.clock.advance(500);
  return async () => {
    await world.passing(world.hybrid.repository(Note).upsert({ ...key('1'), text: 'ours' }));
    // It reaches Cosmos DB, which notes that it went over the other body.
    await world.clock.advance(500);
    const [entry] = await world.postgres.journal.list('notes');
    await world.postgres.journal.resolve('notes', [entry?.key ?? ''], { kind: 'conflict' });
  };
};

const unfit: Hindrance = async ({ world }) => {
  await world.cosmos.foreign.put(Note, { ...key('2'), text: 7 });
  return async () => world.cosmos.foreign.put(Note, { ...key('2'), text: 'seven' });
};

const slowReverse: Hindrance = async ({ world, broken }) => {
  broken.add('cosmos.records.apply');
  await world.passing(world.hybrid.repository(Note).patch(key('1'), { text: 'not copied' }));
  await world.clock.advance(5_100);
  return async (stage) => stage.broken.clear();
};

const Unique = defineEntity({
  name: 'notes',
  schema: z.object({ id: z.string(), owner: z.string(), text: z.string(), rank: z.number().optional() }),
  key: { partition: 'owner', id: 'id' },
  indexes: [{ fields: ['text'], unique: 'global' }],
});

const shared: Hindrance = async ({ world }) => {
  const notes = world.hybrid.repository(Unique);
  await world.passing(notes.create({ id: '1', owner: 'b', text: 'x' }));
  return async () => world.passing(notes.patch({ id: '1', owner: 'b' }, { text: 'y' }));
};

const many: Hindrance = async ({ world }) => {
  const notes = world.hybrid.repository(Note);
  for (const id of ['2', '3', '4']) await world.passing(notes.create({ ...key(id), text: id }));
  return async () => undefined;
};

const reads: Hindrance =
  async () =>
  async ({ world }) => {
    for (let i = 0; i < 3; i += 1) {
      await world.passing(world.hybrid.repository(Note).get(key('1')));
      await world.clock.advance(50);
    }
  };

const cases: readonly Case[] = [
  {
    step: ['0', '1'],
    gate: 'every member stamps',
    hinder: oldMember,
    seen: /^1 of 2 processes do not: an old one \(SDK 0\.0\.1\)$/,
    wanted: /phase 1 known to each process: update those that do not, or stop them/,
    wish: DUAL,
  },
  {
    step: ['1', '2'],
    gate: 'backfill done',
    hinder: breaking('postgres.records.apply'),
    seen: /end of the feed not reached yet/,
    wanted: /role "relay" copies them/,
    wish: DUAL,
  },
  {
    step: ['1', '2'],
    gate: 'every delete leaves a tombstone',
    hinder: time,
    seen: /^phase 1 for \d+ ms under this process$/,
    wanted: /^660 ms: leases to write that were granted before end by then$/,
    wish: DUAL,
  },
  {
    step: ['1', '2'],
    gate: 'no dead letters',
    hinder: unfit,
    seen: /^1$/,
    wanted: /read them with journal\.list\("notes"\), and mend each document/,
    wish: DUAL,
  },
  {
    step: ['2', '3'],
    gate: 'PostgreSQL follows',
    hinder: breaking('postgres.records.apply', 'cosmos.changes.read'),
    seen: /^up to date \d+ ms ago$/,
    wanted: /^up to date within 5000 ms: a process with the role "relay" reads the change feed/,
    before: DUAL,
    wish: READS,
    protocol: { shadowWindow: 8_000 },
  },
  {
    step: ['2', '3'],
    gate: 'shadow reads',
    hinder: reads,
    seen: /^no read was compared$/,
    wanted: /^2 compared; fewer only after 60000 ms in phase 2/,
    before: { ...DUAL, shadow: { sample: 1 } },
    wish: { ...READS, shadow: { sample: 1 } },
    protocol: { shadowWindow: 60_000 },
  },
  {
    step: ['3', '4'],
    gate: 'every member knows PostgreSQL as the authority',
    hinder: oldMember,
    seen: /^1 of 2 processes do not: an old one/,
    wanted: /^phase 5, 6, 5' known to each process/,
    before: READS,
    wish: POSTGRES,
  },
  {
    step: ['3', '4'],
    gate: 'unique',
    hinder: shared,
    seen: /share a unique value with another$/,
    wanted: /mend those that do/,
    before: READS,
    wish: POSTGRES,
    note: Unique,
  },
  {
    step: ['3', '4'],
    gate: 'a canary went there and back',
    hinder: breaking('cosmos.records.apply'),
    seen: /^PostgreSQL → Cosmos DB: cosmos\.records\.apply could not be sent$/,
    wanted: /^from Cosmos DB to PostgreSQL and back within 5000 ms/,
    before: READS,
    wish: POSTGRES,
  },
  {
    step: ['3', '4'],
    gate: 'both stores hold the same',
    hinder: removed,
    seen: /1 differ: .*\(removed\)$/,
    wanted: /delete it through the repository if it is to be gone, or write it again$/,
    before: READS,
    wish: POSTGRES,
    protocol: { reconcileAge: 0 },
  },
  {
    step: ['4', '5'],
    gate: 'flip allowed',
    hinder:
      async () =>
      async ({ world }) =>
        world.wish(POSTGRES),
    seen: /^flip: "manual" in config revision \d+$/,
    wanted: /^flip: "auto"/,
    before: READS,
    wish: { policy: 'postgres-primary', flip: 'manual' },
  },
  {
    step: ['4', '5'],
    gate: 'a round is short enough to hold calls for',
    hinder: many,
    seen: /^\d+ records in \d+ ms$/,
    wanted: /^1 records and 1000 ms at most.* write less for a moment, or raise protocol\.roundRecords/,
    before: READS,
    wish: POSTGRES,
    protocol: { roundRecords: 1 },
  },
  {
    step: ['6', "5'"],
    gate: 'Cosmos DB follows',
    hinder: slowReverse,
    seen: /^1 keys to copy, the oldest since \d+ ms$/,
    wanted: /^none older than 5000 ms/,
    before: POSTGRES,
    wish: DUAL,
  },
  {
    step: ['6', "5'"],
    gate: 'no conflicts',
    hinder: foreign,
    seen: /^1$/,
    wanted: /write the body that holds, and close the entry with journal\.resolve$/,
    before: POSTGRES,
    wish: DUAL,
  },
  {
    step: ['6', '7'],
    gate: 'soaked',
    hinder: time,
    seen: /^PostgreSQL has been the authority for \d+ ms under this process$/,
    wanted: /^9000 ms$/,
    before: POSTGRES,
    wish: ALONE,
    protocol: { soak: 9_000 },
  },
  {
    step: ['6', '7'],
    gate: 'every member knows PostgreSQL alone',
    hinder: oldMember,
    seen: /^1 of 2 processes do not: an old one/,
    wanted: /^phase 7, 7r known to each process/,
    before: POSTGRES,
    wish: ALONE,
  },
  {
    step: ['6', '7'],
    gate: 'no straggler',
    hinder: breaking('cosmos.changes.read'),
    seen: /^The change feed was not read to its end in time$/,
    wanted: /^read to its end within 5000 ms/,
    before: POSTGRES,
    wish: ALONE,
  },
  {
    step: ['6', '7'],
    gate: 'no conflicts',
    hinder: foreign,
    seen: /^1$/,
    wanted: /journal\.resolve$/,
    before: POSTGRES,
    wish: ALONE,
  },
  {
    step: ['6', '7'],
    gate: 'Cosmos DB follows',
    hinder: slowReverse,
    seen: /^1 keys to copy/,
    wanted: /^none older than 5000 ms/,
    before: POSTGRES,
    wish: ALONE,
  },
  {
    step: ['7r', '6'],
    gate: 'Cosmos DB follows',
    hinder: slowReverse,
    seen: /^\d+ keys to copy, the oldest since \d+ ms$/,
    wanted: /^none older than 5000 ms/,
    before: ALONE,
    wish: POSTGRES,
  },
];

const open: VirtualWorld[] = [];
afterEach(async () => {
  for (const world of open.splice(0)) await world.close();
});

const PHASE_OF = new Map<JsonObject, Phase>([
  [DUAL, '2'],
  [READS, '3'],
  [POSTGRES, '6'],
  [ALONE, '7'],
]);

async function standing({ before, note, protocol }: Case): Promise<Stage> {
  const world = new VirtualWorld({ ...(note && { note }), ...(protocol && { protocol }) });
  open.push(world);
  const broken = new Set<string>();
  await world.start(new FaultPlan({ faultAt: (_, name) => (broken.has(name) ? 'error before' : undefined) }));
  await world.passing(world.hybrid.repository(note ?? Note).create({ ...key('1'), text: 'x' }));
  if (before) {
    await world.wish(before);
    const wanted = PHASE_OF.get(before) ?? '2';
    await world.until(`phase ${wanted}`, () => world.hybrid.status('notes').phase === wanted);
  }
  return { world, broken };
}

describe('a gate', () => {
  it.each(cases.map((row) => ({ ...row, at: row.step.join(' → ') })))(
    '$at: "$gate" refuses, and passes when what it wants was done',
    async (test) => {
      const stage = await standing(test);
      const { world } = stage;
      const mend = await test.hinder(stage);
      await world.wish(test.wish);
      const status = () => world.hybrid.status('notes');
      const refusal = () => status().blockedBy.find(({ name, passed }) => !passed && name === test.gate);
      await world.until('refused', () => refusal() !== undefined);
      expect(status().phase).toBe(test.step[0]);
      expect(refusal()).toMatchObject({
        passed: false,
        seen: expect.stringMatching(test.seen),
        wanted: expect.stringMatching(test.wanted),
      });
      await mend(stage);
      const to = `phase ${test.step.join(' -> ')} `;
      await world.until(to, () => world.notices.some((notice) => notice.startsWith(to)));
    },
  );
});
