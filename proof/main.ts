// Checks of "no acknowledged write is lost" that take longer than tests may.
import { parseArgs } from 'node:util';
import { tellBugs } from './bugs/tell-bugs.ts';
import { tellKill } from './kill/tell-kill.ts';
import { tellModel } from './model/tell-model.ts';
import { tellSeed, tellSimulation, tellSweep } from './simulation/tell-simulation.ts';

const USAGE = `usage: npm run prove                 everything: less than an hour on two cores
       npm run prove -- model [--states N]
       npm run prove -- simulation [--seeds N | --seed S]
       npm run prove -- sweep
       npm run prove -- bugs
       npm run prove -- kill [--rounds N | --seed S]`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    states: { type: 'string' },
    seeds: { type: 'string' },
    seed: { type: 'string' },
    rounds: { type: 'string' },
  },
});

function count(text: string | undefined, standard: number): number {
  const value = Number(text ?? standard);
  return Number.isSafeInteger(value) && value > 0 ? value : Number.NaN;
}

const layers: { readonly [layer: string]: () => Promise<boolean> } = {
  model: () => tellModel(count(values.states, 20_000_000)),
  simulation: () =>
    values.seed === undefined ? tellSimulation(count(values.seeds, 10_000)) : tellSeed(count(values.seed, 1)),
  sweep: tellSweep,
  bugs: tellBugs,
  kill: () => tellKill(roundsOf(values)),
};

/** Every layer. All run, even after one has failed. */
async function everything(): Promise<boolean> {
  let holds = true;
  for (const [name, layer] of Object.entries(layers)) {
    console.log(`── ${name}`);
    holds = (await layer()) && holds;
  }
  console.log(holds ? 'Every promise is kept, and every seeded bug was found.' : 'BROKEN: see above.');
  return holds;
}

function roundsOf(given: { readonly seed?: string | undefined; readonly rounds?: string | undefined }) {
  const from = count(given.seed, 1);
  return { from, to: given.seed === undefined ? count(given.rounds, 100) : from };
}

const layer = positionals.length === 0 ? everything : layers[positionals.join()];
const given = [values.states, values.seeds, values.seed, values.rounds].filter((it) => it !== undefined);
if (!layer || given.some((text) => Number.isNaN(count(text, 1)))) {
  console.error(USAGE);
  process.exitCode = 2;
} else if (!(await layer())) process.exitCode = 1;
