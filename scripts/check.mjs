// Every check of the workspace, one after the other, each also there by its own name: npm run <stage>. All run, even
// after one has failed. Ends with "N passed, N failed, N skipped" alone on a line: the tests, and a failure per failed
// stage that is not the tests' own.
import { spawn } from 'node:child_process';
import { root } from './workspace.mjs';

// what is quick and often wrong comes first; `packages` and `api` look at what `build` made
const STAGES = [
  'format:check',
  'lint',
  'typecheck',
  'walls',
  'style',
  'test',
  'build',
  'packages',
  'api',
  'docs',
  'unused',
  'examples:check',
  'examples:run',
];
const TOTALS = /^(\d+) passed, (\d+) failed, (\d+) skipped$/gm;

const STAGE_MINUTES = 15;
let current;

/** Ends the stage that is running, with all that it started. */
function endStage() {
  if (current === undefined || current.exitCode !== null || current.signalCode !== null) return;
  if (process.platform === 'win32') current.kill('SIGKILL');
  else process.kill(-current.pid, 'SIGTERM');
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => {
    endStage();
    process.exit(1);
  });
}

/** Runs one stage, passing on what it says, and gives its exit and its output. A stage that hangs is ended. */
function run(stage) {
  return new Promise((resolve) => {
    current = spawn('pnpm', ['run', '--silent', stage], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32',
      detached: process.platform !== 'win32', // a group of its own, to be ended as a whole
    });
    const { stdout, stderr } = current;
    const limit = setTimeout(() => {
      console.log(`${stage} is not done after ${STAGE_MINUTES} minutes`);
      endStage();
    }, STAGE_MINUTES * 60_000);
    let output = '';
    stdout.on('data', (chunk) => {
      output += chunk;
      process.stdout.write(chunk);
    });
    stderr.pipe(process.stderr, { end: false });
    const settle = (ok) => {
      clearTimeout(limit);
      stdout.destroy();
      stderr.destroy();
      resolve({ ok, output });
    };
    current.once('error', () => settle(false));
    current.once('exit', (code) => {
      current.once('close', () => settle(code === 0));
      // something that outlived the stage may still hold its output open
      setTimeout(() => settle(code === 0), 2000).unref();
    });
  });
}

const total = { passed: 0, failed: 0, skipped: 0 };
const lines = [];
const only = process.argv.slice(2);
for (const stage of STAGES.filter((name) => only.length === 0 || only.includes(name))) {
  console.log(`\n── ${stage}`);
  const started = performance.now();
  const { ok, output } = await run(stage);
  const counts = stage === 'test' ? [...output.matchAll(TOTALS)].at(-1) : undefined;
  if (counts !== undefined) {
    total.passed += Number(counts[1]);
    total.failed += Number(counts[2]);
    total.skipped += Number(counts[3]);
  }
  if (!ok && Number(counts?.[2] ?? 0) === 0) total.failed += 1;
  const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(7);
  lines.push(`${seconds} s  ${stage}${ok ? '' : '  FAILED'}`);
  console.log(lines.at(-1));
}
console.log(`\n${lines.join('\n')}\n${(performance.now() / 1000).toFixed(1).padStart(7)} s  in all`);
process.exitCode = total.failed > 0 ? 1 : 0;
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
