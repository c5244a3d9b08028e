import { type CallOptions, type ConfigSource, InvalidOptionsError } from '@polyphase/core';
import { configJson } from './config-json.ts';

/** Environment variables, such as `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What {@link configFromEnv} takes beside the environment. */
export interface ConfigEnvOptions {
  /** What the names of the variables begin with. @default "POLYPHASE" */
  readonly prefix?: string;
}

/**
 * The config in environment variables, which are handed in: nothing here reads the process's own.
 *
 * Either `POLYPHASE_CONFIG` holds all of it as JSON; or `POLYPHASE_REVISION` holds the revision, and `POLYPHASE_ENTITY_<name>` the policy
 * of each entity: as JSON, or as the name of the policy alone; `POLYPHASE_GROUPS` then holds the groups as JSON, where there are any. Both at once
 * are refused. A process's variables never change, so watching
 * tells of nothing after the start.
 *
 * @throws `InvalidOptionsError` when the prefix is none
 *
 * @example
 * ```ts
 * import { configFromEnv } from '@polyphase/hybrid';
 *
 * // POLYPHASE_REVISION=7
 * // POLYPHASE_ENTITY_accounts=dual-write
 * // POLYPHASE_ENTITY_sessions={ "policy": "dual-write", "reads": "postgres", "maxStaleness": "1s" }
 * const config = configFromEnv(process.env);
 * ```
 */
export function configFromEnv(env: Environment, options: ConfigEnvOptions = {}): ConfigSource {
  const { prefix = 'POLYPHASE' } = options;
  if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(prefix))
    throw new InvalidOptionsError({
      message: 'prefix must begin with a letter and hold letters, digits and _ only',
    });
  return {
    read: async ({ signal }: CallOptions = {}) => {
      signal?.throwIfAborted();
      return { loaded: configIn(env, prefix) };
    },
    watch: onceThenNever,
  };
}

function configIn(env: Environment, prefix: string): unknown {
  const [whole, revision, entity] = [`${prefix}_CONFIG`, `${prefix}_REVISION`, `${prefix}_ENTITY_`];
  const groups = `${prefix}_GROUPS`;
  const there = (name: string): string | undefined => env[name]?.trim() || undefined;
  const names = Object.keys(env).filter((name) => name.startsWith(entity) && there(name) !== undefined);
  const text = there(whole);
  const apart = names.length > 0 || there(revision) !== undefined || there(groups) !== undefined;
  if (text !== undefined && apart)
    throw new InvalidOptionsError({
      message: `${whole} holds the whole config, and ${revision} or ${entity}… a part of it; set the one or the others`,
    });
  if (text !== undefined) return configJson(text, whole);
  if (!apart)
    throw new InvalidOptionsError({
      message: `There is no config in the environment; set ${whole}, or ${revision} and ${entity}<name>`,
    });
  const policies = names.map((name) => [name.slice(entity.length), policyIn(there(name) ?? '', name)]);
  const together = there(groups);
  return {
    revision: numberIn(there(revision)),
    entities: Object.fromEntries(policies),
    ...(together === undefined ? {} : { groups: configJson(together, groups) }),
  };
}

// What is no number is handed over as it is, for the check of the whole to say so.
function numberIn(text: string | undefined): unknown {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : text;
}

function policyIn(text: string, name: string): unknown {
  return text.startsWith('{') ? configJson(text, name) : { policy: text };
}

async function* onceThenNever({
  signal,
}: {
  readonly signal: AbortSignal;
}): AsyncGenerator<void, void, void> {
  if (signal.aborted) return;
  yield;
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
