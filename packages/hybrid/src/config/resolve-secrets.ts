import { ConnectionError, InvalidOptionsError, ThrottledError } from '@polyphase/core';

/** A secret that is kept in Azure Key Vault, where config would otherwise hold it. */
export interface SecretReference {
  /** Address of the vault: `https://<name>.vault.azure.net`. */
  readonly keyVault: string;
  /** Name of the secret. */
  readonly secret: string;
  /** One version of it. @default the latest */
  readonly version?: string;
}

/** The part of `SecretClient` of `@azure/keyvault-secrets` that is called. Whoever made it owns it. */
export interface SecretReader {
  /** A secret by name. */
  getSecret(
    name: string,
    options?: { version?: string; abortSignal?: AbortSignal },
  ): Promise<{ readonly value?: string }>;
}

/** What {@link resolveSecrets} takes beside the config. */
export interface ResolveSecretsOptions {
  /** The client of a vault, asked once for each address. */
  readonly secrets: (vaultUrl: string) => SecretReader;
  /** Aborts the requests. */
  readonly signal?: AbortSignal;
}

/** A config in which each {@link SecretReference} has become text. */
export type WithSecrets<Config> = Config extends SecretReference
  ? string
  : Config extends (...args: never[]) => unknown
    ? Config
    : Config extends object
      ? { readonly [Name in keyof Config]: WithSecrets<Config[Name]> }
      : Config;

/**
 * A copy of a config in which each reference to a secret is replaced by the secret, such as a connection string.
 *
 * References stand anywhere in plain objects and lists: `{ keyVault: 'https://v.vault.azure.net', secret: 'pg' }`. Each secret is asked for
 * once; all else stays as it is. Nothing is kept: call again to learn of a secret that was rotated. Errors name vaults, names and
 * status codes, never secrets, and carry no cause, since the driver's errors hold requests with their tokens.
 *
 * @throws `InvalidOptionsError` with every reference that is malformed, missing, disabled or refused
 * @throws `ThrottledError` or `ConnectionError` when a vault cannot answer now: try again
 *
 * @example
 * ```ts
 * import { SecretClient } from '@azure/keyvault-secrets';
 * import { resolveSecrets } from '@polyphase/hybrid';
 *
 * declare const credential: ConstructorParameters<typeof SecretClient>[1];
 *
 * const { postgres } = await resolveSecrets(
 *   { postgres: { keyVault: 'https://app.vault.azure.net', secret: 'pg' }, schema: 'app' },
 *   { secrets: (vaultUrl) => new SecretClient(vaultUrl, credential) },
 * );
 * ```
 */
export async function resolveSecrets<const Config extends object>(
  config: Config,
  options: ResolveSecretsOptions,
): Promise<WithSecrets<Config>> {
  const found = new Map<string, SecretReference>();
  const problems = collect(config, [], found);
  fail(problems);
  const vaults = new Map<string, SecretReader>();
  for (const { keyVault } of found.values())
    if (!vaults.has(keyVault)) vaults.set(keyVault, options.secrets(keyVault));
  const answers = await Promise.all(
    [...found].map(async ([name, reference]) => {
      const vault = vaults.get(reference.keyVault);
      return [name, await ask(vault, reference, options.signal)] as const;
    }),
  );
  options.signal?.throwIfAborted();
  for (const [, answer] of answers) if (answer.kind === 'later') throw answer.error;
  fail(answers.flatMap(([, answer]) => (answer.kind === 'problem' ? [answer.problem] : [])));
  const texts = new Map(
    answers.flatMap(([name, answer]) => (answer.kind === 'secret' ? [[name, answer.text] as const] : [])),
  );
  // Each reference is replaced by its text, which is what the type says.
  return replace(config, texts) as WithSecrets<Config>;
}

type Answer =
  | { readonly kind: 'secret'; readonly text: string }
  | { readonly kind: 'problem'; readonly problem: string }
  | { readonly kind: 'later'; readonly error: ConnectionError | ThrottledError };

function fail(problems: readonly string[]): void {
  if (problems.length > 0)
    throw new InvalidOptionsError({ message: 'Secrets of the config cannot be resolved', problems });
}

// Instances of classes, such as a pool, are not looked into.
function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function isReference(value: unknown): value is Record<string, unknown> {
  return isPlain(value) && 'keyVault' in value;
}

const idOf = ({ keyVault, secret, version }: SecretReference): string =>
  JSON.stringify([keyVault, secret, version ?? null]);

function referenceOf(value: Record<string, unknown>): SecretReference | undefined {
  const { keyVault, secret, version, ...more } = value;
  if (typeof keyVault !== 'string' || !/^https:\/\/[^/?#@\s]+\/?$/.test(keyVault)) return undefined;
  if (typeof secret !== 'string' || !/^[0-9A-Za-z-]{1,127}$/.test(secret)) return undefined;
  if (Object.keys(more).length > 0) return undefined;
  if (version === undefined) return { keyVault, secret };
  return typeof version === 'string' && /^[0-9A-Za-z]{1,64}$/.test(version)
    ? { keyVault, secret, version }
    : undefined;
}

function collect(value: unknown, path: readonly string[], found: Map<string, SecretReference>): string[] {
  if (Array.isArray(value)) return value.flatMap((it, i) => collect(it, [...path, String(i)], found));
  if (!isPlain(value)) return [];
  if (!isReference(value))
    return Object.entries(value).flatMap(([name, it]) => collect(it, [...path, name], found));
  const reference = referenceOf(value);
  if (!reference)
    return [
      `${path.join('.')}: a reference is { keyVault: "https://<name>.vault.azure.net", secret: "<name>" }, with a version or without`,
    ];
  found.set(idOf(reference), reference);
  return [];
}

function replace(value: unknown, texts: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(value)) return value.map((it) => replace(it, texts));
  if (!isPlain(value)) return value;
  const reference = isReference(value) ? referenceOf(value) : undefined;
  if (reference) return texts.get(idOf(reference));
  return Object.fromEntries(Object.entries(value).map(([name, it]) => [name, replace(it, texts)]));
}

async function ask(
  vault: SecretReader | undefined,
  reference: SecretReference,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  const { keyVault, secret, version } = reference;
  const what = `secret "${secret}" of ${keyVault}`;
  try {
    const answer = await vault?.getSecret(secret, {
      ...(version === undefined ? {} : { version }),
      ...(signal ? { abortSignal: signal } : {}),
    });
    if (typeof answer?.value === 'string') return { kind: 'secret', text: answer.value };
    return { kind: 'problem', problem: `${what} has no value` };
  } catch (error) {
    return answerTo(error, what);
  }
}

const REFUSALS: Readonly<Record<number, string>> = {
  400: 'was refused as a bad request; correct the reference',
  401: 'was refused: the vault does not know this identity; give the client another credential',
  403: 'was refused: grant this identity the role Key Vault Secrets User, enable the secret, or open the vault to this network',
  404: 'is not there; correct the reference, or make the secret',
};

// Only status and name of the driver's error are looked at: its text and its request may hold what nobody should see.
function answerTo(error: unknown, what: string): Answer {
  const told = Object(error) as { readonly statusCode?: unknown; readonly name?: unknown };
  const statusCode = typeof told.statusCode === 'number' ? told.statusCode : undefined;
  const refusal = statusCode === undefined ? undefined : REFUSALS[statusCode];
  if (refusal !== undefined) return { kind: 'problem', problem: `${what} ${refusal} (status ${statusCode})` };
  if (statusCode === undefined && /^(Credential|Authentication|Aggregate)/.test(String(told.name)))
    return {
      kind: 'problem',
      problem: `${what} cannot be asked for: the credential gives no token; correct the identity`,
    };
  if (statusCode === 429) {
    const message = `The ${what} cannot be read now: the vault is asked too often; try again`;
    return { kind: 'later', error: new ThrottledError({ message, retryAfterMs: 1_000 }) };
  }
  const status = statusCode === undefined ? '' : ` (status ${statusCode})`;
  const message = `The ${what} cannot be read: the vault does not answer${status}; try again`;
  return { kind: 'later', error: new ConnectionError({ message }) };
}
