import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SEEDED_BUGS } from './bugs.ts';
import { findBug, findBugs } from './find-bugs.ts';
import { patched } from './seeded-bug.ts';

// Each is found in far fewer; a change of the product may move it to other seeds.
const SEEDS = 400;
const ROOT = new URL('../../', import.meta.url);

describe('findBugs', () => {
  it('finds every seeded bug by the promise that it breaks', async () => {
    expect(SEEDED_BUGS.length).toBeGreaterThanOrEqual(20);
    const found = await findBugs(SEEDED_BUGS, { seeds: SEEDS, threads: 2 });
    const missed = found.filter(({ isFound }) => !isFound);
    expect(missed).toEqual([]);
  }, 600_000);

  it('finds nothing in a product that was changed without being broken', async () => {
    const harmless = {
      name: 'none',
      file: 'packages/core/src/version.ts',
      find: 'return a.term - b.term || a.counter - b.counter;',
      replace: 'return a.term === b.term ? a.counter - b.counter : a.term - b.term;',
      breaks: 'D1',
    } as const;
    expect(await findBug(harmless, 5)).toMatchObject({ isFound: false, seeds: 5, violations: [] });
  }, 60_000);

  it('tells of a bug whose place is not there', async () => {
    const moved = {
      name: 'm',
      file: 'packages/core/src/version.ts',
      find: 'no such',
      replace: '',
      breaks: 'D1',
    } as const;
    const { problem, isFound } = await findBug(moved, 1);
    expect(problem).toMatch(/stands 0 times in packages\/core\/src\/version\.ts/);
    expect(isFound).toBe(false);
  }, 60_000);
});

describe('patched', () => {
  it.each(SEEDED_BUGS)('$name: stands in its file exactly once', (bug) => {
    const source = readFileSync(new URL(bug.file, ROOT), 'utf8');
    expect(patched(source, bug)).not.toBe(source);
  });
});
