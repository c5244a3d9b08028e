import { mkdtempSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidOptionsError, isJsonObject, type JsonValue } from '@polyphase/core';
import { bindContract, configSourceCases } from '@polyphase/core/testing';
import { afterAll, describe, expect, it } from 'vitest';
import { configFromEnv } from './config-env.ts';
import { configFromFile } from './config-file.ts';

async function problemOf(call: Promise<unknown>): Promise<InvalidOptionsError> {
  const error = await call.catch((thrown: unknown) => thrown);
  if (InvalidOptionsError.isInstance(error)) return error;
  throw new Error('an InvalidOptionsError was expected');
}

describe('config in one variable', () => {
  const subject = async () => {
    const env: Record<string, string> = { PATH: '/bin' };
    return {
      store: {
        source: configFromEnv(env),
        put: async (config: JsonValue) => void (env['POLYPHASE_CONFIG'] = JSON.stringify(config)),
        remove: async () => void delete env['POLYPHASE_CONFIG'],
      },
    };
  };
  bindContract(configSourceCases, { capabilities: [], it, subject });
});

describe('config in a variable for each entity', () => {
  const subject = async () => {
    const env: Record<string, string> = { PATH: '/bin' };
    const remove = async () => {
      for (const name of Object.keys(env)) if (name.startsWith('APP_')) delete env[name];
    };
    const put = async (config: JsonValue) => {
      await remove();
      if (!isJsonObject(config) || !isJsonObject(config['entities'])) throw new Error('no config');
      env['APP_REVISION'] = JSON.stringify(config['revision']);
      for (const [name, policy] of Object.entries(config['entities']))
        env[`APP_ENTITY_${name}`] = JSON.stringify(policy);
    };
    return { store: { source: configFromEnv(env, { prefix: 'APP' }), put, remove } };
  };
  bindContract(configSourceCases, { capabilities: [], it, subject });

  const read = (env: Record<string, string>) => configFromEnv(env).read();

  it('may name the policy alone', async () => {
    const env = {
      POLYPHASE_REVISION: ' 7 ',
      POLYPHASE_ENTITY_accounts: 'cosmos-only',
      'POLYPHASE_ENTITY_old-orders': '{ "policy": "dual-write", "reads": "postgres" }',
      POLYPHASE_ENTITY_nothing: '',
    };
    const entities = {
      accounts: { policy: 'cosmos-only' },
      'old-orders': { policy: 'dual-write', reads: 'postgres' },
    };
    expect(await read(env)).toEqual({ loaded: { revision: 7, entities } });
  });

  it('has the groups in a variable of their own', async () => {
    const env = {
      POLYPHASE_REVISION: '7',
      POLYPHASE_ENTITY_a: 'cosmos-only',
      POLYPHASE_GROUPS: '{"g":["a","b"]}',
    };
    expect((await read(env)).loaded).toMatchObject({ groups: { g: ['a', 'b'] } });
    const both = { POLYPHASE_CONFIG: '{}', POLYPHASE_GROUPS: '{}' };
    expect((await problemOf(read(both))).message).toContain('set the one or the others');
  });

  it('hands a revision that is no number over for the check of the whole', async () => {
    expect((await read({ POLYPHASE_REVISION: 'seven' })).loaded).toMatchObject({ revision: 'seven' });
    expect((await read({ POLYPHASE_ENTITY_a: 'x' })).loaded).toMatchObject({ revision: undefined });
  });

  it('is refused beside the whole config', async () => {
    const both = { POLYPHASE_CONFIG: '{}', POLYPHASE_ENTITY_a: 'cosmos-only' };
    expect((await problemOf(read(both))).message).toContain('set the one or the others');
  });

  it('says which variable is no JSON, and shows nothing of it', async () => {
    const error = await problemOf(read({ POLYPHASE_REVISION: '1', POLYPHASE_ENTITY_a: '{ "key": sesame }' }));
    expect(error.message).toContain('POLYPHASE_ENTITY_a is no JSON');
    expect(JSON.stringify(error) + String(error) + String(error.cause)).not.toContain('sesame');
  });

  it('has a prefix that a variable can have', () => {
    expect(() => configFromEnv({}, { prefix: '1-A' })).toThrow(InvalidOptionsError);
  });
});

describe('config in a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'polyphase-config-'));
  afterAll(() => rm(folder, { recursive: true }));
  let files = 0;
  const subject = async () => {
    const path = join(folder, `config-${(files += 1)}.json`);
    const put = async (config: JsonValue) => {
      await writeFile(`${path}.new`, JSON.stringify(config));
      await rename(`${path}.new`, path);
    };
    return { store: { source: configFromFile(path, { poll: 5 }), put, remove: () => rm(path) } };
  };
  bindContract(configSourceCases, { capabilities: ['hot-reload'], it, subject });

  it('may begin with a byte order mark', async () => {
    const path = join(folder, 'marked.json');
    await writeFile(path, '\uFEFF{ "revision": 1 }');
    expect(await configFromFile(path).read()).toEqual({ loaded: { revision: 1 } });
  });

  it('that is half written is refused, and nothing of it shown', async () => {
    const path = join(folder, 'half.json');
    await writeFile(path, '{ "revision": 1,\n "sesame');
    const error = await problemOf(configFromFile(path).read());
    expect(error.message).toContain('half.json is no JSON: see line 2 column 9');
    expect(JSON.stringify(error) + String(error) + String(error.cause)).not.toContain('sesame');
  });

  it('is looked at with pauses', () => {
    expect(() => configFromFile('x', { poll: 0 })).toThrow('longer than 0');
  });
});
