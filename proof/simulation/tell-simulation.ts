import { availableParallelism } from 'node:os';
import { numbers } from '../numbers.ts';
import { Progress } from '../progress.ts';
import { share } from '../workers.ts';
import { INVARIANTS } from './history.ts';
import { type Piece, type PieceDone, pieceName } from './pieces.ts';
import { scenario } from './scenario.ts';
import { added, NOTHING, type Simulated } from './simulate.ts';
import { sweepCases } from './sweep.ts';
import { walk } from './walk.ts';

const HOUR_MS = 3_600_000;
const SEEDS_IN_PIECE = 100;
const CASES_IN_PIECE = 200;
const number = new Intl.NumberFormat('en');

/** Runs so many worlds, and says on the console what came of them. Tells whether every one kept every promise. */
export async function tellSimulation(seeds: number): Promise<boolean> {
  const pieces: Piece[] = [];
  for (let from = 1; from <= seeds; from += SEEDS_IN_PIECE)
    pieces.push({ from, to: Math.min(seeds, from + SEEDS_IN_PIECE - 1) });
  return tell('worlds', await runAll(`simulation-${seeds}`, pieces));
}

/** Breaks every call of every scripted migration once, and says what came of it. */
export async function tellSweep(): Promise<boolean> {
  const cases = await sweepCases();
  const pieces: Piece[] = [];
  for (const at of numbers(0, Math.ceil(cases.length / CASES_IN_PIECE) - 1)) {
    const [first, ...rest] = cases.slice(at * CASES_IN_PIECE, (at + 1) * CASES_IN_PIECE);
    if (first) pieces.push({ cases: [first, ...rest] });
  }
  return tell('migrations with one fault', await runAll('sweep', pieces));
}

/** Runs the world of one seed, and says what happened in it. */
export async function tellSeed(seed: number): Promise<boolean> {
  const { told, violations, trace } = await walk(scenario(seed));
  for (const line of told) console.log(line);
  for (const { breaks, why } of violations) console.log(`${breaks}  ${why}`);
  console.log(
    `seed ${seed}, trace ${trace}: ${violations.length === 0 ? 'every promise is kept' : 'BROKEN'}`,
  );
  return violations.length === 0;
}

async function runAll(name: string, pieces: readonly Piece[]): Promise<Simulated> {
  const progress = new Progress<PieceDone>(name);
  const left = pieces.filter((piece) => !progress.has(pieceName(piece)));
  if (left.length < pieces.length)
    console.error(`… ${pieces.length - left.length} of ${pieces.length} parts were done before`);
  await share<PieceDone>(left, {
    module: new URL('./simulate-worker.ts', import.meta.url),
    threads: availableParallelism(),
    onDone: (done, more) => {
      progress.add(done.piece, done);
      console.error(
        `… ${name}: ${done.piece}, ${more} parts to go${done.broken.length > 0 ? ', BROKEN' : ''}`,
      );
    },
  });
  return progress.all.reduce<Simulated>(added, NOTHING);
}

function tell(what: string, { seeds, faults, calls, operations, simulatedMs, broken }: Simulated): boolean {
  for (const { how, violations } of broken)
    for (const { breaks, why } of violations.slice(0, 3)) console.log(`${breaks} ${why}\n    ${how}`);
  for (const [letter, text] of Object.entries(INVARIANTS)) {
    const isBroken = broken.some(({ violations }) => violations.some(({ breaks }) => breaks === letter));
    console.log(`${letter}  ${isBroken ? 'BROKEN' : 'holds'}  ${text}`);
  }
  console.log(
    `${number.format(seeds)} ${what}, ${number.format(operations)} operations, ${number.format(calls)} calls of ports, ${number.format(faults)} faults, ${(simulatedMs / HOUR_MS).toFixed(1)} simulated hours\n`,
  );
  return broken.length === 0;
}
