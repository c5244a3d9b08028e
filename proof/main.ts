// Checks of "no acknowledged write is lost" that take longer than tests may.
import { parseArgs } from 'node:util';
import { tellKill } from './kill/tell-kill.ts';
import { tellModel } from './model/tell-model.ts';
import { tellSeed, tellSimulation } from './simulation/tell-simulation.ts';

const USAGE = `usage: npm run prove -- model [--states N]
       npm run prove -- simulation [--seeds N | --seed S]
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
  kill: () => tellKill(roundsOf(values)),
};

function roundsOf(given: { readonly seed?: string | undefined; readonly rounds?: string | undefined }) {
  const from = count(given.seed, 1);
  return { from, to: given.seed === undefined ? count(given.rounds, 100) : from };
}

const layer = layers[positionals.join()];
const given = [values.states, values.seeds, values.seed, values.rounds].filter((it) => it !== undefined);
if (!layer || given.some((text) => Number.isNaN(count(text, 1)))) {
  console.error(USAGE);
  process.exitCode = 2;
} else if (!(await layer())) process.exitCode = 1;
