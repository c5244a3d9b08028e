import { numbers } from '../numbers.ts';
import { INVARIANTS } from './history.ts';
import { scenario } from './scenario.ts';
import { type Simulated, simulate } from './simulate.ts';
import { walk } from './walk.ts';

const HOUR_MS = 3_600_000;
const number = new Intl.NumberFormat('en');

/** Runs so many worlds, and says on the console what came of them. Tells whether every one kept every promise. */
export async function tellSimulation(seeds: number): Promise<boolean> {
  const done = await simulate(numbers(1, seeds), { mostBroken: 10 });
  tell(done);
  return done.broken.length === 0;
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

function tell({ seeds, faults, calls, operations, simulatedMs, broken }: Simulated): void {
  for (const { seed, violations } of broken)
    for (const { breaks, why } of violations.slice(0, 3))
      console.log(`seed ${seed}: ${breaks} ${why}; npm run prove -- simulation --seed ${seed}`);
  for (const [letter, text] of Object.entries(INVARIANTS)) {
    const isBroken = broken.some(({ violations }) => violations.some(({ breaks }) => breaks === letter));
    console.log(`${letter}  ${isBroken ? 'BROKEN' : 'holds'}  ${text}`);
  }
  console.log(
    `${number.format(seeds)} seeds, ${number.format(operations)} operations, ${number.format(calls)} calls of ports, ${number.format(faults)} faults, ${(simulatedMs / HOUR_MS).toFixed(1)} simulated hours`,
  );
}
