import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '@polyphase/test-support';
import { numbers } from '../numbers.ts';
import { INVARIANTS, type Violation } from '../simulation/history.ts';
import { Account } from './account.ts';
import type { Mishap } from './director.ts';
import { LEGS, type Rounded, round } from './round.ts';
import { STEPS, type Step } from './steps.ts';

/** Runs so many rounds in a row, and says on the console what came of them. Tells whether every one kept every promise. */
export async function tellKill(rounds: { readonly from: number; readonly to: number }): Promise<boolean> {
  const engine = await startPostgres();
  const account = await Account.start();
  const killedAt = new Map<Step, number>();
  const mishaps = new Map<Mishap, number>();
  const violations: Violation[] = [];
  let operations = 0;
  try {
    for (const seed of numbers(rounds.from, rounds.to)) {
      const began = performance.now();
      const rounded = await round({ seed, legs: LEGS, engine, account, killedAt });
      operations += rounded.operations;
      for (const [mishap, count] of rounded.mishaps) mishaps.set(mishap, (mishaps.get(mishap) ?? 0) + count);
      violations.push(...rounded.violations);
      tellRound(seed, rounded, performance.now() - began);
    }
  } finally {
    account.stop();
    await engine.stop();
  }
  tellAll({ killedAt, mishaps, violations });
  console.log(`${rounds.to - rounds.from + 1} rounds, ${operations} operations`);
  return violations.length === 0;
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

function tellAll(all: {
  readonly killedAt: ReadonlyMap<Step, number>;
  readonly mishaps: ReadonlyMap<Mishap, number>;
  readonly violations: readonly Violation[];
}): void {
  for (const step of STEPS)
    console.log(`killed at ${step.padEnd(20)} ${String(all.killedAt.get(step) ?? 0).padStart(5)}`);
  for (const [mishap, count] of all.mishaps) console.log(`${mishap.padEnd(30)} ${String(count).padStart(5)}`);
  for (const [letter, text] of Object.entries(INVARIANTS)) {
    const isBroken = all.violations.some(({ breaks }) => breaks === letter);
    console.log(`${letter}  ${isBroken ? 'BROKEN' : 'holds'}  ${text}`);
  }
}
