// Runs every examples/*/main.ts as its reader would, one after the other. An example that ends with an error, or takes
// longer than its time, fails: "config": { "timeLimitSeconds": 120 } in its package.json gives it more or less.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { report, root } from './workspace.mjs';

const SECONDS = 60;

function timeLimit(home) {
  const manifest = join(home, 'package.json');
  if (!existsSync(manifest)) return SECONDS;
  return JSON.parse(readFileSync(manifest, 'utf8')).config?.timeLimitSeconds ?? SECONDS;
}

const findings = [];
const home = join(root, 'examples');
const topics = existsSync(home)
  ? readdirSync(home).filter((name) => existsSync(join(home, name, 'main.ts')))
  : [];
for (const topic of topics.toSorted()) {
  const seconds = timeLimit(join(home, topic));
  console.log(`── examples/${topic}`);
  const started = performance.now();
  const ran = spawnSync(
    process.execPath,
    ['--conditions=@polyphase/source', join('examples', topic, 'main.ts')],
    {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      timeout: seconds * 1000,
      killSignal: 'SIGKILL',
    },
  );
  const took = ((performance.now() - started) / 1000).toFixed(1);
  if (ran.error?.code === 'ETIMEDOUT') findings.push(`examples/${topic}: not done after ${seconds} s`);
  else if (ran.status !== 0) findings.push(`examples/${topic}: ended with ${ran.status ?? ran.signal}`);
  console.log(`── examples/${topic}: ${took} s`);
}
report(findings, `${topics.length} examples run`);
