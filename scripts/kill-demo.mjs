// Kills the demo with SIGKILL at random moments, starts it again each time, and lets the last run end. It must end as one that
// was never killed: with the same last line, and with no server or folder of an earlier run left behind.
//   npm run kill-demo            ten times
//   npm run kill-demo -- 3       three times
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { root } from './workspace.mjs';

const TIMES = Number(process.argv[2] ?? 10);
const LONGEST_MS = 35_000;
const EXPECTED = /^acknowledged [\d,]+, missing 0, different 0$/;
const args = ['--conditions=@polyphase/source', join('examples', 'quickstart', 'main.ts')];

// Others may be at work on this machine: what the demo leaves is told from theirs by a temporary folder of its own, which
// the user of its servers must be able to enter.
const home = mkdtempSync(join(tmpdir(), 'kill-demo-'));
chmodSync(home, 0o755);

function start() {
  const env = { ...process.env, TMPDIR: home };
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] });
  const run = {
    child,
    last: '',
    ended: new Promise((resolve) => child.once('close', (code) => resolve(code))),
  };
  child.stdout.setEncoding('utf8').on('data', (text) => {
    run.last = text.trimEnd().split('\n').at(-1) ?? run.last;
  });
  return run;
}

/** Servers of the demo, and their folders, that are there now. */
function leftOver() {
  const listed = spawnSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).stdout ?? '';
  const servers = listed.split('\n').filter((line) => line.includes(`${home}/`));
  return [...servers, ...readdirSync(home).map((name) => join(home, name))];
}

for (let time = 1; time <= TIMES; time += 1) {
  const afterMs = Math.round(500 + Math.random() * LONGEST_MS);
  const run = start();
  await Promise.race([pause(afterMs), run.ended]);
  run.child.kill('SIGKILL');
  await run.ended;
  console.log(`killed after ${afterMs} ms, at: ${run.last}`);
}
const run = start();
const code = await run.ended;
console.log(run.last);
// The guards of killed runs stop their servers as soon as they notice.
for (let tries = 0; tries < 100 && leftOver().length > 0; tries += 1) await pause(100);
const left = leftOver();
for (const one of left) console.log(`left behind: ${one}`);
if (left.length === 0) rmSync(home, { recursive: true });
const good = code === 0 && EXPECTED.test(run.last) && left.length === 0;
console.log(good ? 'the demo ends as if it had never been killed' : `FAILED: exit code ${code}`);
process.exitCode = good ? 0 : 1;
