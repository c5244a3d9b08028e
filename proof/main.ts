// Checks of "no acknowledged write is lost" that take longer than tests may: npm run prove -- model [--states N]
import { parseArgs } from 'node:util';
import { INVARIANTS } from './model/invariants.ts';
import { type ModelProof, proveModel } from './model/prove-model.ts';

const STATES = 20_000_000;
const PROGRESS_MS = 2_000;

const number = new Intl.NumberFormat('en');

function tellWorlds({ worlds }: ModelProof): void {
  for (const { world, states, depth, isComplete, violation } of worlds) {
    const extent = isComplete ? 'all of them' : 'a part';
    const verdict = violation ? `BROKEN: ${violation.why}` : 'holds';
    const steps = depth > 0 ? `, ${depth} steps deep` : '';
    console.log(
      `${world.padEnd(26)} ${number.format(states).padStart(11)} states (${extent}${steps})  ${verdict}`,
    );
    for (const line of violation?.trace ?? []) console.log(`    ${line}`);
  }
}

function tellBugs({ bugs }: ModelProof): void {
  for (const { bug, breaks, isFound, states, violation } of bugs) {
    const verdict = isFound ? `found, breaks ${breaks}` : `NOT FOUND, but ${violation?.why ?? 'nothing'}`;
    console.log(`${bug.padEnd(46)} ${number.format(states).padStart(8)} states  ${verdict}`);
  }
}

function tellInvariants({ worlds, states }: ModelProof): void {
  for (const [letter, text] of Object.entries(INVARIANTS)) {
    const broken = worlds.filter(({ violation }) => violation?.why.startsWith(`${letter} `));
    console.log(`${letter.padEnd(2)}  ${broken.length === 0 ? 'holds' : 'BROKEN'}  ${text}`);
  }
  console.log(`${number.format(states)} states in ${worlds.length} searches`);
}

async function model(states: number): Promise<boolean> {
  let toldAt = performance.now();
  const proof = await proveModel({
    states,
    onProgress: ({ what, states: seen }) => {
      if (performance.now() - toldAt < PROGRESS_MS) return;
      toldAt = performance.now();
      console.error(`… ${what}: ${number.format(seen)} states`);
    },
  });
  tellWorlds(proof);
  console.log();
  tellBugs(proof);
  console.log();
  tellInvariants(proof);
  return proof.holds;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { states: { type: 'string', default: String(STATES) } },
});
const states = Number(values.states);
if (positionals.join() !== 'model' || !Number.isSafeInteger(states) || states < 1) {
  console.error('usage: npm run prove -- model [--states N]');
  process.exitCode = 2;
} else if (!(await model(states))) process.exitCode = 1;
