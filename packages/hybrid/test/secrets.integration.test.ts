import { inspect } from 'node:util';
import { SecretClient } from '@azure/keyvault-secrets';
import { isPolyphaseError } from '@polyphase/core';
import { KEY_VAULT_TOKEN, startKeyVaultDouble } from '@polyphase/test-support';
import { afterAll, beforeEach, describe, expect, expectTypeOf, it } from 'vitest';
import { resolveSecrets } from '../src/index.ts';

const vault = await startKeyVaultDouble();
afterAll(() => vault.close());
beforeEach(() => {
  vault.status = undefined;
  vault.asked.length = 0;
});

const SECRET = 'postgres://app:sesame@db/app';
vault.secrets.set('pg', SECRET);
vault.secrets.set('pg/00000000000000000000000000000001', 'the first one');

const granted = async () => ({ token: KEY_VAULT_TOKEN, expiresOnTimestamp: Date.now() + 3_600_000 });
const clientOf = (getToken: () => Promise<{ token: string; expiresOnTimestamp: number }>) => (url: string) =>
  new SecretClient(
    url,
    { getToken },
    {
      disableChallengeResourceVerification: true,
      retryOptions: { maxRetries: 0 },
      tlsOptions: { ca: vault.authority },
    },
  );
const secrets = clientOf(granted);
const pg = { keyVault: vault.url, secret: 'pg' } as const;

async function failure(call: Promise<unknown>) {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isPolyphaseError(error)) throw new Error('an error of the SDK was expected', { cause: error });
  const shown = inspect(error, { depth: 20, showHidden: true }) + JSON.stringify(error) + String(error.stack);
  expect(shown).not.toContain('sesame');
  expect(shown).not.toContain(KEY_VAULT_TOKEN);
  return error;
}

describe('references to secrets, against a double of Key Vault', () => {
  it('are replaced wherever they stand, and nothing else is', async () => {
    const pool = new (class Pool {
      readonly keyVault = 'not looked into';
    })();
    const config = {
      postgres: pg,
      replicas: [{ url: pg }, { url: { ...pg, version: '00000000000000000000000000000001' } }],
      schema: 'app',
      pool,
      none: null,
    };
    const resolved = await resolveSecrets(config, { secrets });
    expectTypeOf(resolved.postgres).toEqualTypeOf<string>();
    expect(resolved).toEqual({
      postgres: SECRET,
      replicas: [{ url: SECRET }, { url: 'the first one' }],
      schema: 'app',
      pool,
      none: null,
    });
    expect(resolved.pool).toBe(pool);
    expect(config.postgres).toEqual(pg);
    expect(vault.asked).toHaveLength(2);
  });

  it('are asked for anew each time, so that a rotated secret is seen', async () => {
    vault.secrets.set('turning', 'one');
    const turning = { it: { keyVault: vault.url, secret: 'turning' } };
    expect(await resolveSecrets(turning, { secrets })).toEqual({ it: 'one' });
    vault.secrets.set('turning', 'two');
    expect(await resolveSecrets(turning, { secrets })).toEqual({ it: 'two' });
  });

  it('that cannot be resolved are told all at once', async () => {
    const missing = { ...pg, secret: 'gone' };
    const error = await failure(
      resolveSecrets({ a: pg, b: missing, c: { ...pg, secret: 'lost' } }, { secrets }),
    );
    expect(error).toMatchObject({ code: 'invalid-options', problems: { length: 2 } });
    expect(error.message).toContain(`secret "gone" of ${vault.url} is not there`);
  });

  it.each([
    [401, 'invalid-options', 'does not know this identity'],
    [403, 'invalid-options', 'Key Vault Secrets User'],
    [429, 'throttled', 'asked too often'],
    [500, 'connection', 'does not answer (status 500)'],
  ])('status %d is %s', async (status, code, text) => {
    vault.status = status;
    const error = await failure(resolveSecrets({ pg }, { secrets }));
    expect(error.code).toBe(code);
    expect(error.message).toContain(text);
  });

  it('without a token are a matter of the identity', async () => {
    const none = clientOf(async () => {
      throw Object.assign(new Error(SECRET), { name: 'CredentialUnavailableError' });
    });
    expect((await failure(resolveSecrets({ pg }, { secrets: none }))).message).toContain('gives no token');
    const wrong = clientOf(async () => ({ ...(await granted()), token: 'sesame' }));
    expect((await failure(resolveSecrets({ pg }, { secrets: wrong }))).message).toContain(
      'another credential',
    );
  });

  it('of a vault that cannot be reached, or is not trusted, may be tried again', async () => {
    const nowhere = { ...pg, keyVault: 'https://127.0.0.1:1' };
    expect((await failure(resolveSecrets({ nowhere }, { secrets }))).code).toBe('connection');
    const untrusting = (url: string) =>
      new SecretClient(url, { getToken: granted }, { retryOptions: { maxRetries: 0 } });
    expect((await failure(resolveSecrets({ pg }, { secrets: untrusting }))).code).toBe('connection');
  });

  it('that are malformed are refused before anything is asked', async () => {
    const wrong = {
      plain: { keyVault: 'http://v.vault.azure.net', secret: 'pg' },
      path: { ...pg, secret: '../keys/x' },
      user: { ...pg, keyVault: 'https://sesame@v.vault.azure.net' },
      more: [{ ...pg, value: 'sesame' }],
      version: { ...pg, version: '1/../..' },
    };
    const error = await failure(resolveSecrets(wrong, { secrets }));
    expect(error).toMatchObject({ problems: { length: 5 } });
    expect(error.message).toContain('more.0: a reference is');
    expect(vault.asked).toEqual([]);
  });

  it('are not waited for once the signal aborts', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(resolveSecrets({ pg }, { secrets, signal })).rejects.toThrow('enough');
  });
});
