import type { TestProject } from 'vitest/node';
import { type Engine, EngineMissingError, inCi } from './engine.ts';
import { startPostgres } from './postgres-server.ts';
import { startRedis } from './redis-server.ts';

/** Starts one PostgreSQL and one Redis for the run; answers with what stops them. A tool's entry, hence the default export. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const started = performance.now();
  const [postgres, redis] = await Promise.allSettled([startPostgres(), startRedis()]);
  const engines = [postgres, redis].flatMap((result) =>
    result.status === 'fulfilled' ? [result.value] : [],
  );
  const stop = async () => {
    await Promise.all(engines.map((engine) => engine.stop()));
  };
  try {
    project.provide('postgresUrl', urlOf('PostgreSQL', postgres));
    project.provide('redisUrl', urlOf('Redis', redis));
  } catch (error) {
    await stop();
    throw error;
  }
  process.stdout.write(`engines ready in ${Math.round(performance.now() - started)} ms\n`);
  return stop;
}

function urlOf(name: string, result: PromiseSettledResult<Engine>): string | undefined {
  if (result.status === 'fulfilled') {
    process.stdout.write(`${name}: ${result.value.from}\n`);
    return result.value.url;
  }
  const missing = result.reason instanceof EngineMissingError;
  if (inCi() || !missing) throw result.reason;
  process.stdout.write(`${result.reason.message}; its tests are skipped\n`);
  return undefined;
}
