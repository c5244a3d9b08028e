import { readFile } from 'node:fs/promises';
import { InvalidOptionsError } from '@polyphase/core';
import type { LoadedConfig } from './hybrid-options.ts';

/**
 * The config in a JSON file. It is checked as a whole when it is used: by `createHybrid`, or by `configure` after the file changed.
 *
 * @throws `InvalidOptionsError` when the file cannot be read or is no JSON
 *
 * @example
 * ```ts
 * import { configFromFile } from '@polyphase/hybrid';
 *
 * const config = await configFromFile('polyphase.json');
 * ```
 */
export async function configFromFile(path: string): Promise<LoadedConfig> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new InvalidOptionsError({ message: `The config file ${path} cannot be read`, cause: error });
  }
  try {
    return { loaded: JSON.parse(text) };
  } catch (error) {
    throw new InvalidOptionsError({ message: `The config file ${path} is no JSON`, cause: error });
  }
}
