// Runs in a thread of its own: the product is loaded there with a mistake in it, and worlds are looked at until one breaks a promise.
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import type { Violation } from '../simulation/history.ts';
import { patched, type SeededBug } from './seeded-bug.ts';

/** What the thread is given. */
export interface BugSearch {
  readonly bug: SeededBug;
  /** Worlds to look at, at most. */
  readonly seeds: number;
}

/** What it answers with. */
export interface BugAnswer {
  readonly name: string;
  /** Worlds that were looked at. */
  readonly seeds: number;
  /** The seed that found it. */
  readonly seed?: number | undefined;
  readonly violations: readonly Violation[];
  /** Why there was no search. */
  readonly problem?: string | undefined;
}

const ROOT = new URL('../../', import.meta.url);

async function search({ bug, seeds }: BugSearch): Promise<BugAnswer> {
  const target = new URL(bug.file, ROOT).href;
  let isLoaded = false;
  registerHooks({
    load: (url, context, nextLoad) => {
      const loaded = nextLoad(url, context);
      if (url !== target) return loaded;
      isLoaded = true;
      return { ...loaded, source: patched(readFileSync(new URL(url), 'utf8'), bug) };
    },
  });
  const { simulate } = await import('../simulation/simulate.ts');
  const worlds = await import('../simulation/scenario.ts');
  if (!isLoaded) return { name: bug.name, seeds: 0, violations: [], problem: `${bug.file} was never loaded` };
  const walkOf = worlds[bug.among ?? 'hunt'];
  let last: BugAnswer | undefined;
  for (let at = 0; at < seeds; at += 1) {
    const seed = (bug.from ?? 1) + at;
    const [broken] = (await simulate([seed], { mostBroken: 1, walkOf })).broken;
    if (!broken) continue;
    last ??= { name: bug.name, seeds: at + 1, seed, violations: broken.violations };
    // Another promise may break before the one that this is about.
    if (broken.violations.some(({ breaks }) => breaks === bug.breaks))
      return { name: bug.name, seeds: at + 1, seed, violations: broken.violations };
  }
  return { ...(last ?? { name: bug.name, violations: [] }), seeds };
}

const given = workerData as BugSearch;
const answer = await search(given).catch(
  (error: unknown): BugAnswer => ({ name: given.bug.name, seeds: 0, violations: [], problem: String(error) }),
);
parentPort?.postMessage(answer, []);
