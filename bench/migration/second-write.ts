import { type RecordCopy, recordDigest } from '@polyphase/core';
import { postgresStore } from '@polyphase/postgres';
import { Alone, Both, type Opened } from './ground.ts';

/** What the second write of the dual phases costs a caller, in milliseconds. */
export interface SecondWrite {
  /** A write to Cosmos DB by itself. */
  readonly alone: number;
  /** The same write with the second one behind it. */
  readonly both: number;
  /** The second write by itself. */
  readonly inline: number;
  /** A write while PostgreSQL stands still. */
  readonly still: number;
}

const WRITES = 150;

/** Measures one round: medians over writes that take turns, one at a time. */
export async function measureSecondWrite({ hybrid, pool }: Opened, round: number): Promise<SecondWrite> {
  const [alone, both] = [hybrid.repository(Alone), hybrid.repository(Both)];
  // Into the table of the entity that stays: in the other one, rows without a document would close the gates.
  const copies = postgresStore({ pool }).records(Alone);
  const figures = { alone: [] as number[], both: [] as number[], inline: [] as number[] };
  for (let n = 0; n < WRITES; n += 1) {
    const value = { id: `${round}-${n}`, owner: `owner ${n % 20}`, text: 'x'.repeat(300), n };
    figures.alone.push(await timed(() => alone.create(value)));
    figures.both.push(await timed(() => both.create(value)));
    const copy = copyOf({ ...value, id: `${value.id}-copy` });
    figures.inline.push(await timed(() => copies.apply([copy])));
  }
  const still = await whileLocked({ hybrid, pool }, round);
  return { alone: median(figures.alone), both: median(figures.both), inline: median(figures.inline), still };
}

async function whileLocked(
  { hybrid, pool }: Pick<Opened, 'hybrid' | 'pool'>,
  round: number,
): Promise<number> {
  const both = hybrid.repository(Both);
  const key = { id: `${round}-0`, owner: 'owner 0' };
  const locker = await pool.connect();
  try {
    await locker.query('begin');
    await locker.query('select from "both" where id = $1 for update', [key.id]);
    return await timed(() => both.patch(key, { n: -1 }));
  } finally {
    await locker.query('rollback');
    locker.release();
  }
}

function copyOf(value: { readonly id: string; readonly owner: string }): RecordCopy {
  const version = { term: 1, counter: 1 };
  const operations = [{ id: value.id, ...version }];
  const body = { ...value };
  return {
    record: {
      key: { partition: [value.owner], id: value.id },
      version,
      value: body,
      digest: recordDigest(body),
      operations,
    },
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[figures.length >> 1] ?? Number.NaN;
}
