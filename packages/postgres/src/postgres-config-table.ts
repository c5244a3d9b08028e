import {
  type CallOptions,
  type Clock,
  type ConfigSource,
  ConflictError,
  type Duration,
  InvalidOptionsError,
  isJsonObject,
  type LoadedConfig,
  type PolyphaseConfig,
  parseConfig,
  parseDuration,
  systemClock,
  watchByPolling,
} from '@polyphase/core';
import { applyMigrations } from './apply-migrations.ts';
import { Connections, type UseOptions } from './connections.ts';
import type { PostgresPool } from './driver.ts';
import { publishConfig } from './sql/publish-config.ts';
import { readConfig } from './sql/read-config.ts';
import { verifySdkTables } from './verify-table.ts';

/** What {@link configFromTable} takes. */
export interface ConfigTableOptions {
  /** A `Pool` of pg. Whoever made it closes it. */
  readonly pool: PostgresPool;
  /** Which config of the table: services that share a database have one each. @default "default" */
  readonly name?: string;
  /** Pause between two looks at the table, in milliseconds or as text. @default "1s" */
  readonly poll?: Duration;
  /** What the first call does where the table is missing: makes it, or says so. @default "apply" */
  readonly migrations?: 'apply' | 'check';
  /** Longest wait for a connection, and for each answer, in milliseconds, 100 or more. @default 30000 */
  readonly timeoutMs?: number;
  /** Where time comes from. @default the machine's clock */
  readonly clock?: Clock;
}

/** Config in a row of `polyphase.config`: processes follow it, and any of them may publish another. */
export interface ConfigTable extends ConfigSource {
  /**
   * Puts another config there, if its revision is higher than that of the one that is there. Of two processes that publish the same
   * revision at once, one wins and the other learns of it. Safe to repeat.
   *
   * @throws `InvalidOptionsError` when it is no config; then nothing is written
   * @throws `ConflictError` when one of a higher revision is there, or of the same that says something else: read it, and decide
   * @throws `UnknownOutcomeError` when the reply was lost: publish it again
   */
  publish(config: PolyphaseConfig, options?: CallOptions): Promise<void>;
}

class PostgresConfigTable implements ConfigTable {
  readonly #options: Required<Pick<ConfigTableOptions, 'name' | 'migrations' | 'clock'>>;
  readonly #pollMs: number;
  readonly #connections: Connections;
  #ready: Promise<void> | undefined;

  constructor(options: ConfigTableOptions, pollMs: number) {
    const { pool, name = 'default', migrations = 'apply', clock = systemClock } = options;
    this.#options = { name, migrations, clock };
    this.#pollMs = pollMs;
    this.#connections = new Connections({ pool, timeoutMs: options.timeoutMs ?? 30_000 });
  }

  async read({ signal }: CallOptions = {}): Promise<LoadedConfig> {
    const text = await this.#text(signal);
    if (text === undefined)
      throw new InvalidOptionsError({
        message: `There is no config "${this.#options.name}" in polyphase.config; publish one`,
      });
    return { loaded: JSON.parse(text) };
  }

  watch({ signal }: { readonly signal: AbortSignal }): AsyncIterable<void> {
    const { clock } = this.#options;
    return watchByPolling({ look: (ended) => this.#text(ended), pollMs: this.#pollMs, clock, signal });
  }

  async publish(config: PolyphaseConfig, { signal }: CallOptions = {}): Promise<void> {
    const { name } = this.#options;
    // Which entities are registered is known to those who follow; all else is checked before others see it.
    const entities: unknown = config?.entities;
    const { revision } = parseConfig(config, isJsonObject(entities) ? Object.keys(entities) : []);
    await this.#prepared(signal);
    const where = { ...this.#place('publish', signal), unknownAs: `config ${name} ${revision}` };
    const [result] = await this.#connections.run(
      [publishConfig.bind({ name, config: JSON.stringify(config) })],
      where,
    );
    if (publishConfig.rows(result)[0] !== undefined) return;
    throw new ConflictError({
      message: `Config revision ${revision} is not above the one in polyphase.config; read that, and publish a higher one`,
      operation: 'publish',
      key: name,
    });
  }

  async #text(signal: AbortSignal | undefined): Promise<string | undefined> {
    await this.#prepared(signal);
    const { name } = this.#options;
    const [result] = await this.#connections.run([readConfig.bind(name)], this.#place('read', signal));
    return readConfig.rows(result)[0];
  }

  // Not bound to the caller's signal: whoever comes next needs the table too.
  async #prepared(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    this.#ready ??= this.#prepare().catch((error: unknown) => {
      this.#ready = undefined;
      throw error;
    });
    await this.#ready;
  }

  async #prepare(): Promise<void> {
    const place: UseOptions = { operation: 'prepare' };
    const { passed, seen, wanted } = await verifySdkTables(this.#connections, place);
    if (passed) return;
    if (this.#options.migrations === 'check')
      throw new InvalidOptionsError({ message: `${seen} (wanted: ${wanted})` });
    await applyMigrations(this.#connections, { entities: [], names: { schema: 'public', map: {} } }, place);
  }

  #place(operation: string, signal: AbortSignal | undefined): UseOptions {
    return { operation, key: this.#options.name, signal };
  }
}

/**
 * The config in a row of `polyphase.config`, which a hybrid takes again whenever the row changes. The table is looked at again and
 * again, so that it works behind PgBouncer and after a failover as well.
 *
 * @throws `InvalidOptionsError` when an option is wrong
 *
 * @example
 * ```ts
 * import { configFromTable } from '@polyphase/postgres';
 * import { Pool } from 'pg';
 *
 * const pool = new Pool({ connectionString: 'postgres://app@localhost/app' });
 * const config = configFromTable({ pool, name: 'billing' });
 * await config.publish({ revision: 1, entities: { accounts: { policy: 'cosmos-only' } } });
 * ```
 */
export function configFromTable(options: ConfigTableOptions): ConfigTable {
  const problems: string[] = [];
  if (typeof options.pool?.connect !== 'function') problems.push('pool must be a Pool of pg');
  if (options.name !== undefined && !/^[\w.-]{1,200}$/.test(options.name))
    problems.push('name must hold letters, digits, _, . and - only (200 at most)');
  const pollMs = parseDuration(options.poll ?? '1s');
  if (pollMs === undefined || pollMs <= 0) problems.push('poll must be a duration longer than 0');
  if (options.timeoutMs !== undefined && !(options.timeoutMs >= 100))
    problems.push('timeoutMs must be 100 or more');
  if (problems.length > 0 || pollMs === undefined)
    throw new InvalidOptionsError({ message: 'configFromTable cannot be made', problems });
  return new PostgresConfigTable(options, pollMs);
}
