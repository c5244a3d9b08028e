import type { Invariant } from '../simulation/history.ts';

/** A mistake that the product does not make: a small change of its source, and the promise that it breaks. */
export interface SeededBug {
  readonly name: string;
  /** The file that is changed, from the root of the repository. */
  readonly file: string;
  /** What stands in it exactly once. */
  readonly find: string;
  readonly replace: string;
  readonly breaks: Invariant;
  /** Seed to begin the search with: one that is quick to find it, as long as nothing else changes. @default 1 */
  readonly from?: number;
  /** The kind of worlds in which it is looked for. @default 'hunt' */
  readonly among?: 'hunt' | 'stragglers' | 'scenario';
}

/**
 * The source of a file with a mistake in it.
 *
 * @throws `RangeError` when what is to be changed does not stand there exactly once
 */
export function patched(source: string, { name, file, find, replace }: SeededBug): string {
  const parts = source.split(find);
  const [before, after] = parts;
  if (parts.length !== 2 || before === undefined || after === undefined)
    throw new RangeError(
      `The seeded bug "${name}" looks for what stands ${parts.length - 1} times in ${file}; it must stand there once:\n${find}`,
    );
  return before + replace + after;
}
