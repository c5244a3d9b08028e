import { availableParallelism } from 'node:os';
import { Progress } from '../progress.ts';
import type { BugAnswer } from './bug-worker.ts';
import { SEEDED_BUGS } from './bugs.ts';
import { type BugFound, findBugs } from './find-bugs.ts';

const SEEDS = 2_000;

/** Looks for every seeded bug, and says on the console in which world each was found. Tells whether all were. */
export async function tellBugs(): Promise<boolean> {
  const progress = new Progress<BugFound>('bugs');
  const left = SEEDED_BUGS.filter(({ name }) => !progress.has(name));
  await findBugs(left, {
    seeds: SEEDS,
    threads: availableParallelism(),
    onFound: (found) => {
      progress.add(found.name, found);
      console.error(`… ${found.name}`);
    },
  });
  const found = progress.all;
  for (const { name, breaks } of SEEDED_BUGS) {
    const one = found.find((it) => it.name === name);
    console.log(
      `${name.padEnd(56)} ${one?.isFound === true ? `found, breaks ${breaks}, ${told(one)}` : 'NOT FOUND'}`,
    );
  }
  console.log();
  return SEEDED_BUGS.every(({ name }) => found.some((it) => it.name === name && it.isFound));
}

function told({ seeds, seed }: BugAnswer): string {
  return `seed ${seed ?? '?'}, world ${seeds} of the search`;
}
