// What the emulator takes, through the real client: npm run bench:emulator -- [--rounds N] [--json FILE]
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createScenarios, type Figures, type Scenario } from './scenarios.ts';
import { type Summary, summarize } from './statistics.ts';

interface Result extends Summary {
  readonly name: string;
  readonly unit: string;
  readonly goal: number | undefined;
  readonly met: boolean | undefined;
  /** Median by the processor time of this process; undefined where the figure is no time. */
  readonly cpu: number | undefined;
}

const warmUpRounds = 2;
const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '7' }, json: { type: 'string' } },
});

const bench = await createScenarios();
const measured = new Map<Scenario, Figures[]>(bench.scenarios.map((scenario) => [scenario, []]));
// Round by round, each scenario in turn: what disturbs the machine for a while disturbs all of them.
for (let round = -warmUpRounds; round < Number(values.rounds); round++) {
  for (const [scenario, figures] of measured) {
    globalThis.gc?.();
    const figure = await scenario.measure();
    if (round >= 0) figures.push(figure);
  }
  process.stderr.write('.');
}
process.stderr.write('\n');
await bench.close();

const results = [...[...measured].map(([scenario, figures]) => resultOf(scenario, figures)), memory()];
const machine = {
  node: process.version,
  cpu: cpus()[0]?.model,
  cores: availableParallelism(),
  load: loadavg(),
};
if (values.json !== undefined) {
  writeFileSync(values.json, `${JSON.stringify({ machine, results }, undefined, 2)}\n`);
}
process.stdout.write(`${table(results)}\n\n${JSON.stringify(machine)}\n`);

function resultOf({ name, unit, goal }: Scenario, figures: readonly Figures[]): Result {
  const summary = summarize(figures.map(({ wall }) => wall));
  const { median } = summary;
  const met = goal === undefined ? undefined : unit === 'ms' ? median <= goal : median >= goal;
  const cpu = summarize(figures.map((figure) => figure.cpu)).median;
  return { name, unit, goal, met, cpu, ...summary };
}

function memory(): Result {
  const file = fileURLToPath(new URL('memory.ts', import.meta.url));
  const output = execFileSync(process.execPath, ['--expose-gc', '--conditions=@polyphase/source', file]);
  const { rss }: { rss: number } = JSON.parse(output.toString());
  const megabytes = rss / 1024 / 1024;
  const goal = 500;
  return {
    name: '100,000 documents of 1 KB, memory of the process',
    unit: 'MB',
    goal,
    met: megabytes < goal,
    cpu: undefined,
    ...summarize([megabytes]),
  };
}

function table(rows: readonly Result[]): string {
  const lines = rows.map(({ name, unit, goal, met, cpu, median, least, most }) =>
    [
      name,
      `${shown(median)} ${unit}`,
      `${shown(least)} to ${shown(most)}`,
      cpu === undefined ? '' : shown(cpu),
      goal === undefined ? '' : String(goal),
      met === undefined ? '' : met ? 'yes' : 'NO',
    ].join(' | '),
  );
  return [
    '| figure | median | least to most | by processor time | goal | met |',
    '| --- | ---: | ---: | ---: | ---: | --- |',
    ...lines.map((line) => `| ${line} |`),
  ].join('\n');
}

function shown(figure: number): string {
  return figure < 10 ? figure.toFixed(2) : figure.toFixed(0);
}
