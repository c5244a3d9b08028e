// What each library costs, by the raw driver's own cost in the same run: npm run bench -- [--rounds N] [--json FILE] [--only get,insert] [--against NAME]
// With --against, of the libraries only those whose name holds NAME are measured beside the driver.
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { createDatabase, startPostgres } from '@polyphase/test-support';
import { type Account, accountOf, rowsPerTenant } from './account.ts';
import { type Contender, type MakeContender, type OperationName, operationNames } from './contender.ts';
import { makeDrizzle } from './contenders/drizzle.ts';
import { makeKysely } from './contenders/kysely.ts';
import { makeMikroOrm } from './contenders/mikro-orm.ts';
import { makePgPipelined, makePgRaw } from './contenders/pg-raw.ts';
import { makeAdapter, makePhase6, makePhase7 } from './contenders/polyphase.ts';
import { makePostgresJs } from './contenders/postgres-js.ts';
import { makeTypeorm } from './contenders/typeorm.ts';
import { type Cost, measure, summarize } from './measure.ts';

const rowsPerPage = 1000;
const connections = 10;
const tenants = 40;
const warmUpRounds = 2;

/** Units of work in one round, about as long for each operation, and how many of them are under way at a time. */
const counts: Readonly<Record<OperationName, { readonly units: number; readonly at: number }>> = {
  get: { units: 2000, at: 32 },
  getAlone: { units: 500, at: 1 },
  insert: { units: 1000, at: 32 },
  update: { units: 1000, at: 32 },
  query100: { units: 100, at: 32 },
  getMany100: { units: 100, at: 32 },
  bulkNew: { units: 4, at: 1 },
  bulkNewer: { units: 4, at: 1 },
};

// The first is what the others are divided by; the second is the same again, and says what the division is worth.
const makers: Readonly<Record<string, MakeContender>> = {
  pg: makePgRaw,
  'pg again': (ground) => makePgRaw(ground, 'pg, named, again'),
  'pg pipelined': makePgPipelined,
  adapter: makeAdapter,
  'phase 7': makePhase7,
  'phase 6': makePhase6,
  'postgres.js': makePostgresJs,
  kysely: makeKysely,
  drizzle: makeDrizzle,
  typeorm: makeTypeorm,
  'mikro-orm': makeMikroOrm,
};

interface Row {
  readonly operation: OperationName;
  readonly contender: string;
  /** Processor time and wall time by the raw driver's: median and quartiles over the rounds. */
  readonly cpu: { readonly median: number; readonly low: number; readonly high: number };
  readonly wall: { readonly median: number; readonly low: number; readonly high: number };
  readonly cpuUs: number;
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '11' },
    json: { type: 'string' },
    only: { type: 'string', default: operationNames.join() },
    against: { type: 'string', default: '' },
  },
});
const chosen = operationNames.filter((name) => values.only.split(',').includes(name));

const engine = await startPostgres();
const accounts = Array.from({ length: tenants * rowsPerTenant }, (_, n) => accountOf(n));
const pagesOver = pagesOf('over');
const contenders: Contender[] = [];
try {
  for (const [name, make] of Object.entries(makers)) {
    if (name !== 'pg' && !name.includes(values.against)) continue;
    const { url } = await createDatabase(engine.url);
    contenders.push(await make({ url, connections, accounts }));
  }
  const rows: Row[] = [];
  for (const operation of chosen) rows.push(...(await compare(operation)));
  const machine = {
    node: process.version,
    cpu: cpus()[0]?.model,
    cores: availableParallelism(),
    load: loadavg(),
  };
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify({ machine, rows }, undefined, 2)}\n`);
  process.stdout.write(`${table(rows)}\n\n${JSON.stringify(machine)}\n`);
} finally {
  for (const contender of contenders) await contender.close();
  await engine.stop();
}

/** Measures an operation in rounds, every contender in each, and divides by the first contender of the same round. */
async function compare(operation: OperationName): Promise<Row[]> {
  const able = contenders.filter(({ bulk }) => bulk !== undefined || !operation.startsWith('bulk'));
  const costs = new Map<Contender, Cost[]>(able.map((contender) => [contender, []]));
  for (let round = -warmUpRounds; round < Number(values.rounds); round++) {
    for (const [contender, figures] of costs) {
      const work = workOf(contender, operation, round + warmUpRounds + 1);
      const { units, at } = counts[operation];
      const cost = await measure(units, at, work);
      if (round >= 0) figures.push(cost);
    }
    process.stderr.write('.');
  }
  process.stderr.write(` ${operation}\n`);
  const base = costs.get(contenders[0] as Contender) ?? [];
  return [...costs].map(([contender, figures]) => ({
    operation,
    contender: contender.name,
    cpu: summarize(figures.map(({ cpuUs }, round) => cpuUs / (base[round]?.cpuUs ?? Number.NaN))),
    wall: summarize(figures.map(({ wallUs }, round) => wallUs / (base[round]?.wallUs ?? Number.NaN))),
    cpuUs: summarize(figures.map(({ cpuUs }) => cpuUs)).median,
  }));
}

/** The unit of work with a number. Rows are made before the clock starts where making them is no part of the work. */
function workOf(
  contender: Contender,
  operation: OperationName,
  round: number,
): (n: number) => Promise<unknown> {
  const at = (n: number): Account => accounts[(n * 7919) % accounts.length] as Account;
  switch (operation) {
    case 'get':
    case 'getAlone':
      return (n) => contender.get(at(n));
    case 'insert': {
      const fresh = Array.from({ length: counts.insert.units }, (_, n) => ({
        ...accountOf(n),
        tenantId: `new-${n % 50}`,
      }));
      return (n) => contender.insert(fresh[n] as Account);
    }
    case 'update':
      return (n) => contender.update(at(n));
    case 'query100':
      return (n) => contender.query100(`tenant-${n % tenants}`);
    case 'getMany100':
      return (n) => contender.getMany100(Array.from({ length: 100 }, (_, i) => at(n * 100 + i)));
    case 'bulkNew':
    case 'bulkNewer': {
      const isOver = operation === 'bulkNewer' && contender.bulk?.over === true;
      const pages = isOver ? pagesOver : pagesOf(`bulk-${round}`);
      const ready = pages.map((page) => contender.bulk?.ready(page, round));
      return async (n) => ready[n]?.();
    }
  }
}

function pagesOf(tenant: string): readonly (readonly Account[])[] {
  return Array.from({ length: counts.bulkNew.units }, (_page, page) =>
    Array.from({ length: rowsPerPage }, (_row, n) => ({
      ...accountOf(page * rowsPerPage + n),
      tenantId: `${tenant}-${n % 50}`,
    })),
  );
}

function table(rows: readonly Row[]): string {
  const lines = rows.map(({ operation, contender, cpu, wall, cpuUs }) =>
    [
      operation,
      contender,
      cpu.median.toFixed(2),
      `${cpu.low.toFixed(2)} to ${cpu.high.toFixed(2)}`,
      wall.median.toFixed(2),
      cpuUs.toFixed(0),
    ].join(' | '),
  );
  return [
    '| operation | library | CPU, by pg | middle half | time, by pg | CPU, µs |',
    '| --- | --- | ---: | ---: | ---: | ---: |',
    ...lines.map((line) => `| ${line} |`),
  ].join('\n');
}
