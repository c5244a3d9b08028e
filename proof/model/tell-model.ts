import { Progress } from '../progress.ts';
import { INVARIANTS } from './invariants.ts';
import { type ModelProof, proveModel } from './prove-model.ts';

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

function prove(states: number): Promise<ModelProof> {
  let toldAt = performance.now();
  return proveModel({
    states,
    onProgress: ({ what, states: seen }) => {
      if (performance.now() - toldAt < PROGRESS_MS) return;
      toldAt = performance.now();
      console.error(`… ${what}: ${number.format(seen)} states`);
    },
  });
}

/** Proves the model, and says on the console what came of it. Tells whether it holds. */
export async function tellModel(states: number): Promise<boolean> {
  const progress = new Progress<ModelProof>(`model-${states}`);
  const [before] = progress.all;
  if (before) console.error('… the model was proved before');
  const proof = before ?? (await prove(states));
  if (!before) progress.add('model', proof);
  tellWorlds(proof);
  console.log();
  tellBugs(proof);
  console.log();
  tellInvariants(proof);
  return proof.holds;
}
