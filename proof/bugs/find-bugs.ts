import { runIn, share } from '../workers.ts';
import type { BugAnswer, BugSearch } from './bug-worker.ts';
import type { SeededBug } from './seeded-bug.ts';

/** What came of the search for a seeded bug. */
export interface BugFound extends BugAnswer {
  /** Whether a world broke the promise that the bug must break. */
  readonly isFound: boolean;
}

const MODULE = new URL('./bug-worker.ts', import.meta.url);

/** Looks for a seeded bug in so many worlds, in a thread of its own: the product is loaded there with the bug in it. */
export async function findBug(bug: SeededBug, seeds: number): Promise<BugFound> {
  return judged([bug], await runIn<BugAnswer>(MODULE, { bug, seeds } satisfies BugSearch));
}

/** Looks for seeded bugs, some at a time. */
export async function findBugs(
  bugs: readonly SeededBug[],
  options: { readonly seeds: number; readonly threads: number; readonly onFound?: (found: BugFound) => void },
): Promise<readonly BugFound[]> {
  const found: BugFound[] = [];
  const searches = bugs.map((bug): BugSearch => ({ bug, seeds: options.seeds }));
  const onDone = (answer: BugAnswer): void => {
    const one = judged(bugs, answer);
    found.push(one);
    options.onFound?.(one);
  };
  await share(searches, { module: MODULE, threads: options.threads, onDone });
  return found;
}

function judged(bugs: readonly SeededBug[], answer: BugAnswer): BugFound {
  const wanted = bugs.find(({ name }) => name === answer.name)?.breaks;
  return { ...answer, isFound: answer.violations.some(({ breaks }) => breaks === wanted) };
}
