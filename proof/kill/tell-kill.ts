import { mkdtempSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '@polyphase/test-support';
import { numbers } from '../numbers.ts';
import { Progress } from '../progress.ts';
import { INVARIANTS, type Violation } from '../simulation/history.ts';
import { Account } from './account.ts';
import type { Mishap } from './director.ts';
import { LEGS, type Rounded, round } from './round.ts';
import { STEPS, type Step } from './steps.ts';

/** What is remembered of a round. */
interface RoundDone {
  readonly operations: number;
  readonly mishaps: readonly (readonly [Mishap, number])[];
  readonly violations: readonly Violation[];
  /** How often whoever walked was killed at each step, in all rounds until then. */
  readonly killedAt: readonly (readonly [Step, number])[];
}

// Rounds wait more than they work; each has engines of its own.
const LANES = Math.min(2, availableParallelism());

/** Runs so many rounds in a row, and says on the console what came of them. Tells whether every one kept every promise. */
export async function tellKill(rounds: { readonly from: number; readonly to: number }): Promise<boolean> {
  // Whoever asks for one round wants to see it.
  const anew = rounds.from === rounds.to;
  const progress = new Progress<RoundDone>(`kill-${rounds.from}-${rounds.to}`, { anew });
  const killedAt = new Map<Step, number>();
  for (const done of progress.all)
    for (const [step, count] of done.killedAt) killedAt.set(step, Math.max(count, killedAt.get(step) ?? 0));
  const left = [...numbers(rounds.from, rounds.to)].filter((seed) => !progress.has(`round ${seed}`));
  const before = rounds.to - rounds.from + 1 - left.length;
  if (before > 0) console.error(`… ${before} rounds were done before`);
  const lanes = Array.from({ length: Math.min(LANES, left.length) }, () => lane(left, killedAt, progress));
  await Promise.all(lanes);
  return tellAll(progress.all, killedAt);
}

async function lane(
  seeds: number[],
  killedAt: Map<Step, number>,
  progress: Progress<RoundDone>,
): Promise<void> {
  const engine = await startPostgres();
  const account = await Account.start();
  try {
    for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
      const began = performance.now();
      const rounded = await round({ seed, legs: LEGS, engine, account, killedAt });
      const { operations, mishaps, violations } = rounded;
      progress.add(`round ${seed}`, {
        operations,
        mishaps: [...mishaps],
        violations,
        killedAt: [...killedAt],
      });
      tellRound(seed, rounded, performance.now() - began);
    }
  } finally {
    account.stop();
    await engine.stop();
  }
}

function tellRound(seed: number, { violations, told, operations, mishaps }: Rounded, tookMs: number): void {
  const wrong = [...mishaps].map(([mishap, count]) => `${count} ${mishap}`).join(', ');
  const end = violations.length === 0 ? 'every promise is kept' : 'BROKEN';
  console.log(`round ${seed}: ${(tookMs / 1000).toFixed(0)} s, ${operations} operations; ${wrong}; ${end}`);
  if (violations.length === 0) return;
  const file = join(mkdtempSync(join(tmpdir(), 'kill-')), `round-${seed}.log`);
  const broken = violations.map(({ breaks, why }) => `${breaks} ${why}`);
  writeFileSync(file, [...told, ...broken, ''].join('\n'));
  for (const line of broken.slice(0, 5)) console.log(`  ${line}`);
  console.log(`  what happened is in ${file}`);
}

function tellAll(rounds: readonly RoundDone[], killedAt: ReadonlyMap<Step, number>): boolean {
  const mishaps = new Map<Mishap, number>();
  for (const [mishap, count] of rounds.flatMap((done) => done.mishaps))
    mishaps.set(mishap, (mishaps.get(mishap) ?? 0) + count);
  const violations = rounds.flatMap((done) => done.violations);
  for (const step of STEPS)
    console.log(`killed at ${step.padEnd(20)} ${String(killedAt.get(step) ?? 0).padStart(5)}`);
  for (const [mishap, count] of mishaps) console.log(`${mishap.padEnd(30)} ${String(count).padStart(5)}`);
  for (const [letter, text] of Object.entries(INVARIANTS)) {
    const isBroken = violations.some(({ breaks }) => breaks === letter);
    console.log(`${letter}  ${isBroken ? 'BROKEN' : 'holds'}  ${text}`);
  }
  const operations = rounds.reduce((sum, done) => sum + done.operations, 0);
  console.log(`${rounds.length} rounds, ${operations} operations`);
  return violations.length === 0;
}
